"""How bad a coded event is: what the public error dictionary lists as a warning; everything else is an error."""

from __future__ import annotations

from typing import Final, Literal

Level = Literal["error", "warning"]

WARNINGS: Final = frozenset(
    {
        12200,  # the document has what no verb knows
        *(13210, 13212, 13213, 13215, 13216, 13217, 13218, 13219, 13220, 13256, 13699),  # attributes of <Dial>
        *(13221, 13222, 13241),  # attributes of <Number> and <Sip>
        *(13710, 13810, 13910),  # <Redirect>, <Reject>, <Pause>
        15003,  # a status callback that was not taken
        32002,  # a domain that is not here
        32011,  # one attempt; the call may go through by another
        *(32111, 32112, 32113, 32114, 32215),  # headers and parameters of a <Sip> URI
        32401,  # no target took the call, and it goes on by the fallback policy
    }
)


def level_of(code: int) -> Level:
    """The level of a code, as `log_level` of an alert has it."""
    return "warning" if code in WARNINGS else "error"
