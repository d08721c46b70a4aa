"""Run inside of a network namespace of its own: loads firewall rules, then asks which packets come through.

`probe.py PLAN`: a JSON file with `before` (commands) and `probes` (protocol, source, destination, port). Prints a
JSON list of booleans, one for each probe. Nothing of ours is imported: it runs as root of its namespace.
"""

import fcntl
import json
import socket
import struct
import subprocess
import sys
from pathlib import Path

PATIENCE = 0.3  # seconds for a packet on loopback
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1  # linux/sockios.h, linux/if.h


def bring_up_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sH14x", b"lo", 0)
        flags = struct.unpack("16sH14x", fcntl.ioctl(any_socket, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | IFF_UP))


def comes_through(protocol: str, source: str, destination: str, port: int) -> bool:
    """Whether a datagram arrives, or a connection is made."""
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
    with socket.socket(family, kind) as there, socket.socket(family, kind) as here:
        there.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        there.bind((destination, port))
        here.bind((source, 0))
        there.settimeout(PATIENCE)
        here.settimeout(PATIENCE)
        try:
            if protocol == "udp":
                here.sendto(b"?", (destination, port))
                return there.recv(1) == b"?"
            there.listen()
            here.connect((destination, port))
        except (TimeoutError, PermissionError):
            return False
    return True


def main() -> None:
    plan = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    bring_up_loopback()
    for command in plan["before"]:
        subprocess.run(command, check=True)
    sys.stdout.write(json.dumps([comes_through(*probe) for probe in plan["probes"]]) + "\n")


if __name__ == "__main__":
    main()
