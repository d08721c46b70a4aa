"""What the API says when it cannot do as asked: an HTTP status, a public code, and words.

Contract 1.1 "Errors" and section 5. The body has `code`, `message`, `more_info`, `status` and, where a request has
several faults, `details.errors` with all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

UNKNOWN_PARAMETER: Final = 20001
FRIENDLY_NAME: Final = 20002
PERMISSION_DENIED: Final = 20003
METHOD_NOT_ALLOWED: Final = 20004
ACCOUNT_NOT_ACTIVE: Final = 20005
ACCESS_DENIED: Final = 20006
PAGE_SIZE: Final = 20007
NOT_FOUND: Final = 20404
CONFLICT: Final = 20409
INVALID_PARAMETER: Final = 20422
INVALID_SID: Final = 20423
INTERNAL: Final = 20500
UNAVAILABLE: Final = 20503
PAGE_TOKEN: Final = 21481
MORE_INFO: Final = "https://www.twilio.com/docs/errors/{}"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a request; `parameter` as it was written, empty when it is none of them."""

    parameter: str
    code: int
    message: str


class ApiError(Exception):
    """Answered instead of what was asked for. Nothing has been changed."""

    def __init__(
        self, status: int, code: int, message: str, *, faults: Sequence[Fault] = (), headers: Mapping[str, str] = {}
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.faults = tuple(faults)
        self.headers = dict(headers)

    def body(self) -> dict[str, object]:
        """The JSON object of the contract."""
        told: dict[str, object] = {
            "code": self.code,
            "message": str(self),
            "more_info": MORE_INFO.format(self.code),
            "status": self.status,
        }
        if len(self.faults) > 1:
            told["details"] = {
                "errors": [
                    {"parameter": fault.parameter, "code": fault.code, "message": fault.message}
                    for fault in self.faults
                ]
            }
        return told


def bad_request(faults: Sequence[Fault]) -> ApiError:
    """400 with the first of the faults in front."""
    return ApiError(400, faults[0].code, faults[0].message, faults=faults)


def not_found(path: str) -> ApiError:
    """404. The 2010 API names the whole path, v1 APIs drop the version (contract 8, fact 23)."""
    return ApiError(404, NOT_FOUND, f"The requested resource {path.removeprefix('/v1')} was not found")


def unauthorized(text: str) -> ApiError:
    """401, with what a browser or curl needs to ask for a password."""
    message = f"Authentication Error - {text}"
    return ApiError(401, PERMISSION_DENIED, message, headers={"WWW-Authenticate": 'Basic realm="Twilio API"'})
