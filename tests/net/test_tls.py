"""TLS contexts from files, and what is said of handshakes that fail, between two ends in memory."""

import contextlib
import datetime
import ssl
from pathlib import Path

import pytest
import trustme

from byoc_proxy.net.connection import lost_because
from byoc_proxy.net.tls import ClientTls, UnusableFile, client_certificate, failure, misnamed, server_context
from byoc_proxy.sip.flow import TlsTerms

HOST = "gw.carrier.test"
LONG_AGO = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)


def written(directory: Path, leaf: trustme.LeafCert, name: str = "end") -> tuple[str, str]:
    """The files of a certificate, with its chain, and of its key."""
    certificate, key = directory / f"{name}.pem", directory / f"{name}.key"
    certificate.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
    leaf.private_key_pem.write_to_path(key)
    return str(certificate), str(key)


def trusted(directory: Path, ca: trustme.CA, name: str = "ca") -> str:
    ca.cert_pem.write_to_path(directory / f"{name}.pem")
    return str(directory / f"{name}.pem")


def handshake(
    server: ssl.SSLContext, client: ssl.SSLContext, name: str = HOST
) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Both ends of a finished handshake; raises what the client or the server raised."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (client.wrap_bio(back, there, server_hostname=name), server.wrap_bio(there, back, server_side=True))
    for _ in range(4):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return ends


def server_for(ca: trustme.CA, *names: str, **options: datetime.datetime) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(*names, **options).configure_cert(context)  # type: ignore[arg-type]
    return context


def test_a_certificate_that_names_the_host_is_good(tmp_path: Path) -> None:
    ca = trustme.CA()
    client = ClientTls(TlsTerms(ca_file=trusted(tmp_path, ca)))
    ours, _ = handshake(server_for(ca, HOST), client.context(None))
    assert ours.version() == "TLSv1.3"
    assert misnamed(ours, HOST) is None


@pytest.mark.parametrize("name", ["*.carrier.test", "carrier.test", "192.0.2.4"])
def test_a_certificate_of_somebody_else_is_a_name_mismatch(tmp_path: Path, name: str) -> None:
    ca = trustme.CA()
    client = ClientTls(TlsTerms(ca_file=trusted(tmp_path, ca)))
    ours, _ = handshake(server_for(ca, name), client.context(None))
    assert misnamed(ours, HOST) == f"TLS failure: name mismatch: the certificate names {name}, not {HOST}"


def test_expired_and_unknown_are_told_apart(tmp_path: Path) -> None:
    ca = trustme.CA()
    client = ClientTls(TlsTerms(ca_file=trusted(tmp_path, ca))).context(None)
    with pytest.raises(ssl.SSLCertVerificationError) as expired:
        handshake(server_for(ca, HOST, not_before=LONG_AGO, not_after=LONG_AGO), client)
    assert failure(expired.value, HOST) == f"TLS failure: expired: certificate of {HOST}"
    with pytest.raises(ssl.SSLCertVerificationError) as unknown:
        handshake(server_for(trustme.CA(), HOST), client)
    assert failure(unknown.value, HOST).startswith("TLS failure: unknown CA (")


def test_chain_looks_at_no_name_and_off_at_nothing(tmp_path: Path) -> None:
    ca = trustme.CA()
    tls = ClientTls(TlsTerms(ca_file=trusted(tmp_path, ca)))
    chain, off = TlsTerms("chain"), TlsTerms("off")
    assert [tls.terms(each).verify for each in (None, chain, off)] == ["full", "chain", "off"]
    handshake(server_for(ca, "other.test"), tls.context(chain))
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server_for(trustme.CA(), HOST), tls.context(chain))
    handshake(server_for(trustme.CA(), "other.test"), tls.context(off))


def test_a_target_shows_its_own_certificate_and_all_others_that_of_the_node(tmp_path: Path) -> None:
    ca = trustme.CA()
    authority = trusted(tmp_path, ca)
    node = TlsTerms("full", "", authority, *written(tmp_path, ca.issue_cert("node.test"), "node"))
    own = TlsTerms("", "", "", *written(tmp_path, ca.issue_cert("own.test"), "own"))
    tls = ClientTls(node, [own])
    server = server_context(*written(tmp_path, ca.issue_cert(HOST)), [Path(authority)])
    seen = [client_certificate(handshake(server, tls.context(terms))[1]) for terms in (None, own)]
    assert [each.names for each in seen if each] == [("node.test",), ("own.test",)]


def test_a_client_without_a_certificate_is_let_in_by_the_listener(tmp_path: Path) -> None:
    ca = trustme.CA()
    authority = trusted(tmp_path, ca)
    server = server_context(*written(tmp_path, ca.issue_cert(HOST)), [Path(authority)])
    _, theirs = handshake(server, ClientTls(TlsTerms(ca_file=authority)).context(None))
    assert client_certificate(theirs) is None


def test_a_certificate_of_an_intermediate_authority_is_known_by_all_of_its_chain(tmp_path: Path) -> None:
    root = trustme.CA()
    middle = root.create_child_ca()
    own = TlsTerms("", "", trusted(tmp_path, root), *written(tmp_path, middle.issue_cert("sbc.test"), "sbc"))
    server = server_context(*written(tmp_path, root.issue_cert(HOST)), [Path(trusted(tmp_path, root))])
    seen = client_certificate(handshake(server, ClientTls(own).context(None))[1])
    assert seen is not None
    assert len(seen.chain) == 3


def test_a_far_end_that_wants_a_certificate_of_ours_says_so(tmp_path: Path) -> None:
    ca = trustme.CA()
    demanding = server_for(ca, HOST)
    demanding.verify_mode = ssl.CERT_REQUIRED
    client = ClientTls(TlsTerms(ca_file=trusted(tmp_path, ca))).context(None)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(back, there, server_hostname=HOST)
    theirs = demanding.wrap_bio(there, back, server_side=True)
    for end in (ours, theirs, ours):
        with contextlib.suppress(ssl.SSLWantReadError):
            end.do_handshake()
    with pytest.raises(ssl.SSLError):
        theirs.do_handshake()
    with pytest.raises(ssl.SSLError) as refused:
        ours.read()
    text = "TLS failure: tlsv13 alert certificate required: the far end wants a client certificate"
    assert failure(refused.value, HOST) == lost_because(refused.value) == text


def test_files_that_do_not_belong_together_are_named(tmp_path: Path) -> None:
    ca = trustme.CA()
    certificate, _ = written(tmp_path, ca.issue_cert(HOST))
    _, key = written(tmp_path, ca.issue_cert(HOST), "other")
    with pytest.raises(UnusableFile, match=rf"certificate {certificate} with key {key}: key values mismatch"):
        server_context(certificate, key)
    with pytest.raises(UnusableFile, match="certificates of authorities .*other.key: "):
        ClientTls(TlsTerms(ca_file=key))


def test_a_renewal_that_fails_leaves_what_was(tmp_path: Path) -> None:
    ca = trustme.CA()
    tls = ClientTls(TlsTerms(ca_file=trusted(tmp_path, ca)))
    with pytest.raises(UnusableFile):
        tls.renew(TlsTerms(ca_file=str(tmp_path / "none.pem")))
    handshake(server_for(ca, HOST), tls.context(None))
