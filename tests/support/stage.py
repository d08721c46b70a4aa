"""A stage for scripts that remembers what they did."""

from dataclasses import dataclass, field

from byoc_proxy.twiml.interpreter import DialOutcome, Fetched, FetchFailed, ReferOutcome, ScriptRequest
from byoc_proxy.twiml.verbs import Dial, Refer

BUSY = DialOutcome("busy", "CA1")


@dataclass
class Stage:
    """Remembers what the script did. `pages` answers by URL; a missing page is a failing web server."""

    pages: dict[str, str] = field(default_factory=dict)
    outcome: DialOutcome = BUSY
    referred: ReferOutcome = ReferOutcome("failed", 405)
    done: list[str] = field(default_factory=list)
    asked: list[ScriptRequest] = field(default_factory=list)
    dialled: list[Dial] = field(default_factory=list)
    promised: list[ScriptRequest | None] = field(default_factory=list)
    noted: list[int] = field(default_factory=list)

    async def fetch(self, request: ScriptRequest) -> Fetched:
        self.asked.append(request)
        page = self.pages.get(request.url)
        if page is None:
            raise FetchFailed(11200, "the application answered 500", request.url)
        return Fetched(request.url, page.encode())

    async def dial(self, dial: Dial, then: ScriptRequest | None) -> DialOutcome:
        self.dialled.append(dial)
        self.promised.append(then)
        self.done.append("dial")
        return self.outcome

    async def refer(self, refer: Refer, then: ScriptRequest | None) -> ReferOutcome:
        self.done.append(f"refer to {refer.target}")
        self.promised.append(then)
        return self.referred

    async def pause(self, seconds: float) -> None:
        self.done.append(f"pause {seconds}")

    def reject(self, reason: str) -> None:
        self.done.append(f"reject {reason}")

    def hang_up(self) -> None:
        self.done.append("hang up")

    def note(self, code: int, text: str) -> None:
        assert text
        self.noted.append(code)

    def fail(self, code: int, text: str) -> None:
        assert text
        self.done.append(f"fail {code}")
