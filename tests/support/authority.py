"""A certificate authority of the tests, and the files and contexts that it gives to both sides."""

import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme

from tests.support.daemon import Document
from tests.support.sipp import free_port


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority that both sides may trust, and its file."""

    ca: trustme.CA
    file: Path

    @classmethod
    def made(cls, directory: Path) -> "Authority":
        ca = trustme.CA()
        file = directory / f"ca{sum(1 for _ in directory.glob('ca*.pem'))}.pem"
        ca.cert_pem.write_to_path(file)
        return cls(ca, file)

    def host(self, name: str) -> ssl.SSLContext:
        """The context of a far end that is `name`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert(name).configure_cert(context)
        return context

    def client(self) -> ssl.SSLContext:
        """The context of a far end that trusts this authority."""
        return ssl.create_default_context(cafile=str(self.file))

    def secure(self, document: Document, directory: Path, host: str = "127.0.0.10") -> Document:
        """Give the document a TLS listener for acme.sip.example.test, and trust in this authority."""
        self.certify(directory)
        bind = f"[{host}]:{free_port(host, 't1')}" if ":" in host else f"{host}:{free_port(host, 't1')}"
        document["listeners"].append(
            {"transport": "tls", "bind": bind, "certificate": "cert.pem", "private_key": "key.pem"}
        )
        document["tls_client"] = {"ca_file": str(self.file)}
        return document

    def certify(self, directory: Path) -> None:
        """Write a fresh certificate of the proxy where `secure` says that it is."""
        certificate = self.ca.issue_cert("acme.sip.example.test", "127.0.0.10", "::1")
        certificate.private_key_pem.write_to_path(directory / "key.pem")
        certificate.cert_chain_pems[0].write_to_path(directory / "cert.pem")
