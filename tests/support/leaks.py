"""What a peer could learn of another one, or of our own network, from the bytes that the proxy sent it.

Whatever names a network or a dialog and stands in the head of a message to a peer must have come from that peer, or
be ours to tell. Bodies are left out: a session description is passed on as it came, and names where media flows.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

from byoc_proxy.sim.network import Carried
from byoc_proxy.sim.zone import Zone
from byoc_proxy.sip.addresses import is_private
from byoc_proxy.sip.headers import HeaderError
from byoc_proxy.sip.locate import Query, Srv
from byoc_proxy.sip.message import Request, Response
from byoc_proxy.sip.parser import ParseError, parse_datagram
from byoc_proxy.sip.uri import NameAddr, SipUri, UriError

_ADDRESS = re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])")


def leaks(log: Iterable[Carried], ours: set[str], zone: Zone) -> list[str]:
    """One line for each; `ours` are the addresses of the proxy. Where a Contact or a Record-Route leads, by way of
    the names in `zone`, is its sender's own place.
    """
    told: defaultdict[str, str] = defaultdict(str)  # all that a peer has said so far
    secrets: defaultdict[str, set[str]] = defaultdict(set)
    owner: dict[str, str] = {}  # of an address that a peer named as its own
    found = []
    for each in log:
        head = each.data.partition(b"\r\n\r\n")[0].decode("utf-8", "replace")
        source, destination = each.source[0], each.destination[0]
        if source not in ours:
            told[source] += head
            secrets[source] |= {source, *_identifiers(each.data)} - {""}
            places = (place for host in _own_hosts(each.data) for place in _places(host, zone))
            owner |= {place: source for place in places if place not in told}
        elif destination not in ours:
            peer = owner.get(destination, destination)
            others = {secret for name, names in secrets.items() if name != peer for secret in names}
            private = {address for address in _ADDRESS.findall(head) if is_private(address)}
            its_own = ours | {destination}
            found += [
                f"{secret} to {peer}: {head.splitlines()[0]}"
                for secret in sorted((others | private) - its_own)
                if secret in head and secret not in told[peer]
            ]
    return found


def _own_hosts(data: bytes) -> Iterator[str]:
    """The hosts by which a sender says where it is; those of a redirection say where somebody else is."""
    try:
        message = parse_datagram(data)
        if isinstance(message, Response) and message.status >= 300:
            return
        for value in (*message.listed("contact"), *message.listed("record-route")):
            uri = NameAddr.parse(value).uri
            if isinstance(uri, SipUri):
                yield uri.host
    except (ParseError, HeaderError, UriError):
        return


def _places(host: str, zone: Zone) -> Iterator[str]:
    yield host
    for record in zone.answer(Query(f"_sip._udp.{host}", "SRV")):
        if isinstance(record, Srv):
            yield from _places(record.target, zone)
    for record in (*zone.answer(Query(host, "A")), *zone.answer(Query(host, "AAAA"))):
        if isinstance(record, str):
            yield record


def _identifiers(data: bytes) -> Iterator[str]:
    """What a message says of its sender: its Call-ID, tag and branches, where it is and how it is reached."""
    try:
        message = parse_datagram(data)
        mine = isinstance(message, Request)
        yield message.call_id
        yield message.from_tag if mine else message.to_tag
        yield message.contact.host_port if message.contact is not None else ""
        if mine:
            yield message.branch
            yield message.via.sent_by
    except (ParseError, HeaderError):
        return
