"""Whole calls between foreign carriers through the real daemon: SIPp on both sides, a webhook in the middle."""

import asyncio
import contextlib
from pathlib import Path

import pytest

from tests.support.authority import Authority
from tests.support.daemon import AUTH_TOKEN, DOMAIN, configuration, daemon
from tests.support.peers import SDP, CallerSide, StreamPeer, UdpPeer, reply, stream_host, stream_peer, udp_peer
from tests.support.programs import Protocol, installed, program, run
from tests.support.sipp import Sipp, Transport, free_port
from tests.support.voice_app import voice_app

pytestmark = pytest.mark.wire

TRUNK_SID = "BYaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
SECRET = ("sbc1", "Secret-12345x")
DIAL_OUT = f'<Response><Dial><Number byoc="{TRUNK_SID}">+15550199</Number></Dial></Response>'
SUFFIX: dict[Transport, str] = {"u1": "", "t1": ";transport=tcp"}
PROTOCOLS: dict[Transport, Protocol] = {"u1": "udp", "t1": "tcp"}


@pytest.mark.parametrize("transport", ["u1", "t1"])
async def test_a_call_is_challenged_asks_the_application_and_leaves_on_the_trunk(
    tmp_path: Path, transport: Transport
) -> None:
    sipp = Sipp(tmp_path)
    async with voice_app(AUTH_TOKEN) as app, sipp.uas("uas_answer.xml", transport=transport) as callee:
        host, port = callee.address
        url = app.answers("/voice", DIAL_OUT)
        document = configuration(f"sip:{host}:{port}{SUFFIX[transport]}", voice_url=url, sid=TRUNK_SID)
        document["domains"]["acme"]["credential_lists"] = ["sbcs"]
        document["credential_lists"] = {"sbcs": {"credentials": [{"username": SECRET[0], "password": SECRET[1]}]}}
        async with daemon(tmp_path, document) as proxy:
            report = await sipp.uac("uac_407.xml", proxy.udp, credentials=SECRET, transport=transport, hold=0.05)
            record = await proxy.record()
    assert (report.exit_code, report.retransmissions) == (0, 0), report.errors + report.messages
    assert callee.report is not None
    assert (callee.report.successful, callee.report.retransmissions) == (1, 0), callee.report.errors
    asked = app.asked[0].params
    assert (asked["From"], asked["To"], asked["CallStatus"]) == ("+15550177", "+15550100", "ringing")
    assert record["status"] == "completed"
    assert record["username"] == "sbc1"
    assert [attempt["outcome"] for attempt in record["attempts"]] == ["answered"]


@pytest.mark.parametrize(
    ("caller", "callee", "final", "status"),
    [
        pytest.param("uac_plain.xml", "uas_answer.xml", 0, "completed", id="the caller hangs up"),
        pytest.param("uac_hung_up.xml", "uas_hangup.xml", 0, "completed", id="the callee hangs up"),
        pytest.param("uac_held.xml", "uas_reinvite.xml", 0, "completed", id="the callee puts the call on hold"),
        pytest.param("uac_cancel.xml", "uas_ringing_forever.xml", 0, "no-answer", id="the caller gives up: 487"),
        pytest.param("uac_refused.xml", "uas_refuse.xml", 486, "busy", id="the callee is busy: 486"),
        pytest.param("uac_refused.xml", "uas_refuse.xml", 404, "failed", id="nobody has this number: 404"),
    ],
)
async def test_both_sides_of_a_call_see_it_through_over_udp_and_over_tcp(
    tmp_path: Path, caller: str, callee: str, final: int, status: str
) -> None:
    async with asyncio.TaskGroup() as both:
        for transport in SUFFIX:
            both.create_task(_seen_through(tmp_path / transport, caller, callee, final, status, transport))


async def _seen_through(
    directory: Path, caller: str, callee: str, final: int, status: str, transport: Transport
) -> None:
    sipp = Sipp(directory)
    async with sipp.uas(callee, transport=transport, final=final, hold=0.05) as uas:
        host, port = uas.address
        document = configuration(f"sip:{host}:{port}{SUFFIX[transport]}")
        async with daemon(directory, document) as proxy:
            report = await sipp.uac(caller, proxy.udp, transport=transport, final=final, hold=0.1)
            record = await proxy.record()
    assert (report.exit_code, report.retransmissions) == (0, 0), report.errors + report.messages
    assert uas.report is not None
    assert (uas.report.successful, uas.report.failed) == (1, 0), uas.report.errors + uas.report.messages
    assert record["status"] == status


@pytest.mark.parametrize(("inside", "outside"), [("u1", "t1"), ("t1", "u1")])
async def test_a_call_changes_its_transport_on_the_way(
    tmp_path: Path, inside: Transport, outside: Transport
) -> None:
    sipp = Sipp(tmp_path)
    async with sipp.uas("uas_hangup.xml", transport=outside, hold=0.05) as uas:
        host, port = uas.address
        async with daemon(tmp_path, configuration(f"sip:{host}:{port}{SUFFIX[outside]}")) as proxy:
            report = await sipp.uac("uac_hung_up.xml", proxy.udp, transport=inside)
    assert report.exit_code == 0, report.errors + report.messages
    assert uas.report is not None
    assert uas.report.successful == 1, uas.report.errors + uas.report.messages


@pytest.mark.parametrize(
    ("mode", "transport"),
    [
        pytest.param("u1", "u1", id="one UDP socket"),
        pytest.param("un", "u1", id="a UDP socket for each call"),
        pytest.param("t1", "t1", id="one TCP connection"),
        pytest.param("tn", "t1", id="a TCP connection for each call"),
    ],
)
async def test_sipps_own_caller_and_callee_reach_a_domain_by_its_static_address(
    tmp_path: Path, mode: str, transport: Transport
) -> None:
    # `sipp -sn uac` writes the address that it sends to into the Request-URI
    port = free_port("127.0.0.20", transport)
    document = configuration(f"sip:127.0.0.20:{port}{SUFFIX[transport]}")
    document["accounts"]["acme"] |= {"static_ip": True, "interconnect": ["127.0.0.0/8"]}
    document["domains"]["acme"]["static_ips"] = ["127.0.0.10"]
    sipp = (installed("sipp", "sip-tester"), "-nostdin", "-timeout", "20", "-trace_err", "-max_socket", "100")
    callee = ("-sn", "uas", "-t", transport, "-i", "127.0.0.20", "-p", str(port))
    caller = ("-sn", "uac", "-t", mode, "-i", "127.0.0.2", "-m", "5", "-d", "50")
    async with daemon(tmp_path, document) as proxy, program(tmp_path / "uas", *sipp, *callee) as uas:
        await uas.listening([(PROTOCOLS[transport], "127.0.0.20", port)])
        code, said = await run(tmp_path / "uac", *sipp, *caller, f"{proxy.udp[0]}:{proxy.udp[1]}")
        records = await proxy.records(5)
    assert code == 0, said
    assert [record["status"] for record in records] == ["completed"] * 5
    sources = {record["source"] for record in records}
    assert len(sources) == (5 if mode.endswith("n") else 1)


async def test_a_caller_behind_a_nat_is_answered_where_it_spoke_from_and_by_the_socket_it_spoke_to(
    tmp_path: Path,
) -> None:
    document = configuration("sip:127.0.0.20:5060", voice_twiml="<Response><Reject/></Response>")
    async with daemon(tmp_path, document) as proxy, udp_peer() as carrier:
        call = CallerSide(carrier, proxy.udp)
        call.invite(via="SIP/2.0/UDP 192.168.7.7:5060;rport")
        refusal = await carrier.hear("404 INVITE")
        call.ack(refusal)
    assert refusal.source == proxy.udp
    assert f";rport={carrier.address[1]}" in refusal.get("via")
    assert f";received={carrier.address[0]}" in refusal.get("via")


async def test_a_caller_without_rport_is_answered_at_the_port_of_its_via(tmp_path: Path) -> None:
    document = configuration("sip:127.0.0.20:5060", voice_twiml="<Response><Reject/></Response>")
    async with daemon(tmp_path, document) as proxy, udp_peer() as sends, udp_peer() as listens:
        call = CallerSide(sends, proxy.udp)
        call.invite(via=f"SIP/2.0/UDP {listens.sent_by}")  # it sends from another port (RFC 3261 §18.2.2)
        refusal = await listens.hear("404 INVITE")
        call.ack(refusal)
    assert refusal.source == proxy.udp
    assert sends.heard == []


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
async def test_a_call_passes_over_ipv6(tmp_path: Path, transport: str) -> None:
    """In and out over one transport; over TLS both certificates must hold, ours by name and theirs by address."""
    authority = Authority.made(tmp_path)
    context = authority.host("::1")
    async with contextlib.AsyncExitStack() as stack:
        enter = stack.enter_async_context
        host = await enter(stream_host("::1", tls=context if transport == "tls" else None))
        callee: UdpPeer | StreamPeer = await enter(udp_peer("::1"))
        port = callee.address[1] if transport == "udp" else host.address[1]
        document = configuration(f"sip:[::1]:{port};transport={transport}", host="::1")
        proxy = await enter(daemon(tmp_path, authority.secure(document, tmp_path, "::1")))
        place = {"udp": proxy.udp, "tcp": proxy.tcp, "tls": proxy.tls}[transport]
        carrier: UdpPeer | StreamPeer = await enter(udp_peer("::1"))
        if transport != "udp":
            tls = authority.client() if transport == "tls" else None
            carrier = await enter(stream_peer(place, "::1", tls, "acme.sip.example.test"))
        call = CallerSide(carrier, place)
        call.invite()
        if transport != "udp":
            callee = await host.accept()
        invite = await callee.hear("INVITE")
        callee.send(reply(invite, 200, contact=f"<sip:callee@[::1]:{port}>", body=SDP), invite.source)
        answer = await carrier.hear("200 INVITE")
        call.ack(answer)
        await callee.hear("ACK")
        call.bye(answer)
        bye = await callee.hear("BYE")
        callee.send(reply(bye, 200), bye.source)
        await carrier.hear("200 BYE")
        record = await proxy.record()
    suffix = "" if transport == "udp" else f";transport={transport}"
    assert invite.get("via").startswith(f"SIP/2.0/{transport.upper()} [::1]:{place[1]};")
    assert answer.get("contact") == f"<sip:[::1]:{place[1]}{suffix}>"
    assert record["source"].startswith(f"{transport.upper()} [::1]:")
    assert record["attempts"][0]["address"] == f"{transport.upper()} [::1]:{port}"


async def test_the_record_is_on_disk_as_soon_as_the_call_has_ended(tmp_path: Path) -> None:
    document = configuration("sip:127.0.0.20:5060", voice_twiml="<Response><Reject reason='busy'/></Response>")
    async with daemon(tmp_path, document) as proxy, udp_peer() as carrier:
        call = CallerSide(carrier, proxy.udp)
        call.invite()
        call.ack(await carrier.hear("486 INVITE"))
        record = await proxy.record(within=0.5)  # nothing but the end of the call made it write
    assert (record["status"], record["call_id"], record["domain"]) == ("busy", call.call_id, DOMAIN)
