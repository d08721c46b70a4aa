"""TLS contexts: 1.2 and later, full verification of the peers that we connect to unless told otherwise."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def server_context(certificate: Path | None, private_key: Path | None) -> ssl.SSLContext:
    """For a listener. `OSError` (also `ssl.SSLError`) when the files cannot be used."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificate is not None:
        context.load_cert_chain(certificate, private_key)
    return context


def client_context(
    ca_file: Path | None, verify: bool, certificate: Path | None, private_key: Path | None
) -> ssl.SSLContext:
    """For connections of ours. Without `ca_file` the system's authorities are trusted."""
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if certificate is not None:
        context.load_cert_chain(certificate, private_key)
    return context
