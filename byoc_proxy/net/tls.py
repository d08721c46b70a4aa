"""TLS contexts: 1.2 and later, and whom a finished handshake was with.

Names are not left to OpenSSL, whose rules are those of HTTPS (wildcards match, `sip:` URIs do not): a peer's name
is compared in `sip.certificate` (RFC 5922 §7.2) as soon as the handshake has verified its chain.
"""

from __future__ import annotations

import hashlib
import ssl
from typing import TYPE_CHECKING, Any, Final

from byoc_proxy.sip.certificate import sip_identities, speaks_for
from byoc_proxy.sip.flow import PeerCertificate, TlsTerms

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# openssl/x509_vfy.h
_EXPIRED: Final = 10
_NOT_YET_VALID: Final = 9
_REVOKED: Final = 23
_UNKNOWN_AUTHORITY: Final = frozenset({2, 18, 19, 20, 21})
_DER: Final = 2  # _ssl.ENCODING_DER


class UnusableFile(OSError):
    """A certificate, a key or a list of authorities cannot be used; the message says which and why."""


def server_context(
    certificate: Path | str, private_key: Path | str, client_authorities: Iterable[Path] = ()
) -> ssl.SSLContext:
    """For a listener. `UnusableFile` when the files cannot be used.

    With `client_authorities` (files) a client is asked for its certificate and may have none. One that it shows
    must be vouched for by any of them, or by an authority of the system: which domain it opens, admission decides.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _show(context, certificate, private_key)
    files = list(client_authorities)
    if files:
        # An SBC that shows its public certificate to whoever asks must not be turned away from its own domain.
        context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
        for file in files:
            _trust(context, file)
        context.verify_mode = ssl.CERT_OPTIONAL
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # an intermediate authority may be all that is named
        # A resumed session comes without the chain that says which authority vouched.
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
    return context


def client_context(terms: TlsTerms) -> ssl.SSLContext:
    """For connections of ours. Without `ca_file` the system's authorities are trusted. `UnusableFile` as above."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if terms.ca_file:
        _trust(context, terms.ca_file)
    else:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False  # see the module
    if terms.verify == "off":
        context.verify_mode = ssl.CERT_NONE
    if terms.certificate:
        _show(context, terms.certificate, terms.private_key)
    return context


def _show(context: ssl.SSLContext, certificate: Path | str, private_key: Path | str) -> None:
    try:
        context.load_cert_chain(certificate, private_key)
    except OSError as error:
        raise UnusableFile(f"certificate {certificate} with key {private_key}: {_reason(error)}") from error


def _trust(context: ssl.SSLContext, file: Path | str) -> None:
    try:
        context.load_verify_locations(file)
    except OSError as error:
        raise UnusableFile(f"certificates of authorities {file}: {_reason(error)}") from error


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return error.reason.replace("_", " ").lower() if error.reason else "no PEM that can be used"
    return error.strerror or str(error)


class ClientTls:
    """The contexts of our connections, one for each set of terms; read anew only by `renew`."""

    def __init__(self, default: TlsTerms, others: Iterable[TlsTerms] = ()) -> None:
        """Read the files of all these terms; `UnusableFile` when one cannot be used."""
        self.renew(default, others)

    def renew(self, default: TlsTerms, others: Iterable[TlsTerms] = ()) -> None:
        """Read all files again. `UnusableFile` leaves what was."""
        contexts: dict[TlsTerms, ssl.SSLContext] = {}
        default = _filled(default, default)
        for each in (default, *others):
            terms = _filled(each, default)
            if terms not in contexts:
                contexts[terms] = client_context(terms)
        self._default, self._contexts = default, contexts

    def terms(self, wanted: TlsTerms | None) -> TlsTerms:
        """What the terms come to, with the node's own where they say nothing."""
        return self._default if wanted is None else _filled(wanted, self._default)

    def context(self, wanted: TlsTerms | None) -> ssl.SSLContext:
        """The context of these terms; `UnusableFile` when they are new and of no use."""
        terms = self.terms(wanted)
        context = self._contexts.get(terms)
        if context is None:
            context = self._contexts[terms] = client_context(terms)
        return context


def _filled(terms: TlsTerms, default: TlsTerms) -> TlsTerms:
    own = terms if terms.certificate else default  # certificate and key go together
    return TlsTerms(
        terms.verify or default.verify or "full",
        "",
        terms.ca_file or default.ca_file,
        own.certificate,
        own.private_key,
    )


def misnamed(tls: ssl.SSLObject, host: str) -> str | None:
    """Why the peer of a verified handshake is not `host`, or None (RFC 5922 §7.3)."""
    identities = sip_identities(_alternative_names(tls))
    if speaks_for(identities, host):
        return None
    return f"TLS failure: name mismatch: the certificate names {', '.join(identities) or 'nobody'}, not {host}"


def client_certificate(tls: ssl.SSLObject) -> PeerCertificate | None:
    """What a client has shown and was verified, or None."""
    if not tls.getpeercert():
        return None
    chain = frozenset(hashlib.sha256(each).hexdigest() for each in _verified_chain(tls))
    return PeerCertificate(sip_identities(_alternative_names(tls)), chain)


def failure(error: Exception, host: str) -> str:
    """A failed handshake with `host` in words for a call record."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS failure: {_chain_words(error)}: certificate of {host}"
    if isinstance(error, ssl.SSLError):
        words = (error.reason or str(error)).replace("_", " ").lower()
        if "certificate required" in words:
            words += ": the far end wants a client certificate"
        return f"TLS failure: {words}"
    return f"TLS failure: {error}"


def _chain_words(error: ssl.SSLCertVerificationError) -> str:
    code = error.verify_code
    if code == _EXPIRED:
        return "expired"
    if code == _NOT_YET_VALID:
        return "not valid yet"
    if code == _REVOKED:
        return "revoked"
    words: str = error.verify_message
    return f"unknown CA ({words})" if code in _UNKNOWN_AUTHORITY else words


def _alternative_names(tls: ssl.SSLObject) -> list[tuple[str, str]]:
    certificate: dict[str, Any] = tls.getpeercert() or {}
    return list(certificate.get("subjectAltName", ()))


def _verified_chain(tls: ssl.SSLObject) -> list[bytes]:
    """The DER of each certificate from the peer's to the authority's. Public from Python 3.13 on."""
    public = getattr(tls, "get_verified_chain", None)
    if public is not None:
        return list(public())
    inner: Any = tls._sslobj  # type: ignore[attr-defined]
    return [certificate.public_bytes(_DER) for certificate in inner.get_verified_chain() or ()]
