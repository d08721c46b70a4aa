"""TLS in the configuration file: levels, terms of a target, client certificates of a domain, and broken files."""

from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from byoc_proxy.config.load import ConfigProblems, Loaded, load
from byoc_proxy.preflight import load_checked
from byoc_proxy.sip.flow import TlsTerms

CA = trustme.CA()
LEAF = CA.issue_cert("trunk.customer.test")
HEAD = """\
base_domain: sip.example.test
accounts: {acme: {auth_token: a-token-of-acme}}
"""
LISTENER = 'listeners: [{transport: tls, bind: "127.0.0.1:5061", certificate: own.pem, private_key: own.key}]\n'
TARGET = "connection_policies: {{p: {{targets: [{{target: '{}', tls: {}}}]}}}}\n"

NOT_TLS = "tls is for targets over TLS; write ;transport=tls behind the target or remove tls"
NO_AUTHORITY = "{directory}/empty.pem holds no certificate; give a PEM file of authorities"

Read = Callable[..., Loaded]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Load a text behind `HEAD` and a TLS listener, with the files of a certificate beside it."""
    CA.cert_pem.write_to_path(tmp_path / "ca.pem")
    LEAF.cert_chain_pems[0].write_to_path(tmp_path / "own.pem")
    LEAF.private_key_pem.write_to_path(tmp_path / "own.key")
    trustme.CA().issue_cert("x").private_key_pem.write_to_path(tmp_path / "other.key")
    (tmp_path / "empty.pem").touch()

    def read_text(text: str, listener: str = LISTENER, loader: Callable[..., Loaded] = load) -> Loaded:
        file = tmp_path / "byoc.yaml"
        file.write_text(HEAD + listener + text, encoding="utf-8")
        return loader(file, {})

    return read_text


@pytest.mark.parametrize(
    ("written", "level"),
    [("full", "full"), ("chain", "chain"), ("off", "off"), ("'off'", "off"), ("true", "full"), ("false", "off")],
)
def test_verification_has_three_levels_and_all_below_full_warn(read: Read, written: str, level: str) -> None:
    loaded = read(f"tls_client: {{verify: {written}}}\n")
    assert loaded.settings.tls_client.verify == level
    assert any(f"tls_client.verify: is {level}: " in line for line in loaded.warnings) is (level != "full")


def test_a_target_has_terms_of_its_own_with_files_beside_the_configuration(read: Read, tmp_path: Path) -> None:
    terms = (
        "{verify: chain, name: '*.Carrier.example', ca_file: ca.pem, certificate: own.pem, private_key: own.key}"
    )
    loaded = read(TARGET.format("sip:gw.carrier.example;transport=tls", terms))
    (target,) = loaded.resources.connection_policies[0].targets
    files = [str(tmp_path / name) for name in ("ca.pem", "own.pem", "own.key")]
    assert target.tls == TlsTerms("chain", "*.carrier.example", *files)
    assert any("targets.0.tls.verify: is chain: " in line for line in loaded.warnings)


def test_a_domain_names_the_authorities_and_names_of_its_callers(read: Read, tmp_path: Path) -> None:
    loaded = read("domains: {acme: {client_certificates: {ca_file: ca.pem, names: [SBC.carrier.example]}}}\n")
    wanted = loaded.resources.domains[0].client_certificates
    assert wanted is not None
    assert (wanted.ca_file, wanted.names) == (str(tmp_path / "ca.pem"), ("sbc.carrier.example",))
    assert len(wanted.authorities) == 1
    assert not any("no authentication" in line for line in loaded.warnings)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            TARGET.format("sip:gw.carrier.example", "{verify: chain}"),
            f"connection_policies.p.targets.0: {NOT_TLS}",
        ),
        (
            TARGET.format("sip:gw;transport=tls", "{certificate: own.pem}"),
            "connection_policies.p.targets.0.tls: needs both certificate and private_key, or neither",
        ),
        (
            TARGET.format("sip:gw;transport=tls", "{verify: perhaps}"),
            "connection_policies.p.targets.0.tls.verify: must be 'full', 'chain' or 'off'",
        ),
        (
            "domains: {acme: {client_certificates: {ca_file: empty.pem}}}\n",
            f"domains.acme.client_certificates.ca_file: {NO_AUTHORITY}",
        ),
        ("limits: {connections: {max: 0}}\n", "limits.connections.max: must be greater than or equal to 1"),
        (
            "limits: {connections: {idle_time: 5}}\n",
            "limits.connections.idle_time: unknown key; did you mean 'idle_timeout'?",
        ),
    ],
)
def test_one_mistake_is_one_line(read: Read, tmp_path: Path, text: str, line: str) -> None:
    with pytest.raises(ConfigProblems) as failed:
        read(text)
    (problem,) = failed.value.problems
    assert problem.partition(": ")[2] == line.replace("{directory}", str(tmp_path))


@pytest.mark.parametrize(
    ("listener", "text", "fault"),
    [
        (LISTENER.replace("own.key", "other.key"), "", "own.pem with key {}/other.key: key values mismatch"),
        (LISTENER.replace("own.pem", "empty.pem"), "", "empty.pem with key {}/own.key: no PEM that can be used"),
        (LISTENER, "tls_client: {ca_file: own.key}\n", "own.key: no certificate or crl found"),
        (
            LISTENER,
            TARGET.format("sip:gw;transport=tls", "{certificate: own.pem, private_key: other.key}"),
            "own.pem with key {}/other.key: key values mismatch",
        ),
    ],
)
def test_check_looks_into_the_files(read: Read, tmp_path: Path, listener: str, text: str, fault: str) -> None:
    with pytest.raises(ConfigProblems) as failed:
        read(text, listener, load_checked)
    (problem,) = failed.value.problems
    assert fault.format(tmp_path) in problem
    assert problem.endswith("; give PEM files that belong together")
