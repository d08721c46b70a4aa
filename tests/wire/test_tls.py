"""SIP over TLS, in and out: certificates that hold, certificates that do not, and domains that insist on it."""

import contextlib
import signal
import ssl
from pathlib import Path

import pytest
import trustme
import yaml

from byoc_proxy.sim.zone import Zone
from tests.support.authority import Authority
from tests.support.daemon import Daemon, Document, configuration, daemon, sockets_of, until
from tests.support.peers import (
    SDP,
    SECURE_SDP,
    CallerSide,
    Heard,
    StreamHost,
    StreamPeer,
    UdpPeer,
    reply,
    stream_host,
    stream_peer,
    udp_peer,
)
from tests.support.zone import DnsServer

pytestmark = pytest.mark.wire

GATEWAY = "gw.carrier.test"
NAME = "acme.sip.example.test"
REJECT = "<Response><Reject/></Response>"


async def test_one_process_listens_on_udp_tcp_and_tls(tmp_path: Path) -> None:
    document = Authority.made(tmp_path).secure(configuration("sip:127.0.0.20:5060"), tmp_path)
    async with daemon(tmp_path, document) as proxy:
        assert {("udp", *proxy.udp), ("tcp", *proxy.tcp), ("tcp", *proxy.tls)} <= sockets_of(proxy.pid)


async def test_a_call_comes_in_over_tls_and_leaves_over_udp(tmp_path: Path) -> None:
    authority = Authority.made(tmp_path)
    async with udp_peer("127.0.0.20") as callee:
        document = authority.secure(configuration(f"sip:{callee.sent_by}"), tmp_path)
        async with (
            daemon(tmp_path, document) as proxy,
            stream_peer(proxy.tls, tls=authority.client(), server_name=NAME) as carrier,
        ):
            call = CallerSide(carrier, proxy.tls)
            call.invite()
            invite = await callee.hear("INVITE")
            callee.send(reply(invite, 200, contact=callee.contact, body=SDP), invite.source)
            answer = await carrier.hear("200 INVITE")
            call.ack(answer)
            await callee.hear("ACK")
            callee.send(
                CallerSide(callee, proxy.udp).text("OPTIONS"), invite.source
            )  # the listeners live side by side
            await callee.hear("200 OPTIONS")
            call.bye(answer)
            await carrier.hear("200 BYE")
            record = await proxy.record()
    assert answer.get("contact") == f"<sip:127.0.0.10:{proxy.tls[1]};transport=tls>"
    assert answer.get("via").startswith("SIP/2.0/TLS ")
    assert record["source"].startswith("TLS 127.0.0.2:")


async def test_a_call_leaves_over_tls_to_a_gateway_whose_certificate_names_it(tmp_path: Path) -> None:
    authority = Authority.made(tmp_path)
    async with stream_host("127.0.0.21", tls=authority.host(GATEWAY)) as gateway:
        invite, record = await _call_by_name(tmp_path, authority, gateway)
    assert invite.get("via").startswith("SIP/2.0/TLS 127.0.0.10:")
    assert [attempt["outcome"] for attempt in record["attempts"]] == ["refused"]
    assert record["attempts"][0]["status"] == 486


async def _call_by_name(tmp_path: Path, authority: Authority, gateway: StreamHost) -> tuple[Heard, Document]:
    port = gateway.address[1]
    async with DnsServer(Zone().host(GATEWAY, "127.0.0.21")) as dns, udp_peer() as carrier:
        document = authority.secure(configuration(f"sip:{GATEWAY}:{port};transport=tls"), tmp_path)
        document["dns"] = {"nameservers": [dns.address]}
        async with daemon(tmp_path, document) as proxy:
            call = CallerSide(carrier, proxy.udp)
            call.invite()
            link = await gateway.accept()
            invite = await link.hear("INVITE")
            link.send(reply(invite, 486))
            call.ack(await carrier.hear("486 INVITE"))
            return invite, await proxy.record()


@pytest.mark.parametrize(
    ("name", "trusted", "reason"),
    [
        pytest.param("other.carrier.test", True, "name mismatch", id="it names somebody else"),
        pytest.param("*.carrier.test", True, "name mismatch", id="it names a wildcard"),  # RFC 5922 §7.2
        pytest.param(GATEWAY, False, "unknown CA", id="nobody we trust vouches for it"),
    ],
)
async def test_a_gateway_with_a_certificate_that_does_not_hold_is_passed_over_at_once(
    tmp_path: Path, name: str, trusted: bool, reason: str
) -> None:
    authority = Authority.made(tmp_path)
    vouching = authority.ca if trusted else trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    vouching.issue_cert(name).configure_cert(context)
    zone = Zone().host(GATEWAY, "127.0.0.21")
    async with (
        DnsServer(zone) as dns,
        stream_host("127.0.0.21", tls=context) as gateway,
        udp_peer("127.0.0.22") as callee,
        udp_peer() as carrier,
    ):
        target = f"sip:{GATEWAY}:{gateway.address[1]};transport=tls"
        document = authority.secure(configuration(target, f"sip:{callee.sent_by}"), tmp_path)
        document["dns"] = {"nameservers": [dns.address]}
        async with daemon(tmp_path, document) as proxy:
            call = CallerSide(carrier, proxy.udp)
            call.invite()
            invite = await callee.hear("INVITE", 2)
            callee.send(reply(invite, 486), invite.source)
            call.ack(await carrier.hear("486 INVITE"))
            record = await proxy.record()
    first = record["attempts"][0]
    assert first["outcome"] == "unreachable"
    assert reason in first["reason"]
    assert first["duration"] < 1.0
    assert all(link.heard == [] for link in gateway.connections)


async def test_a_renewed_certificate_is_used_by_the_next_handshake_and_no_connection_is_dropped(
    tmp_path: Path,
) -> None:
    old, new = Authority.made(tmp_path), Authority.made(tmp_path)
    document = old.secure(configuration("sip:127.0.0.20:5060"), tmp_path)
    async with (
        daemon(tmp_path, document) as proxy,
        stream_peer(proxy.tls, tls=old.client(), server_name=NAME) as before,
    ):
        before.send(CallerSide(before, proxy.tls).text("OPTIONS"))
        await before.hear("200 OPTIONS")
        new.certify(tmp_path)
        proxy.signal(signal.SIGHUP)
        await proxy.logged("config.reloaded")
        async with stream_peer(proxy.tls, tls=new.client(), server_name=NAME) as after:
            for peer in (before, after):
                peer.send(CallerSide(peer, proxy.tls).text("OPTIONS"))
                await peer.hear("200 OPTIONS")
        with pytest.raises(ssl.SSLCertVerificationError):
            async with stream_peer(proxy.tls, tls=old.client(), server_name=NAME):
                pytest.fail("the old certificate was shown")
        assert not [line for line in proxy.log if line["event"] == "config.restart_needed"]


async def test_a_broken_new_certificate_keeps_the_old_one_and_is_named(tmp_path: Path) -> None:
    authority = Authority.made(tmp_path)
    document = authority.secure(configuration("sip:127.0.0.20:5060"), tmp_path)
    async with daemon(tmp_path, document, allowed=["config.kept"]) as proxy:
        whole = (tmp_path / "key.pem").read_bytes()
        for broken in (whole[: len(whole) // 2], trustme.CA().issue_cert(NAME).private_key_pem.bytes()):
            (tmp_path / "key.pem").write_bytes(broken)
            proxy.log.clear()
            proxy.signal(signal.SIGHUP)
            kept = await proxy.logged("config.kept")
            assert str(tmp_path / "key.pem") in kept["problems"][0]
        async with stream_peer(proxy.tls, tls=authority.client(), server_name=NAME) as peer:
            peer.send(CallerSide(peer, proxy.tls).text("OPTIONS"))
            await peer.hear("200 OPTIONS")


async def test_tls_1_1_is_refused_and_1_2_is_not(tmp_path: Path) -> None:
    authority = Authority.made(tmp_path)
    client = authority.client()
    client.set_ciphers("DEFAULT:@SECLEVEL=0")  # else our side would refuse before it asked
    async with daemon(tmp_path, authority.secure(configuration("sip:127.0.0.20:5060"), tmp_path)) as proxy:
        client.maximum_version = ssl.TLSVersion.TLSv1_2
        async with stream_peer(proxy.tls, tls=client, server_name=NAME) as peer:
            peer.send(CallerSide(peer, proxy.tls).text("OPTIONS"))
            await peer.hear("200 OPTIONS")
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            client.minimum_version = ssl.TLSVersion.TLSv1_1
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            client.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises((ssl.SSLError, ConnectionError)) as refusal:
            async with stream_peer(proxy.tls, tls=client, server_name=NAME):
                pytest.fail("the handshake was accepted")
    assert "NO_PROTOCOLS_AVAILABLE" not in str(refusal.value), "this side refused, not the proxy"


async def test_a_secure_domain_says_why_it_refuses_and_takes_tls_with_srtp(tmp_path: Path) -> None:
    authority = Authority.made(tmp_path)
    async with udp_peer("127.0.0.20") as callee, udp_peer() as plain:
        document = authority.secure(configuration(f"sip:{callee.sent_by}"), tmp_path)
        document["domains"]["acme"]["secure"] = True
        async with (
            daemon(tmp_path, document) as proxy,
            stream_peer(proxy.tls, tls=authority.client(), server_name=NAME) as tls,
        ):
            in_clear = CallerSide(plain, proxy.udp)
            in_clear.invite(body=SECURE_SDP)
            no_transport = await plain.hear("488 INVITE")
            in_clear.ack(no_transport)
            half = CallerSide(tls, proxy.tls)
            half.invite(body=SDP)
            no_media = await tls.hear("488 INVITE")
            half.ack(no_media)
            whole = CallerSide(tls, proxy.tls)
            whole.invite(body=SECURE_SDP)
            invite = await callee.hear("INVITE")
            callee.send(reply(invite, 486), invite.source)
            whole.ack(await tls.hear("486 INVITE"))
    assert "Secure SIP transport required" in no_transport.start
    assert no_transport.get("x-byoc-error").startswith("32209 ")
    assert "Secure media required" in no_media.start
    assert no_media.get("x-byoc-error").startswith("32208 ")
    assert invite.body == SECURE_SDP


# --- client certificates -----------------------------------------------------------------------------------


def certified(authority: Authority, *names: str, by: Authority | None = None) -> ssl.SSLContext:
    """The context of a carrier that shows a certificate, `by` another authority perhaps, when it is asked."""
    context = authority.client()
    (by or authority).ca.issue_cert(*names).configure_cert(context)
    return context


async def final_of(proxy: Daemon, context: ssl.SSLContext | None) -> str:
    """What a call to the domain ends with, over TLS with that context or over UDP."""
    async with contextlib.AsyncExitStack() as stack:
        peer: StreamPeer | UdpPeer
        if context is None:
            peer, place = await stack.enter_async_context(udp_peer()), proxy.udp
        else:
            link = stream_peer(proxy.tls, tls=context, server_name=NAME)
            peer, place = await stack.enter_async_context(link), proxy.tls
        call = CallerSide(peer, place)
        call.invite()
        while True:
            final = await next_final(peer)
            call.ack(final)
            return f"{final.status} {final.get('x-byoc-error')}".strip()


async def next_final(peer: StreamPeer | UdpPeer) -> Heard:
    """The first final response, whatever it is."""

    def find() -> Heard | None:
        return next((message for message in peer.heard if message.status >= 200), None)

    return await until(find, 5, lambda: f"no final response in {peer.kinds}")


async def test_a_domain_takes_calls_only_with_a_client_certificate_of_its_authority_and_name(
    tmp_path: Path,
) -> None:
    authority, stranger = Authority.made(tmp_path), Authority.made(tmp_path)
    document = authority.secure(configuration("sip:127.0.0.20:5060", voice_twiml=REJECT), tmp_path)
    async with daemon(tmp_path, document) as proxy:
        unknown = certified(authority, NAME, by=stranger)
        async with stream_peer(proxy.tls, tls=unknown, server_name=NAME) as before:
            document["domains"]["acme"]["client_certificates"] = {
                "ca_file": str(authority.file),
                "names": ["sbc.carrier.test"],
            }
            proxy.config.write_text(yaml.safe_dump(document), encoding="utf-8")
            proxy.signal(signal.SIGHUP)  # the listener asks for certificates from now on
            await proxy.logged("config.reloaded")
            before.send(CallerSide(before, proxy.tls).text("OPTIONS"))
            await before.hear("200 OPTIONS")  # a connection that was there lives on
        assert await final_of(proxy, certified(authority, "sbc.carrier.test")) == "404"
        refused = "403 32290 Client certificate required: "
        assert await final_of(proxy, certified(authority, "sbc.other.test")) == f"{refused}it names sbc.other.test"
        assert await final_of(proxy, authority.client()) == f"{refused}none was shown"
        assert await final_of(proxy, None) == f"{refused}there is none over UDP"
        async with stream_peer(proxy.tls, tls=unknown, server_name=NAME) as peer:
            await peer.gone()  # in TLS 1.3 our end thinks for a moment that all is well


async def test_a_target_asks_for_our_certificate_and_gets_the_one_that_is_meant_for_it(tmp_path: Path) -> None:
    """Twice the same address, with different terms: each has a connection of its own."""
    authority = Authority.made(tmp_path)
    own = authority.ca.issue_cert("trunk.customer.test")
    own.private_key_pem.write_to_path(tmp_path / "own.key")
    own.cert_chain_pems[0].write_to_path(tmp_path / "own.pem")
    context = authority.host("*.carrier.test")
    context.verify_mode = ssl.CERT_REQUIRED
    authority.ca.configure_trust(context)
    async with stream_host("127.0.0.21", tls=context) as gateway, udp_peer() as carrier:
        target = f"sip:127.0.0.21:{gateway.address[1]};transport=tls"
        name = {"name": "*.carrier.test"}
        shown = {**name, "certificate": "own.pem", "private_key": "own.key"}
        targets = ({"target": target, "tls": each} for each in (name, shown))
        document = authority.secure(configuration(*targets), tmp_path)
        async with daemon(tmp_path, document) as proxy:
            call = CallerSide(carrier, proxy.udp)
            call.invite()
            link = await gateway.accept()  # the handshake of the first target fails: asyncio never tells of it
            link.send(reply(await link.hear("INVITE"), 486))
            call.ack(await carrier.hear("486 INVITE"))
            record = await proxy.record()
    assert link.certified == ("trunk.customer.test",)
    assert [attempt["outcome"] for attempt in record["attempts"]] == ["unreachable", "refused"]
    assert "clos" in record["attempts"][0]["reason"]  # asyncio's end sends no alert before it leaves
