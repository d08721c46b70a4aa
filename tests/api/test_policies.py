"""Connection policies and their targets: contract 1.3."""

import re
from collections import Counter
from random import Random
from typing import Any

import pytest

from byoc_proxy.trunk.origination import destinations
from tests.support.api import ACME, BASE, POLICIES, TRUNKS, Installation

pytestmark = pytest.mark.store


async def a_policy(api: Installation, *targets: dict[str, Any]) -> str:
    """A policy with these targets; the address of its list of targets."""
    policy = await api.acme.made(POLICIES, FriendlyName="Carriers")
    place = f"{POLICIES}/{policy['sid']}/Targets"
    for target in targets:
        await api.acme.made(place, target)
    return place


def chosen(api: Installation, place: str, draw: Random) -> list[str]:
    """The hosts that a call over the policy would try, in order."""
    policy = api.directory.connection_policies[place.split("/")[3]]
    return [each.uri.host for each in destinations(policy, api.directory.region_order, draw.random)]


async def test_a_policy_has_every_documented_field(api: Installation) -> None:
    """S23, S74, S75."""
    reply = await api.acme.post(POLICIES, FriendlyName="Carriers")
    assert reply.status == 201
    sid = reply.json["sid"]
    url = f"{BASE}/v1/ConnectionPolicies/{sid}"
    assert reply.json == {
        "account_sid": ACME,
        "sid": sid,
        "friendly_name": "Carriers",
        "date_created": "2025-10-09T08:53:20Z",
        "date_updated": "2025-10-09T08:53:20Z",
        "url": url,
        "links": {"targets": f"{url}/Targets"},
    }
    assert (await api.acme.get(f"{POLICIES}/{sid}")).json == reply.json


async def test_a_policy_can_be_renamed_listed_and_deleted(api: Installation) -> None:
    """S23, S74: create, configure, delete."""
    sid = (await api.acme.made(POLICIES))["sid"]
    assert (await api.acme.post(f"{POLICIES}/{sid}", FriendlyName="East")).json["friendly_name"] == "East"
    listed = (await api.acme.get(POLICIES)).json["connection_policies"]
    assert [row["friendly_name"] for row in listed] == ["East"]
    assert (await api.acme.delete(f"{POLICIES}/{sid}")).status == 204
    assert (await api.acme.get(f"{POLICIES}/{sid}")).status == 404


async def test_the_sid_of_a_policy_is_assigned_automatically(api: Installation) -> None:
    """S76."""
    sids = {(await api.acme.made(POLICIES))["sid"] for _ in range(5)}
    assert len(sids) == 5
    assert all(re.fullmatch("NY[0-9a-f]{32}", sid) for sid in sids)


async def test_a_policy_cannot_be_deleted_while_a_trunk_uses_it_and_the_answer_names_the_trunk(
    api: Installation,
) -> None:
    """S74."""
    sid = (await api.acme.made(POLICIES))["sid"]
    trunk = await api.acme.made(TRUNKS, FriendlyName="Carrier A", ConnectionPolicySid=sid)
    reply = await api.acme.delete(f"{POLICIES}/{sid}")
    assert (reply.status, reply.code) == (409, 20409)
    assert trunk["sid"] in reply.message
    assert "Carrier A" in reply.message
    await api.acme.post(f"{TRUNKS}/{trunk['sid']}", ConnectionPolicySid="")
    assert (await api.acme.delete(f"{POLICIES}/{sid}")).status == 204


async def test_a_deleted_policy_takes_its_targets_with_it(api: Installation) -> None:
    place = await a_policy(api, {"Target": "sip:a.example"}, {"Target": "sip:b.example"})
    await api.acme.delete(place.removesuffix("/Targets"))
    assert (await api.tables())["targets"] == []
    assert (await api.acme.get(place)).status == 404


async def test_a_target_has_every_documented_field_and_the_documented_defaults(api: Installation) -> None:
    """S77, fact 7: priority 10, weight 10, enabled."""
    place = await a_policy(api)
    reply = await api.acme.post(place, Target="sip:gw1.carrier.example")
    assert reply.status == 201
    sid = reply.json["sid"]
    assert re.fullmatch("NE[0-9a-f]{32}", sid)
    assert reply.json == {
        "account_sid": ACME,
        "connection_policy_sid": place.split("/")[3],
        "sid": sid,
        "friendly_name": "",
        "target": "sip:gw1.carrier.example",
        "priority": 10,
        "weight": 10,
        "enabled": True,
        "date_created": "2025-10-09T08:53:20Z",
        "date_updated": "2025-10-09T08:53:20Z",
        "url": f"{BASE}{place}/{sid}",
    }
    assert (await api.acme.get(f"{place}/{sid}")).json == reply.json


async def test_targets_can_be_edited_and_deleted_under_their_policy(api: Installation) -> None:
    """S77: edit or delete an already-configured Origination URI."""
    place = await a_policy(api, {"Target": "sip:a.example"})
    (target,) = (await api.acme.get(place)).json["targets"]
    changes = {"Target": "sip:b.example:5080", "Priority": "0", "Weight": "65535", "Enabled": "false"}
    reply = await api.acme.post(f"{place}/{target['sid']}", {**changes, "FriendlyName": "B"})
    assert reply.status == 200
    told = {name: reply.json[name] for name in ("target", "priority", "weight", "enabled", "friendly_name")}
    assert told == {
        **{"target": "sip:b.example:5080", "priority": 0, "weight": 65535},
        **{"enabled": False, "friendly_name": "B"},
    }
    assert (await api.acme.delete(f"{place}/{target['sid']}")).status == 204
    assert (await api.acme.get(place)).json["targets"] == []
    assert api.directory.connection_policies[place.split("/")[3]].targets == ()


async def test_a_target_is_not_found_under_another_policy(api: Installation) -> None:
    here, elsewhere = await a_policy(api, {"Target": "sip:a.example"}), await a_policy(api)
    (target,) = (await api.acme.get(here)).json["targets"]
    reply = await api.acme.get(f"{elsewhere}/{target['sid']}")
    assert (reply.status, reply.code) == (404, 20404)


TARGETS = (
    "sip:192.0.2.7",
    "sip:192.0.2.7:5080;transport=tcp",
    "sip:[2001:db8::7]:5080",
    "sip:gw.carrier.example",
    "sip:gw.carrier.example;transport=tls",
    "sip:+14155550100@gw.carrier.example",
    "sip:gw.{region}.carrier.example",
)


async def test_the_host_of_a_target_is_an_address_or_a_name(api: Installation) -> None:
    """S78: either an IP address or a FQDN; port and transport are kept."""
    place = await a_policy(api)
    for uri in TARGETS:
        assert (await api.acme.made(place, Target=uri))["target"] == uri
    held = api.directory.connection_policies[place.split("/")[3]].targets
    assert [str(target.target) for target in held] == list(TARGETS)


async def test_a_sips_target_is_refused_with_the_transport_to_write_instead(api: Installation) -> None:
    """S78, fact 7."""
    place = await a_policy(api)
    reply = await api.acme.post(place, Target="sips:gw.carrier.example")
    assert (reply.status, reply.code) == (400, 20422)
    assert "sip:gw.carrier.example;transport=tls" in reply.message


async def test_a_target_may_not_lead_back_to_a_domain_of_ours(api: Installation) -> None:
    place = await a_policy(api)
    await api.acme.made("/SIP/Domains.json", DomainName="acme.sip.example.test")
    reply = await api.acme.post(place, Target="sip:acme.sip.example.test")
    assert (reply.status, reply.code) == (400, 20422)
    assert "loop" in reply.message


PRIORITIES = (
    ("-1", False),
    ("0", True),
    ("65535", True),
    ("65536", False),
)


async def test_priorities_range_from_0_to_65535(api: Installation) -> None:
    """S83."""
    place = await a_policy(api)
    for sent, is_good in PRIORITIES:
        reply = await api.acme.post(place, Target="sip:a.example", Priority=sent)
        assert (reply.status, reply.code) == ((201, None) if is_good else (400, 20422))


WEIGHTS = (
    ("0", False),
    ("1", True),
    ("65535", True),
    ("65536", False),
)


async def test_weights_range_from_1_to_65535(api: Installation) -> None:
    """S85."""
    place = await a_policy(api)
    for sent, is_good in WEIGHTS:
        reply = await api.acme.post(place, Target="sip:a.example", Weight=sent)
        assert (reply.status, reply.code) == ((201, None) if is_good else (400, 20422))


async def test_a_policy_has_ten_targets_at_most(api: Installation) -> None:
    """Fact 7; contract 1.3: 21254."""
    place = await a_policy(api, *({"Target": f"sip:gw{at}.example"} for at in range(10)))
    reply = await api.acme.post(place, Target="sip:gw10.example")
    assert (reply.status, reply.code) == (400, 21254)
    (first, *_) = (await api.acme.get(place)).json["targets"]
    await api.acme.delete(f"{place}/{first['sid']}")
    assert (await api.acme.post(place, Target="sip:gw10.example")).status == 201


async def test_the_lowest_numbered_priority_is_called_first(api: Installation) -> None:
    """S80: with 0, 10 and 20 the first INVITE always goes to 0."""
    hosts = {20: "late.example", 0: "first.example", 10: "second.example"}
    place = await a_policy(api, *({"Target": f"sip:{host}", "Priority": at} for at, host in hosts.items()))
    draw = Random(1)
    orders = {tuple(chosen(api, place, draw)) for _ in range(1000)}
    assert orders == {("first.example", "second.example", "late.example")}


async def test_targets_of_equal_priority_are_tried_before_any_of_a_higher_number(api: Installation) -> None:
    """S79, S81: equal priorities share and back each other up, the next number is the way out."""
    near = [{"Target": f"sip:near{at}.example", "Priority": 10} for at in (1, 2)]
    place = await a_policy(api, {"Target": "sip:far.example", "Priority": 11, "Weight": 65535}, *near)
    draw = Random(1)
    orders = Counter(tuple(chosen(api, place, draw)) for _ in range(200))
    assert set(orders) == {
        ("near1.example", "near2.example", "far.example"),
        ("near2.example", "near1.example", "far.example"),
    }


async def test_targets_of_one_priority_are_drawn_by_weight_without_replacement(api: Installation) -> None:
    """S82: as RFC 2782 has it: each once, and the second place among those that are left."""
    weights = {"a.example": 1, "b.example": 2, "c.example": 7}
    targets = ({"Target": f"sip:{host}", "Weight": weight} for host, weight in weights.items())
    place = await a_policy(api, *targets)
    draw = Random(2782)
    orders = [chosen(api, place, draw) for _ in range(10_000)]
    assert all(sorted(order) == sorted(weights) for order in orders)
    seconds = Counter(order[1] for order in orders if order[0] == "c.example")
    assert seconds["b.example"] / seconds.total() == pytest.approx(2 / 3, abs=0.02)


async def test_weights_are_the_share_of_load_within_two_percent(api: Installation) -> None:
    """S84: 10 000 draws with weights 10, 30 and 60."""
    place = await a_policy(
        api, *({"Target": f"sip:w{weight}.example", "Weight": weight} for weight in (10, 30, 60))
    )
    draw = Random(2782)
    picks = Counter(chosen(api, place, draw)[0] for _ in range(10_000))
    for weight in (10, 30, 60):
        assert picks[f"w{weight}.example"] / 10_000 == pytest.approx(weight / 100, abs=0.02)


async def test_a_disabled_target_is_never_called_and_with_none_enabled_a_call_goes_nowhere(
    api: Installation,
) -> None:
    """S86: `call.hunt` ends such a call with 32010."""
    place = await a_policy(api, {"Target": "sip:a.example"}, {"Target": "sip:b.example"})
    first, second = (await api.acme.get(place)).json["targets"]
    await api.acme.post(f"{place}/{first['sid']}", Enabled="false")
    assert chosen(api, place, Random(1)) == ["b.example"]
    await api.acme.post(f"{place}/{second['sid']}", Enabled="false")
    assert chosen(api, place, Random(1)) == []
