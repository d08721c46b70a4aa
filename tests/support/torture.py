"""The torture messages of RFC 4475 and RFC 5118 and the answers that they must get: `tests/sip/torture`."""

import json
from dataclasses import dataclass
from pathlib import Path

__all__ = ["FOLDER", "INDEX", "Torture"]

FOLDER = Path(__file__).resolve().parent.parent / "sip" / "torture"
NOT_OK = {400, 500, 505, 513}


@dataclass(frozen=True, slots=True)
class Torture:
    """One row of the index. `datagram` and `stream` are the final responses of a UAS that takes all calls."""

    name: str
    rfc: str
    section: str
    expect: str
    why: str
    datagram: int | None
    stream: list[int]

    @property
    def data(self) -> bytes:
        return (FOLDER / f"rfc{self.rfc}" / f"{self.name}.dat").read_bytes()

    def allows(self, status: int | None) -> bool:
        """What the RFC says of a final response; None is silence."""
        if self.expect in {"none", "any"} or status is None:
            return (status is None) == (self.expect == "none")
        words = self.expect.split(",")
        return str(status) in words or ("ok" in words and status not in NOT_OK)


INDEX = [Torture(**row) for row in json.loads((FOLDER / "index.json").read_text())]
