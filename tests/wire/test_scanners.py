"""SIPVicious at the door: it learns nothing, neither as a stranger nor from an address that calls come from."""

import asyncio
import re
from pathlib import Path

import pytest

from tests.support.daemon import DOMAIN, Document, configuration, daemon
from tests.support.programs import Protocol
from tests.support.sipp import Address, Report, Sipp
from tests.support.sipvicious import SOURCE, scan

pytestmark = pytest.mark.wire

SBC = "127.0.0.2"
USER, PASSWORD = "sbc1", "Secret-12345x"
PROTOCOLS: tuple[Protocol, ...] = ("udp", "tcp")  # of the one port that the daemon has for both
CALLS, RATE = 80, 20  # four seconds, as long as a scan
NAMED = ("--force", "-e100-120", f"--domain={DOMAIN}", "--maximumtime=2", "--debug")
CRACK = ("-m", "INVITE", f"--domain={DOMAIN}", f"--requesturi=sip:100@{DOMAIN}", "--maximumtime=2")
BLIND = [  # these name the address, as a scanner does that has found an open port
    ("svmap", "-d"),
    ("svmap", "-d", "-m", "INVITE"),
    ("svmap", "-d", "-m", "REGISTER"),
    ("svwar", "--debug", "-e100-120"),
    ("svwar", "--debug", "-e100-120", "-m", "INVITE"),
    ("svwar", "--debug", "-e100-120", "-m", "OPTIONS"),
]
INFORMED = [  # and these the domain, as one does that was told
    ("svwar", *NAMED),
    ("svwar", *NAMED, "-m", "INVITE"),
    ("svwar", *NAMED, "-m", "OPTIONS"),
    ("svcrack", *CRACK, "-u", USER, "-r", "1-20"),
]


def guarded(callee: Address, *sources: str) -> Document:
    """The configuration of a daemon whose one domain asks `sources` for credentials, and takes nobody else."""
    document = configuration(f"sip:{callee[0]}:{callee[1]}")
    document["ip_access_control_lists"]["loopback"]["addresses"] = list(sources)
    document["domains"]["acme"]["credential_lists"] = ["sbcs"]
    document["credential_lists"] = {"sbcs": {"credentials": [{"username": USER, "password": PASSWORD}]}}
    return document


async def carrier(sipp: Sipp, proxy: Address) -> Report:
    """The calls that must not notice."""
    return await sipp.uac("uac_407.xml", proxy, credentials=(USER, PASSWORD), calls=CALLS, rate=RATE)


async def test_a_stranger_with_sipvicious_learns_nothing_and_disturbs_no_call(tmp_path: Path) -> None:
    sipp = Sipp(tmp_path, keep_messages=False)
    async with (
        sipp.uas("uas_answer.xml") as callee,
        daemon(tmp_path, guarded(callee.address, SBC)) as proxy,
        asyncio.TaskGroup() as tasks,
    ):
        calls = tasks.create_task(carrier(sipp, proxy.udp))
        scans = {
            (protocol, *options): tasks.create_task(
                scan(tmp_path / f"{protocol}-{number}", protocol, proxy.udp, *options)
            )
            for protocol in PROTOCOLS
            for number, options in enumerate((*BLIND, *INFORMED))
        }
    assert (calls.result().successful, calls.result().failed) == (CALLS, 0), calls.result().errors
    for name, finished in scans.items():
        said = finished.result()
        assert "SIP/2.0 " not in said or name[1:] in INFORMED, (name, said)
        assert not re.search(r"exists|realm|authenticat|x-byoc|password for", said, re.IGNORECASE), (name, said)
        assert "found nothing" in said or "svcrack" in name, (name, said)
    records = await proxy.records(CALLS)
    assert {record["source"].split()[1].partition(":")[0] for record in records} == {SBC}


async def test_from_an_address_that_calls_come_from_no_user_is_told_from_another(tmp_path: Path) -> None:
    sipp, names = Sipp(tmp_path, keep_messages=False), tmp_path / "names"
    names.write_text(f"{USER}\nadmin\n+15550100\nnobody\n", encoding="utf-8")
    every = ("--force", "-d", str(names), f"--domain={DOMAIN}", "--maximumtime=2", "--debug")
    async with (
        sipp.uas("uas_answer.xml") as callee,
        daemon(tmp_path, guarded(callee.address, SBC, SOURCE)) as proxy,
        asyncio.TaskGroup() as tasks,
    ):
        calls = tasks.create_task(carrier(sipp, proxy.udp))
        scans = {
            (protocol, method): tasks.create_task(
                scan(tmp_path / f"{protocol}-{method}", protocol, proxy.udp, "svwar", *every, "-m", method)
            )
            for protocol in PROTOCOLS
            for method in ("INVITE", "OPTIONS", "REGISTER")
        }
    assert (calls.result().successful, calls.result().failed) == (CALLS, 0), calls.result().errors
    for name, finished in scans.items():
        said = finished.result()
        assert "Ok SIP device found" in said, (name, said)
        assert "exists" not in said, (name, said)
        assert len(set(re.findall(r"^b'(SIP/2.0 \d+ [^\\]*)", said, re.MULTILINE))) == 1, (name, said)


async def test_a_wrong_password_of_a_user_and_that_of_nobody_are_refused_alike(tmp_path: Path) -> None:
    async with (
        Sipp(tmp_path).uas("uas_answer.xml") as callee,
        daemon(tmp_path, guarded(callee.address, SOURCE)) as proxy,
        asyncio.TaskGroup() as tasks,
    ):
        scans = [
            tasks.create_task(scan(tmp_path / user, "udp", proxy.udp, "svcrack", *CRACK, "-u", user, "-r", "1-20"))
            for user in (USER, "nobody")
        ]
    of_user, of_nobody = (re.sub(r"\d+", "0", finished.result()) for finished in scans)
    assert of_user == of_nobody
    assert "password for" not in of_user
    assert "no more passwords" in of_user, "it was not challenged, or not each time"


async def test_a_scanner_that_is_told_the_password_says_so(tmp_path: Path) -> None:
    """Without which its silence in the other tests would mean nothing."""
    known = tmp_path / "passwords"
    known.write_text(f"wrong\n{PASSWORD}\n", encoding="utf-8")
    async with Sipp(tmp_path).uas("uas_answer.xml") as callee:
        async with daemon(tmp_path, guarded(callee.address, SOURCE)) as proxy:
            said = await scan(tmp_path / "crack", "udp", proxy.udp, "svcrack", *CRACK, "-u", USER, "-d", str(known))
    assert f"The password for {USER} is {PASSWORD}" in said
