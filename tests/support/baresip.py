"""baresip, a telephone of somebody else's making, told what to do over its control socket (ctrl_tcp).

async with baresip(tmp_path / "callee") as phone:
    ...
    await phone.has("CALL_ESTABLISHED")
    await phone.does("hold")
"""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.authority import Authority
from tests.support.daemon import free_for_both
from tests.support.programs import Program, installed, is_bound, program

__all__ = ["Baresip", "Traced", "baresip"]

Address = tuple[str, int]
CONFIGURATION = Path(__file__).resolve().parent.parent / "wire" / "peers" / "baresip.config"
_TRACED = re.compile(
    r"^(?P<transport>UDP|TCP) (?P<source>\S+) -> (?P<target>\S+)\n(?P<text>.*?)\x1b\[;m", re.DOTALL | re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Traced:
    """One SIP message of its trace: between which `host:port`s, and its lines."""

    transport: str
    source: str
    target: str
    text: str

    @property
    def start(self) -> str:
        return self.text.partition("\n")[0]

    def all(self, name: str) -> list[str]:
        """The values of a header, in their order."""
        return re.findall(rf"^{name}: (.*?)\r?$", self.text, re.MULTILINE)


class Baresip:
    """One telephone at `address`, over UDP and TCP. `events` are all it has reported so far."""

    def __init__(self, address: Address, running: Program, control: asyncio.StreamWriter) -> None:
        self.address = address
        self.events: list[dict[str, Any]] = []
        self._unread: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._running = running
        self._control = control

    @property
    def place(self) -> str:
        return f"{self.address[0]}:{self.address[1]}"

    @property
    def trace(self) -> str:
        """What it says, every SIP message included."""
        return self._running.said

    @property
    def received(self) -> list[Traced]:
        """The SIP messages that it has received."""
        traced = [Traced(**each.groupdict()) for each in _TRACED.finditer(self.trace)]
        return [each for each in traced if each.target == self.place]

    async def does(self, command: str, parameters: str = "") -> None:
        """Carry out a command of its menu: `dial`, `hold`, `resume`, `hangup`."""
        text = json.dumps({"command": command, "params": parameters}).encode()
        self._control.write(b"%d:%b," % (len(text), text))
        await self._control.drain()

    async def has(self, event: str, within: float = 5.0, **fields: Any) -> dict[str, Any]:
        """The next event of that type with these fields; those before it are passed over."""
        try:
            async with asyncio.timeout(within):
                while True:
                    found = await self._unread.get()
                    if found["type"] == event and fields.items() <= found.items():
                        return found
        except TimeoutError:
            seen = [each["type"] for each in self.events]
            raise AssertionError(f"no {event} {fields} within {within:g} s in {seen}:\n{self.trace}") from None

    async def listen(self, control: asyncio.StreamReader) -> None:
        """Read netstrings of JSON to the end of the connection."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                length = int((await control.readuntil(b":"))[:-1])
                said = json.loads((await control.readexactly(length + 1))[:-1])
                if said.get("event"):
                    self.events.append(said)
                    self._unread.put_nowait(said)


@contextlib.asynccontextmanager
async def baresip(
    directory: Path,
    *,
    host: str = "127.0.0.40",
    user: str = "+15550199",
    password: str = "",
    outbound: str = "",
    answers: bool = True,
    authority: Authority | None = None,
) -> AsyncIterator[Baresip]:
    """A telephone with one account, `user` with `password`; new calls of its own go to the URI `outbound`.

    With an authority it has a certificate for its address and trusts nobody else over TLS, one port above.
    """
    address, control = _places(host)
    account = [f"<sip:{user}@{host}:{address[1]}>", "regint=0", f"answermode={'auto' if answers else 'manual'}"]
    if outbound:
        account.append(f'outbound="{outbound}"')
    if password:
        account += [f"auth_user={user}", f"auth_pass={password}"]
    _configure(directory, ";".join(account) + "\n", host=host, port=address[1], control=control)
    if authority is not None:
        _secure(directory, authority, host)
    command = [installed("baresip", "baresip-core"), "-s", "-v", "-f", str(directory)]
    async with program(directory, *command) as running:
        await running.listening([("udp", *address), ("tcp", *address), ("tcp", host, control)])
        reader, writer = await asyncio.open_connection(host, control)
        phone = Baresip(address, running, writer)
        listening = asyncio.create_task(phone.listen(reader))
        try:
            yield phone
        finally:
            writer.close()
            await listening


def _configure(directory: Path, account: str, **places: str | int) -> None:
    directory.mkdir(parents=True)
    text = CONFIGURATION.read_text(encoding="utf-8").format(**places)
    for name, content in (("config", text), ("accounts", account), ("contacts", "")):
        (directory / name).write_text(content, encoding="utf-8")


def _secure(directory: Path, authority: Authority, host: str) -> None:
    authority.ca.issue_cert(host).private_key_and_cert_chain_pem.write_to_path(directory / "phone.pem")
    with (directory / "config").open("a", encoding="utf-8") as config:
        config.write(f"sip_certificate {directory}/phone.pem\nsip_cafile {authority.file}\n")


def _places(host: str) -> tuple[Address, int]:
    """Free ports for SIP (it takes the one above for TLS, asked or not) and for control."""
    for _ in range(50):
        port = free_for_both(host)
        if port < 65_000 and not is_bound("tcp", host, port + 1):
            return (host, port), free_for_both(host)
    raise AssertionError(f"no two neighbouring ports of {host} are free")
