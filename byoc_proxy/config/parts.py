"""What stands inside of entries, as parts of records: the small print of `config.resources`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from byoc_proxy.config.fields import fingerprints
from byoc_proxy.sip.digest_client import Credentials
from byoc_proxy.sip.flow import TlsTerms
from byoc_proxy.trunk.model import ClientCertificates, HealthRules
from byoc_proxy.trunk.numbers import NumberFormat, NumberFormats

if TYPE_CHECKING:
    from byoc_proxy.config.schema import (
        ClientCertificatesSection,
        CredentialsSection,
        HealthRulesSection,
        InboundNumbersSection,
        NumberFormatSection,
        OutboundNumbersSection,
        TargetTlsSection,
    )


def numbers(section: InboundNumbersSection | OutboundNumbersSection) -> NumberFormats:
    return NumberFormats(_number_format(section.called), _number_format(section.calling))


def _number_format(section: NumberFormatSection) -> NumberFormat:
    return NumberFormat(**{**section.model_dump(), "national_prefix": section.national_prefix or ""})


def carrier_credentials(section: CredentialsSection | None) -> Credentials | None:
    if section is None:
        return None
    return Credentials(section.username, section.password.get_secret_value(), section.realm)


def health(*sections: HealthRulesSection) -> HealthRules:
    """The rules of the last section that has each key, else the default."""
    written: dict[str, Any] = {}
    for section in sections:
        written |= section.model_dump(exclude_none=True)
    return HealthRules(**written)


def client_certificates(section: ClientCertificatesSection | None) -> ClientCertificates | None:
    if section is None:
        return None
    return ClientCertificates(str(section.ca_file), fingerprints(section.ca_file), section.names)


def terms(section: TargetTlsSection | None) -> TlsTerms | None:
    if section is None:
        return None
    files = (section.ca_file, section.certificate, section.private_key)
    return TlsTerms(section.verify or "", (section.name or "").lower(), *(str(file or "") for file in files))


def is_weak(password: str) -> bool:
    mixed_case = password != password.lower() and password != password.upper()
    return len(password) < 12 or not mixed_case or not any(char.isdigit() for char in password)
