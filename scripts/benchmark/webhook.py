"""The customer's application: one document for every request, over connections that stay open.

It does as little as HTTP/1.1 allows, so that it costs its core next to nothing. It refuses chunked requests.
"""

import argparse
import asyncio
import sys

END = b"\r\n\r\n"


class Application(asyncio.Protocol):
    """Answers requests in order; several may arrive in one read."""

    def __init__(self, response: bytes) -> None:
        self._response = response
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while END in self._received:
            head, _, rest = self._received.partition(END)
            length = content_length(head)
            if len(rest) < length:
                return
            self._received = rest[length:]
            self._transport.write(self._response)


def content_length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    return 0


def response(document: str) -> bytes:
    body = document.encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


async def serve(host: str, port: int, document: str) -> None:
    answer = response(document)
    server = await asyncio.get_running_loop().create_server(lambda: Application(answer), host, port)
    await server.serve_forever()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("document")
    asked = parser.parse_args()
    asyncio.run(serve(asked.host, asked.port, asked.document))
    return 0


if __name__ == "__main__":
    sys.exit(main())
