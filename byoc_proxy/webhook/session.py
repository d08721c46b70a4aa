"""What one call takes along to each of its requests to the application."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from byoc_proxy.webhook.cookies import CallCookies
from byoc_proxy.webhook.exchange import MOST_BYTES_OF_A_CALL, MOST_OF_A_CALL, NoExchanges

if TYPE_CHECKING:
    from byoc_proxy.trunk.model import WebhookFormat
    from byoc_proxy.webhook.exchange import Exchange, ExchangeSink


@dataclass(slots=True, eq=False)
class WebSession:
    """Made once for a call. `auth_token` signs; `body_format` is how POST says its parameters.

    Of the exchanges the first `MOST_OF_A_CALL` are kept, and no more than `MOST_BYTES_OF_A_CALL`: a script may go
    round for ever.
    """

    account_sid: str
    call_sid: str
    auth_token: str = field(repr=False)
    body_format: WebhookFormat = "form"
    exchanges: ExchangeSink = field(default_factory=NoExchanges, repr=False)
    cookies: CallCookies = field(default_factory=CallCookies, repr=False)
    _count: int = 0
    _bytes: int = 0

    def note(self, exchange: Exchange) -> None:
        """Keep an exchange, as long as there is room."""
        self._count += 1
        self._bytes += exchange.size
        if self._count <= MOST_OF_A_CALL and self._bytes <= MOST_BYTES_OF_A_CALL:
            self.exchanges.note(self.account_sid, self.call_sid, exchange)
