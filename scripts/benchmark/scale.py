"""What a large installation costs: to build, to keep, to ask at every INVITE, and to change a row of.

    python -m scripts.benchmark.scale

Each shape has a process of its own, so that memory is its own. Times are CPU time: of a question the best of many
rounds over 200 domains in turn, of a change the longest of five.
"""

import argparse
import gc
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from itertools import cycle, islice

from byoc_proxy.sip.digest import Algorithm
from byoc_proxy.sip.digest_client import answer
from byoc_proxy.sip.digest_server import Absent, DigestServer, Passed, Stale, Wrong
from byoc_proxy.sip.message import Request
from byoc_proxy.sip.parser import parse_datagram
from byoc_proxy.sip.uri import SipUri
from byoc_proxy.trunk.admission import Admit, Arrival, admit
from byoc_proxy.trunk.changes import Change, Row
from byoc_proxy.trunk.directory import Directories, Directory
from byoc_proxy.trunk.model import SipDomain

from .installations import (
    BASE,
    NUMBER,
    PASSWORD,
    SHAPES,
    USER,
    Shape,
    another_domain,
    one_entry_more,
    one_user_more,
    source_of,
)

ASKED = 200  # domains that questions are about, in turn
QUESTIONS = 2000
ROUNDS = 100
WALL = 1000.0  # the digest server's clock, in seconds

Question = Callable[[], object]
LetIn = Callable[[Arrival, Directory, DigestServer, str], None]
INVITE = b"""INVITE sip:%s@HOST SIP/2.0\r
Via: SIP/2.0/UDP 203.0.113.8:5060;rport;branch=z9hG4bK-524287-1\r
Max-Forwards: 70\r
From: "Carrier" <sip:+12145550100@203.0.113.8>;tag=88a7s\r
To: <sip:%s@HOST>\r
Call-ID: 3848276298220188511@203.0.113.8\r
CSeq: 2 INVITE\r
Contact: <sip:+12145550100@203.0.113.8:5060>\r
Proxy-Authorization: PROOF\r
Allow: INVITE, ACK, CANCEL, BYE, OPTIONS\r
Content-Length: 0\r
\r
""" % (NUMBER.encode(), NUMBER.encode())


def megabytes() -> float:
    """What this process has in memory now."""
    with open("/proc/self/status", encoding="ascii") as status:
        (line,) = (line for line in status if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


def seconds(work: Iterable[Question]) -> float:
    begun = time.thread_time()
    for each in work:
        each()
    return time.thread_time() - begun


def microseconds(questions: Sequence[Question]) -> float:
    """What one of these questions takes, in the best round."""
    queue = list(islice(cycle(questions), QUESTIONS))
    return min(seconds(queue) for _ in range(ROUNDS)) / QUESTIONS * 1e6


def measure(shape: Shape) -> dict[str, float]:
    """All figures of one shape, by name and unit."""
    gc.disable()
    at_first = megabytes()
    rows = shape.resources()
    with_rows = megabytes()
    begun = time.thread_time()
    directory = Directory.build(rows)
    built = time.thread_time() - begun
    figures = {"build s": built, "rows MB": with_rows - at_first, "compiled MB": megabytes() - with_rows}
    gc.collect()
    gc.freeze()
    asked = rows.domains[:: max(len(rows.domains) // ASKED, 1)]
    figures |= questions(shape, directory, asked)
    figures |= changes(directory, asked[0])
    return {**figures, "reload ms": reload(shape, directory)}


def questions(shape: Shape, directory: Directory, asked: Sequence[SipDomain]) -> dict[str, float]:
    """What an INVITE asks: of domains with both kinds of list, and of the same without credential lists."""
    names = [domain.domain_name for domain in asked]
    localized = [name.replace(f".{BASE}", f".de1.{BASE}") for name in names]
    sources = [source_of(shape, domain) for domain in asked]
    arrivals = [Arrival(host, source, "UDP", called=NUMBER) for host, source in zip(names, sources, strict=True)]
    without = [replace(domain, credential_list_sids=()) for domain in asked]
    plain = directory.changed([Change("domains", domain.sid, domain) for domain in without])
    return {
        "find us": microseconds([partial(directory.find, name) for name in names]),
        "find localized us": microseconds([partial(directory.find, name) for name in localized]),
        "knows us": microseconds([partial(directory.knows, source) for source in sources]),
        "knows not us": microseconds([partial(directory.knows, "198.51.100.7")]),
        "admit by ACL us": microseconds([partial(let_in, arrival, plain) for arrival in arrivals]),
        "admit by digest us": digest(arrivals, directory, let_in),
        "INVITE by digest us": digest(arrivals, directory, read_and_let_in),
    }


def digest(arrivals: Sequence[Arrival], directory: Directory, way: LetIn) -> float:
    """Microseconds of an admission with digest; an answer is good once, so each round has its own."""
    server = DigestServer(BASE, b"s" * 32)
    rounds = [
        [
            partial(way, arrival, directory, server, proof(server, arrival))
            for arrival in islice(cycle(arrivals), QUESTIONS)
        ]
        for _ in range(ROUNDS // 4)
    ]
    return min(map(seconds, rounds)) / QUESTIONS * 1e6


def called(arrival: Arrival) -> str:
    return f"sip:{NUMBER}@{arrival.host}"


def proof(server: DigestServer, arrival: Arrival) -> str:
    """The caller's answer to a challenge."""
    challenges = server.challenges([Algorithm.MD5], WALL)
    value = answer(challenges, "INVITE", called(arrival), USER, PASSWORD, "cnonce")
    assert value is not None
    return value


def let_in(arrival: Arrival, directory: Directory, server: DigestServer | None = None, value: str = "") -> None:
    def authenticate(domain: SipDomain) -> Passed | Absent | Stale | Wrong:
        assert server is not None
        accounts = partial(directory.credentials, domain)
        return server.verify([value], "INVITE", called(arrival), WALL, accounts, domain.digest_algorithms)

    verdict = admit(arrival, directory, authenticate)
    assert isinstance(verdict, Admit), verdict


def read_and_let_in(arrival: Arrival, directory: Directory, server: DigestServer, value: str) -> None:
    """From the bytes of the INVITE on, as carriers write them."""
    message = parse_datagram(INVITE.replace(b"HOST", arrival.host.encode()).replace(b"PROOF", value.encode()))
    assert isinstance(message, Request)
    assert isinstance(message.uri, SipUri)
    read = replace(arrival, host=message.uri.host, called=message.uri.user or "")
    let_in(read, directory, server, message.headers.all("proxy-authorization")[0])


def changes(directory: Directory, domain: SipDomain) -> dict[str, float]:
    """Milliseconds of a change of one row."""
    now = directory.resources
    rows: dict[str, tuple[str, Row]] = {
        "domain added": ("domains", another_domain(domain)),
        "domain changed": ("domains", replace(domain, ip_access_control_list_sids=())),
        "address added": ("ip_access_control_lists", one_entry_more(now.ip_access_control_lists[0])),
        "credential added": ("credential_lists", one_user_more(now.credential_lists[0])),
        "trunk changed": ("trunks", replace(now.trunks[0], friendly_name="other")),
        "account changed": ("accounts", replace(now.accounts[0], status="suspended")),
        "policy changed": ("connection_policies", replace(now.connection_policies[0], friendly_name="other")),
    }
    made = {name: Change(section, row.sid, row) for name, (section, row) in rows.items()}
    made["domain removed"] = Change("domains", domain.sid, None)
    return {f"{name} ms": longest(partial(directory.changed, [change])) for name, change in made.items()}


def longest(work: Question) -> float:
    return max(seconds([work]) for _ in range(5)) * 1e3


def reload(shape: Shape, directory: Directory) -> float:
    """Milliseconds in which the loop stands still when a file that was read again is put in force."""
    holder, again = Directories(directory), Directory.build(shape.resources())
    return seconds([partial(holder.replace, again)]) * 1e3


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        found = [pool.apply(measure, (shape,)) for shape in SHAPES]
    for at, shape in enumerate(SHAPES, 1):
        sys.stdout.write(f"{at}: {shape.name}\n")
    sys.stdout.write(" " * 20 + "".join(f"{at:>10}" for at in range(1, len(SHAPES) + 1)) + "\n")
    for name in found[0]:
        sys.stdout.write(f"{name:<20}" + "".join(f"{figures[name]:>10.2f}" for figures in found) + "\n")


if __name__ == "__main__":
    main()
