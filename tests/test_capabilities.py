"""What the product is said to do has a test that says so: rows of the capabilities by the tests that name them.

A test names a row in its own name (`test_s42_…`) or in its docstring (`S42`, or `S22 to S25`).
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent

# The rows that are about resources and how they are managed, and about applications and calls of theirs, with the
# words of the page.
ROWS = {
    "S3": "add Programmable Voice capabilities to those calls/numbers",
    "S7": "one application, many uses",
    "S8": "keeps you up and running, even if your carriers are not",
    "S13": "accounts; a wrong token; another account's trunk",
    "S16": "a singular IP address over a private connection",
    "S22": "Termination SIP Domains: create, configure, or delete",
    "S23": "Origination Connection Policy: create, configure, or delete",
    "S24": "IP Access Control Lists: create, configure, or delete",
    "S25": "Credential Lists: create, configure, or delete",
    "S26": "trunk-specific Domain URIs and IP allow list information",
    "S30": "settings apply to the entire trunk; Friendly Name",
    "S31": "BYOC Trunk SID, assigned automatically",
    "S32": "SIP Domains pull-down of a trunk",
    "S33": "Show Localized URIs",
    "S34": "Origination Connection Policy Destination",
    "S35": "A Call Comes In: handler upon receipt of a SIP INVITE",
    "S36": "Webhook, TwiML bin, function",
    "S37": "Primary Handler Fails",
    "S38": "Call Status Changes: from initiated, to ringing, to answered, to completed",
    "S39": "a Termination SIP Domain URI and at least one authentication scheme",
    "S40": "click that domain in the list, +",
    "S41": "SIP Domain URI Friendly Name",
    "S42": "configure a unique SIP Domain Name",
    "S43": "{example}.base",
    "S44": "a dash instead of a dot",
    "S45": "a sub-domain of the higher-level domain",
    "S46": "the higher-level domain must be created first",
    "S47": "by the same account or the parent account",
    "S48": "point it towards {example}.base",
    "S49": "localized Termination SIP URIs",
    "S50": "manually connect to a specific geographic region",
    "S51": "use an FQDN as a Termination URI",
    "S52": "A-record table, 10 min TTL",
    "S53": "for each region 3-4 IP addresses",
    "S54": "each represents a unique public edge",
    "S55": "do not peg towards a single IP address",
    "S59": "static addresses only in some regions",
    "S60": "Static IP lists",
    "S61": "used only when addressing via IP addresses instead of an FQDN",
    "S62": "the IP-ACLs will not be used",
    "S63": "must be a subset of the interconnect",
    "S64": "limited availability",
    "S65": "minimum of either an IP ACL or Credential authentication",
    "S66": "both ACLs and Credentials are enforced",
    "S67": "several IP Access Control Lists",
    "S68": "several Credential Lists",
    "S69": "highly recommended that you configure User Credentials",
    "S70": "Configure With: BYOC Trunk",
    "S71": "SIP Trunk of a domain",
    "S74": "click that OCP in the list, +",
    "S75": "Friendly Name of a policy",
    "S76": "Origination Connection Policy SID, assigned automatically",
    "S77": "edit or delete an already-configured Origination URI, +",
    "S78": "either an IP address or a FQDN",
    "S79": "multiple origination URIs for failover or load balancing",
    "S80": "lowest-numbered priority value first",
    "S81": "fallback to other SIP URIs of equal or higher value",
    "S82": "the weight field determines which",
    "S83": "priorities from 0 to 65535",
    "S84": "share of load",
    "S85": "weights from 1 to 65535",
    "S86": "enable or disable the specific Origination Target",
    "S87": "click that Friendly Name (ACL), +",
    "S88": "descriptive of that list",
    "S89": "IP addresses or ranges in CIDR notation",
    "S90": "IP addresses used for outbound SIP traffic by your border elements",
    "S91": "give your IPs a friendly name",
    "S92": "click that Friendly Name (credentials), +",
    "S93": "descriptive of the user you're authenticating",
    "S94": "enter a username, password",
    "S96": "TwiML, the Calls resource, or an existing Conference",
    "S97": "<Dial><Number byoc>",
    "S98": "Calls.json with To, From, Url, Byoc and basic auth",
    "S99": "Participants.json with From, To, Byoc",
    "S102": "the trunk determines the authentication criteria and subsequently the URL",
    "S103": "how data is passed to your application",
    "S104": "the curl lines with -u AccountSid:AuthToken",
    "S105": "path, form encoding, JSON casing, pagination and dates",
}


def every_test() -> Iterator[tuple[str, str]]:
    """Every test, with what it says of itself."""
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                named = " ".join(re.findall(r"(?<=_)s\d+(?=_)", node.name)).upper()
                yield f"{path.relative_to(TESTS)}::{node.name}", f"{named} {ast.get_docstring(node) or ''}"


def rows(said: str) -> Iterator[str]:
    """The rows that a text names; `S22 to S25` are four."""
    for first, last in re.findall(r"\bS(\d+)(?:(?: to |–|-)S(\d+))?\b", said):
        yield from (f"S{number}" for number in range(int(first), int(last or first) + 1))


@cache
def proofs() -> dict[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for name, said in every_test():
        for row in rows(said):
            found[row].append(name)
    return found


@pytest.mark.parametrize("row", ROWS)
def test_the_row_is_named_by_a_test(row: str) -> None:
    assert proofs().get(row), f"no test says that it proves {row}: {ROWS[row]}"
