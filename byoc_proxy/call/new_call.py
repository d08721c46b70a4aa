"""What the API asks for when it asks for a call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from byoc_proxy.sip.digest_client import Credentials
    from byoc_proxy.twiml.interpreter import Entry
    from byoc_proxy.twiml.verbs import StatusCallback


@dataclass(frozen=True, slots=True)
class NewCall:
    """A call to be made: `to` is a number, which leaves on `trunk_sid`, or a `sip:` URI, with its `?X-` headers.

    `entry` is the script that runs once it is answered. `from_` is who the application says that it is,
    `caller_id` who the called party is told instead. It rings for `timeout` seconds and lasts for `time_limit`.
    `callback` hears how it goes; `credentials` answer a far end that asks for them.
    """

    account_sid: str
    to: str
    from_: str
    entry: Entry
    trunk_sid: str | None = None
    caller_id: str | None = None
    timeout: int = 60
    time_limit: int = 14400
    callback: StatusCallback | None = None
    credentials: Credentials | None = None
