"""When an address is given up, when it is trusted again, and who finds out: exact times, no network."""

from enum import StrEnum
from itertools import product
from typing import Any

import pytest

from byoc_proxy.sip.locate import Hop
from byoc_proxy.trunk.directory import Directory
from byoc_proxy.trunk.health import (
    Evidence,
    Input,
    Obstacle,
    RestingAddresses,
    State,
    Watch,
    WatchedTarget,
    Watchlist,
    rules_of,
)
from byoc_proxy.trunk.model import HealthRules
from byoc_proxy.trunk.origination import Destination, in_regions
from tests.trunk.records import directory, policy, target

ANSWER = Evidence("answer", "options", "200 OK", 200, 0.02)
MISS = Evidence("miss", "options", "no reply to OPTIONS within 4 s")
CALL_MISS = Evidence("miss", "call", "no reply to an INVITE within 4 s")
CALL_ANSWER = Evidence("answer", "call", "486 Busy Here", 486, 0.1)
BUSY_SERVER = Evidence("neither", "call", "503 Service Unavailable", 503, 0.1)


def hop(address: str = "192.0.2.1", name: str = "gw.example") -> Hop:
    return Hop("UDP", address, 5060, name)


def watch(now: float = 0.0, **rules: Any) -> Watch:
    return Watch(hop(), None, HealthRules(**{"mode": "options", **rules}), now)


def told(watch: Watch, *evidence: Evidence, every: float = 10.0) -> list[str]:
    """The states after each piece of evidence, the first at 10 s."""
    states = []
    for at, each in enumerate(evidence, 1):
        watch.take(each, at * every)
        states.append(str(watch.state))
    return states


# --- the table ---------------------------------------------------------------------------------------------


def test_the_table_of_a_watch_is_sound() -> None:
    assert Watch.table.lint() == []


def test_three_misses_in_a_row_take_an_address_out_and_one_answer_brings_it_back() -> None:
    assert told(watch(), ANSWER, MISS, MISS, MISS, MISS, ANSWER) == [
        "up",
        "failing",
        "failing",
        "down",
        "down",
        "up",
    ]


def test_an_answer_between_misses_starts_the_count_anew() -> None:
    assert told(watch(), MISS, MISS, ANSWER, MISS, MISS, ANSWER) == [
        "failing",
        "failing",
        "up",
        "failing",
        "failing",
        "up",
    ]


def test_an_address_that_has_never_answered_goes_down_by_the_same_rule() -> None:
    assert told(watch(misses=2), MISS, MISS) == ["failing", "down"]
    assert told(watch(misses=1), MISS) == ["down"]


def test_two_answers_in_a_row_are_asked_of_an_address_where_the_rules_say_so() -> None:
    states = told(watch(misses=1, answers=2), ANSWER, MISS, ANSWER, MISS, ANSWER, ANSWER)
    assert states == ["up", "down", "recovering", "down", "recovering", "up"]


def test_an_address_that_only_failed_once_needs_one_answer_whatever_the_rules_ask_of_a_dead_one() -> None:
    assert told(watch(answers=3), MISS, ANSWER) == ["failing", "up"]


def test_since_says_when_the_state_began_and_not_when_it_was_last_confirmed() -> None:
    watched = watch(5.0)
    assert watched.since == 5.0
    told(watched, ANSWER, ANSWER, ANSWER)
    assert (watched.since, watched.last) == (10.0, (30.0, ANSWER))


def test_a_503_to_a_call_is_no_sign_of_death_and_none_of_health() -> None:
    watched = watch(misses=2, mode="passive")
    assert told(watched, CALL_MISS, BUSY_SERVER, CALL_MISS) == ["failing", "failing", "down"]
    assert watched.last == (30.0, CALL_MISS)


def test_calls_and_options_are_evidence_alike() -> None:
    assert told(watch(), MISS, CALL_MISS, MISS, CALL_ANSWER) == ["failing", "failing", "down", "up"]


def test_with_health_off_nothing_is_concluded_and_the_last_word_is_still_known() -> None:
    watched = watch(mode="off", misses=1)
    assert told(watched, MISS, MISS, ANSWER) == ["unknown"] * 3
    assert watched.last == (30.0, ANSWER)
    assert watched.obstacle(40.0) is None


def test_what_is_said_of_an_address_that_has_vanished_changes_nothing() -> None:
    heard: list[StrEnum] = []
    watched = watch(misses=1)
    watched.on_change = lambda _, left: heard.append(left)
    watched.vanish(5.0)
    assert told(watched, MISS, ANSWER) == ["gone", "gone"]
    assert heard == []


@pytest.mark.parametrize("state", [state for state in State if state is not State.GONE])
def test_an_address_may_vanish_in_every_state(state: State) -> None:
    assert Watch.table.rows[state, Input.VANISH].next is State.GONE


# --- every short history -----------------------------------------------------------------------------------

HISTORY = {"a": ANSWER, "m": CALL_MISS, "n": BUSY_SERVER}


def in_use_after(history: str, rules: HealthRules) -> bool:
    """The rule in one's own words: the last run of misses or answers counts, and whether it had been taken out."""
    in_use, misses, answers = True, 0, 0
    for each in history.replace("n", ""):
        misses, answers = (0, answers + 1) if each == "a" else (misses + 1, 0)
        if in_use:
            in_use = misses < rules.misses
        else:
            in_use = answers >= rules.answers
    return in_use


@pytest.mark.parametrize(("misses", "answers"), [(1, 1), (2, 1), (1, 2), (2, 2), (3, 2)])
def test_every_short_history_leads_where_the_rule_says(misses: int, answers: int) -> None:
    for letters in product("amn", repeat=7):
        history = "".join(letters)
        watched = watch(misses=misses, answers=answers)
        told(watched, *(HISTORY[letter] for letter in history))
        assert watched.is_avoided(1000.0) is not in_use_after(history, watched.rules), history


@pytest.mark.parametrize("misses", [1, 2, 3])
def test_a_dead_address_meets_one_call_in_an_interval_at_most_whatever_happens(misses: int) -> None:
    """Every history of a call each second, each of which meets silence or, seldom, a caller who hangs up."""
    for outcomes in product((True, False), repeat=10):
        watched = watch(mode="passive", interval=4.0, misses=misses)
        told(watched, *[CALL_MISS] * misses, every=0.0)
        tried = []
        for second, silent in enumerate(outcomes, 1):
            if watched.obstacle(float(second)) is None:
                tried.append(second)
                if silent:
                    watched.take(CALL_MISS, float(second))
        assert tried == [4, 8]


# --- what calls are told -----------------------------------------------------------------------------------


def test_a_call_passes_over_an_address_that_is_down_and_not_one_that_is_failing() -> None:
    watched = watch()
    told(watched, MISS, MISS)
    assert watched.obstacle(25.0) is None
    watched.take(MISS, 30.0)
    watched.next_probe = 90.0
    assert watched.obstacle(31.0) == Obstacle("down", 90.0, "no reply to OPTIONS within 4 s")
    assert watched.obstacle(1000.0) is not None  # with OPTIONS no call has to find out


def test_a_call_passes_over_an_address_that_has_not_answered_often_enough_again() -> None:
    watched = watch(misses=1, answers=2)
    told(watched, MISS, ANSWER)
    assert watched.obstacle(25.0) == Obstacle("recovering", None, "200 OK")


def test_after_an_interval_one_call_tries_a_dead_address_and_the_others_do_not_wait_for_it() -> None:
    watched = watch(mode="passive", interval=60.0)
    told(watched, CALL_MISS, CALL_MISS, CALL_MISS)  # down at 30
    assert watched.obstacle(89.9) == Obstacle("down", 90.0, CALL_MISS.text)
    assert watched.obstacle(90.0) is None
    assert watched.state == "recovering"
    assert watched.obstacle(90.0) == Obstacle("recovering", 150.0, CALL_MISS.text)


def test_a_trial_that_fails_leaves_the_address_alone_for_another_interval() -> None:
    watched = watch(mode="passive", misses=1)
    told(watched, CALL_MISS)  # down at 10
    assert watched.obstacle(70.0) is None
    watched.take(CALL_MISS, 74.0)
    assert watched.obstacle(133.9) == Obstacle("down", 134.0, CALL_MISS.text)
    assert watched.obstacle(134.0) is None


def test_a_trial_that_succeeds_opens_the_address_to_all() -> None:
    watched = watch(mode="passive", misses=1)
    told(watched, CALL_MISS)
    assert watched.obstacle(70.0) is None
    watched.take(CALL_ANSWER, 70.1)
    assert (watched.state, watched.since) == ("up", 70.1)
    assert watched.obstacle(70.1) is None


def test_a_trial_whose_caller_hung_up_is_tried_again_by_another_call_an_interval_later() -> None:
    watched = watch(mode="passive", misses=1)
    told(watched, CALL_MISS)
    assert watched.obstacle(70.0) is None
    assert watched.obstacle(129.9) is not None
    assert watched.obstacle(130.0) is None


def test_a_trial_that_meets_503_proves_nothing_and_another_call_tries_an_interval_later() -> None:
    watched = watch(mode="passive", misses=1)
    told(watched, CALL_MISS)
    assert watched.obstacle(70.0) is None
    watched.take(BUSY_SERVER, 70.1)
    assert watched.obstacle(129.9) == Obstacle("recovering", 130.0, BUSY_SERVER.text)
    assert watched.obstacle(130.0) is None


def test_a_call_that_is_answered_as_a_last_resort_brings_a_dead_address_back() -> None:
    watched = watch(mode="passive", misses=1)
    assert told(watched, CALL_MISS, CALL_ANSWER) == ["down", "up"]


# --- resting addresses -------------------------------------------------------------------------------------


def test_an_address_rests_under_whichever_name_it_was_found_until_its_time() -> None:
    resting = RestingAddresses()
    resting.rest(hop("192.0.2.1"), until=130.0, now=100.0)
    assert resting.until(hop("192.0.2.1", "other.example"), 129.9) == 130.0
    assert resting.until(hop("192.0.2.1"), 130.0) is None
    assert resting.until(hop("192.0.2.2"), 110.0) is None


def test_a_shorter_rest_does_not_end_a_longer_one() -> None:
    resting = RestingAddresses()
    resting.rest(hop("192.0.2.1"), until=400.0, now=100.0)
    resting.rest(hop("192.0.2.1"), until=130.0, now=100.0)
    assert resting.until(hop("192.0.2.1"), 399.0) == 400.0


# --- the list ----------------------------------------------------------------------------------------------


def listed(*targets: Any, **fields: Any) -> tuple[Watchlist, Directory, list[tuple[str, str]]]:
    """A list that follows a policy with these targets; the changes that it tells, as (address, state)."""
    changes: list[tuple[str, str]] = []

    def changed(_: WatchedTarget, watch: Watch, left: StrEnum) -> None:
        changes.append((watch.hop.address, f"{left} > {watch.state}"))

    watchlist = Watchlist(changed)
    snapshot = directory(connection_policies=(policy(*targets, **fields),))
    watchlist.follow(snapshot, 0.0)
    return watchlist, snapshot, changes


def place(watched: Any, region: int = 0) -> Destination:
    return in_regions(watched, ("us1", "us2"))[region]


def test_a_target_has_the_rules_of_its_policy_unless_it_has_its_own() -> None:
    ours, own = HealthRules("options"), HealthRules("off")
    carriers = policy(health=ours)
    assert rules_of(carriers, target("sip:a.example")) is ours
    assert rules_of(carriers, target("sip:a.example", health=own)) is own


def test_each_target_judges_its_addresses_for_itself() -> None:
    first, second = target("sip:a.example"), target("sip:b.example")
    watchlist, _, changes = listed(first, second, health=HealthRules(misses=1))
    assert watchlist.obstacle(place(first), hop(), 0.0) is None
    assert watchlist.obstacle(place(second), hop(), 0.0) is None
    watchlist.tell(place(first), hop(), CALL_MISS, 4.0)
    assert watchlist.obstacle(place(first), hop(), 5.0) == Obstacle("down", 64.0, CALL_MISS.text)
    assert watchlist.obstacle(place(second), hop(), 5.0) is None
    assert changes == [("192.0.2.1", "unknown > down")]


def test_a_rest_is_everybodys() -> None:
    first, second = target("sip:a.example"), target("sip:b.example")
    watchlist, _, _ = listed(first, second)
    watchlist.resting.rest(hop(), 30.0, 0.0)
    assert watchlist.obstacle(place(first), hop(), 5.0) == Obstacle("resting", 30.0)
    assert watchlist.obstacle(place(second), hop(), 5.0) == Obstacle("resting", 30.0)


def test_what_a_redirect_led_to_is_no_address_of_the_target() -> None:
    named = target("sip:gw.example")
    watchlist, _, _ = listed(named)
    watchlist.tell(place(named), hop("198.51.100.99"), CALL_MISS, 4.0)
    assert watchlist.targets[named.sid].addresses == {}


def test_disabled_targets_and_those_of_no_policy_are_not_watched() -> None:
    disabled, foreign = target("sip:a.example", enabled=False), target("sip:foreign.example")
    watchlist, _, _ = listed(disabled, health=HealthRules(misses=1))
    for each in (disabled, foreign):
        watchlist.tell(place(each), hop(), CALL_MISS, 4.0)
        watchlist.located(place(each), [hop()], 4.0)
        watchlist.not_located(place(each), "NXDOMAIN")
        assert watchlist.obstacle(place(each), hop(), 5.0) is None
    assert watchlist.targets == {}


def test_an_address_that_vanishes_from_the_dns_is_forgotten_and_the_others_stay() -> None:
    named = target("sip:gw.example")
    watchlist, _, changes = listed(named, health=HealthRules("options", misses=1))
    for address in ("192.0.2.1", "192.0.2.2"):
        seen = watchlist.watch(place(named), hop(address), 0.0)
        assert seen is not None
        seen.take(MISS, 1.0)
    watchlist.located(place(named), [hop("192.0.2.2"), hop("192.0.2.3")], 2.0)
    assert list(watchlist.targets[named.sid].addresses) == [hop("192.0.2.2")]
    assert watchlist.obstacle(place(named), hop("192.0.2.1"), 3.0) is None  # it is new again
    assert changes == [("192.0.2.1", "unknown > down"), ("192.0.2.2", "unknown > down")]


def test_one_region_knows_nothing_of_the_addresses_of_another() -> None:
    edges = target("sip:edge.{region}.example")
    watchlist, _, _ = listed(edges)
    watchlist.obstacle(place(edges, 0), hop("192.0.2.1"), 0.0)
    watchlist.obstacle(place(edges, 1), hop("192.0.2.2"), 0.0)
    watchlist.located(place(edges, 1), [], 1.0)
    assert list(watchlist.targets[edges.sid].addresses) == [hop("192.0.2.1")]


def test_a_dns_that_fails_forgets_no_address_and_is_named_until_it_answers() -> None:
    named = target("sip:gw.example")
    watchlist, _, _ = listed(named, health=HealthRules(misses=1))
    watchlist.obstacle(place(named), hop(), 0.0)
    watchlist.tell(place(named), hop(), CALL_MISS, 1.0)
    watchlist.not_located(place(named), "SERVFAIL")
    assert watchlist.targets[named.sid].problems == {None: "SERVFAIL"}
    assert watchlist.obstacle(place(named), hop(), 2.0) is not None
    watchlist.located(place(named), [hop()], 3.0)
    assert watchlist.targets[named.sid].problems == {}


def test_a_reload_keeps_what_is_known_of_targets_that_stay_and_forgets_the_others() -> None:
    stays, changes_rules, goes = target("sip:a.example"), target("sip:b.example"), target("sip:c.example")
    watchlist, _, _ = listed(stays, changes_rules, goes, health=HealthRules(misses=1))
    for each in (stays, changes_rules, goes):
        watchlist.obstacle(place(each), hop(), 0.0)
        watchlist.tell(place(each), hop(), CALL_MISS, 1.0)
    kept = watchlist.targets[stays.sid]
    gone = next(iter(watchlist.targets[goes.sid].addresses.values()))
    patient = target("sip:b.example", health=HealthRules(misses=5))
    renamed = target("sip:a.example", 20)
    carriers = policy(renamed, patient, target("sip:new.example"), health=HealthRules(misses=1))
    watchlist.follow(directory(connection_policies=(carriers,)), 2.0)
    assert watchlist.targets[stays.sid] is kept
    assert kept.target.priority == 20
    assert watchlist.obstacle(place(stays), hop(), 3.0) is not None
    assert watchlist.obstacle(place(changes_rules), hop(), 3.0) is None
    assert (gone.state, goes.sid in watchlist.targets) == ("gone", False)
