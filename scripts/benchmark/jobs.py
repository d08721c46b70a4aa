"""What is asked of the proxy: three jobs, each a configuration, and the load that goes with it."""

from collections.abc import Mapping
from dataclasses import dataclass

from .places import DOMAIN, NUMBER, PASSWORD, REALM, USER, Places, text

TRUNK_SID = "BY" + "b" * 32
DOCUMENT = f'<Response><Dial><Number byoc="{TRUNK_SID}">{NUMBER}</Number></Dial></Response>'


@dataclass(frozen=True, slots=True)
class Job:
    """`digest`: the caller is challenged. `webhook`: TwiML by HTTP. `dead_first`: the first target is refused."""

    name: str
    digest: bool
    webhook: bool
    dead_first: bool

    @property
    def scenario(self) -> str:
        return "uac_407.xml" if self.digest else "uac_plain.xml"

    @property
    def credentials(self) -> tuple[str, str]:
        return (USER, PASSWORD) if self.digest else ("", "")

    def configuration(self, places: Places) -> Mapping[str, object]:
        """The proxy's configuration file, as plain values."""
        voice = {"voice_url": f"http://{text(places.webhook)}/voice"} if self.webhook else {"voice_twiml": DOCUMENT}
        targets = [{"target": f"sip:{text(places.callee)}", "priority": 20}]
        if self.dead_first:
            targets.insert(0, {"target": f"sip:{text(places.closed)}", "priority": 10})
        credentials = {"credential_lists": ["carrier"]} if self.digest else {}
        return {
            "base_domain": REALM,
            "log": {"level": "warning"},
            "limits": {"max_calls": 20000},
            "listeners": [{"transport": "udp", "bind": text(places.target)}],
            "accounts": {"bench": {"auth_token": "not-a-secret-on-loopback"}},
            "trunks": {"bench": {"sid": TRUNK_SID, **voice, "connection_policy": "carrier"}},
            "domains": {
                "bench": {
                    "domain_name": DOMAIN,
                    "trunk": "bench",
                    "ip_access_control_lists": ["loopback"],
                    **credentials,
                }
            },
            "ip_access_control_lists": {"loopback": {"addresses": ["127.0.0.0/30"]}},
            "credential_lists": {"carrier": {"credentials": [{"username": USER, "password": PASSWORD}]}},
            "connection_policies": {"carrier": {"targets": targets}},
        }


JOBS = {
    job.name: job
    for job in (
        Job("acl", digest=False, webhook=False, dead_first=False),
        Job("digest-webhook", digest=True, webhook=True, dead_first=False),
        Job("failover", digest=True, webhook=True, dead_first=True),
    )
}
