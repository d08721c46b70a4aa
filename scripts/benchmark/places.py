"""Where everything runs: loopback addresses, cores, and the one call that all jobs place."""

from dataclasses import dataclass

from tests.support.sipp import Address

DOMAIN = "bench.sip.bench.test"
REALM = "sip.bench.test"
NUMBER = "+15550100"
USER, PASSWORD = "bench", "Loopback-Only-2024"


@dataclass(frozen=True, slots=True)
class Places:
    """`core` is for the system under test alone; caller, callee, probe and webhook share `tool_core`."""

    caller: str = "127.0.0.1"
    target: Address = ("127.0.0.10", 5060)
    callee: Address = ("127.0.0.20", 5090)
    closed: Address = ("127.0.0.20", 5099)  # nobody listens: the kernel answers with ICMP port unreachable
    webhook: Address = ("127.0.0.30", 8080)
    core: int = 0
    tool_core: int = 1


def text(address: Address) -> str:
    return f"{address[0]}:{address[1]}"


def address(value: str) -> Address:
    """HOST:PORT of loopback IPv4. ValueError for anything else: load belongs nowhere else."""
    host, _, port = value.rpartition(":")
    if not host.startswith("127."):
        raise ValueError(f"{value} is not on loopback (127.0.0.0/8)")
    return host, int(port)
