"""The kinds of values that a configuration field may hold, each saying what is wrong and what would be right.

Text is refused when it holds a control character: most of it can reach a SIP or HTTP header.
"""

from __future__ import annotations

import hashlib
import re
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, SecretStr, ValidationInfo

from byoc_proxy.sip.uri import SipUri, UriError, bracketed
from byoc_proxy.trunk.checks import target_fault
from byoc_proxy.trunk.handler_checks import bin_name_fault, bin_url_fault
from byoc_proxy.trunk.model import PYTHON, TWIML
from byoc_proxy.trunk.networks import AddressError, read_address, read_network
from byoc_proxy.trunk.origination import read_target
from byoc_proxy.trunk.relaying import pattern_fault

if TYPE_CHECKING:
    from collections.abc import Callable

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_HOST_PORT: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\s:\[\]/]+))(?::(\d{1,5}))?")
_PORT_RANGE: Final = re.compile(r"(\d{1,5})-(\d{1,5})")
_HOST_NAME: Final = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_REGION_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_CERTIFICATE: Final = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_SHORTEST_SECRET: Final = 16
_DIGITS: Final = re.compile(r"[0-9*#]*")
_PREFIX: Final = re.compile(r"\+?[0-9*#]*")
_FUNCTION: Final = re.compile(r"python:[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)
_SERVER: Final = re.compile(r"postgres(?:ql)?://.*/.+")
_COUNTRY_CODE: Final = re.compile(r"[1-9][0-9]{0,2}")


class HostPort(NamedTuple):
    """A host, IPv6 without brackets, and a port when one was written."""

    host: str
    port: int | None

    def __str__(self) -> str:
        host = bracketed(self.host)
        return host if self.port is None else f"{host}:{self.port}"


class PortRange(NamedTuple):
    """UDP ports, both ends included."""

    first: int
    last: int


def _plain(text: str) -> str:
    if _CONTROL.search(text):
        raise ValueError("holds a line break or another control character; write one plain line")
    return text


def _plain_secret(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if not text:
        raise ValueError("is empty; a secret is needed")
    _plain(text)
    return secret


def _long_secret(secret: SecretStr) -> SecretStr:
    if len(secret.get_secret_value()) < _SHORTEST_SECRET:
        raise ValueError(f"is too short; use {_SHORTEST_SECRET} random characters or more")
    return secret


def _number(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("must be a number, not yes or no")
    return value


def _not_empty(value: Any) -> Any:
    if value == []:
        raise ValueError("is empty; at least one is needed")
    return value


def _as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _web_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or " " in text:
        raise ValueError("is not a web address; write https://host/path")
    return text


def _handler(text: str) -> str:
    if not text.startswith(TWIML):
        return _web_url(text)
    fault = bin_url_fault(text)
    if fault is not None:
        raise ValueError(fault)
    return text


def _handler_or_function(text: str) -> str:
    if not text.startswith(PYTHON):
        return _handler(text)
    if not _FUNCTION.fullmatch(text):
        raise ValueError("names no function; write python:package.module:function")
    return text


def _bin_name(text: str) -> str:
    fault = bin_name_fault(text)
    if fault is not None:
        raise ValueError(fault)
    return text


def host_name(text: str) -> str:
    """A host name in lower case and without its last dot; `ValueError` when it is none."""
    name = text.lower().rstrip(".")
    if not _HOST_NAME.fullmatch(name) or len(name) > 253 or name.replace(".", "").isdigit():
        raise ValueError(f"{text!r} is not a host name; use letters, digits, dashes and dots")
    return name


def _region_name(text: str) -> str:
    if not _REGION_NAME.fullmatch(text):
        raise ValueError(f"{text!r} cannot stand in a host name; use lower-case letters, digits and dashes")
    return text


def _address(text: str) -> str:
    try:
        return read_address(text)
    except AddressError as error:
        raise ValueError(f"{error}; write 203.0.113.5 or 2001:db8::5") from None


def _host_port(value: Any) -> HostPort:
    match = _HOST_PORT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("is not an address; write host, host:port or, in quotes, '[::1]:5060'")
    in_brackets, host, port = match.groups()
    number = int(port) if port is not None else None
    if number is not None and number > 65535:
        raise ValueError(f"port {number} is out of range; use 0 to 65535")
    if in_brackets is not None:
        return HostPort(_address(in_brackets), number)
    return HostPort(_address(host) if host.replace(".", "").isdigit() else host_name(host), number)


def _bind_address(value: Any) -> HostPort:
    found = _host_port(value)
    try:
        read_address(found.host)
    except AddressError:
        raise ValueError(f"{found.host} is a name; bind to an address such as 0.0.0.0:5060") from None
    if found.port is None:
        raise ValueError(f"has no port; write {found}:5060")
    return found


def _name_server(value: Any) -> str:
    found = _host_port(value)
    _address(found.host)
    return str(found)


def _port_range(value: Any) -> PortRange:
    match = _PORT_RANGE.fullmatch(value) if isinstance(value, str) else None
    if match is None or not 0 < int(match[1]) <= int(match[2]) <= 65535:
        raise ValueError("is no range of ports; write '10000-60000'")
    return PortRange(int(match[1]), int(match[2]))


def _target(value: Any) -> SipUri:
    if not isinstance(value, str):
        raise ValueError("must be text; write sip:gateway.carrier.example")
    _plain(value)
    try:
        uri = read_target(value)
    except UriError as error:
        raise ValueError(f"{error}; write sip:gateway.carrier.example") from None
    fault = target_fault(uri)
    if fault is not None:
        raise ValueError(fault)
    return uri


def _cidr(text: str) -> str:
    try:
        read_network(text)
    except AddressError as error:
        raise ValueError(f"{error}; list the addresses that packets come from, not a host name") from None
    return text


def _own_range(text: str) -> str:
    try:
        return read_network(text).cidr
    except AddressError as error:
        raise ValueError(f"{error}; write 203.0.113.64/26") from None


def _file_name(value: Any, info: ValidationInfo) -> Any:
    """Relative names start at the directory that the validation was given."""
    if not isinstance(value, str) or not value:
        raise ValueError("is not a file name; write one in quotes")
    directory: Path = info.context["directory"] if info.context is not None else Path()
    return directory / _plain(value)


def _database_url(text: str, info: ValidationInfo) -> str:
    """As written, or a file's with its whole path."""
    if _SERVER.match(text):
        return text
    name = text.removeprefix("sqlite:///")
    if name == text or not name or name.startswith(":"):
        raise ValueError("is no database; write sqlite:///byoc-proxy.db or postgresql://user:password@host/name")
    return f"sqlite:///{_file_name(name, info)}"


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    return path


def _header_pattern(text: str) -> str:
    fault = pattern_fault(text)
    if fault is not None:
        raise ValueError(fault)
    return text


def _matching(pattern: re.Pattern[str], advice: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(f"{text!r} {advice}")
        return text

    return check


def fingerprints(path: Path) -> frozenset[str]:
    """SHA-256 of each certificate in a PEM file, as hex digits; `ValueError` when it cannot be read or has none."""
    try:
        found = _CERTIFICATE.findall(path.read_text(encoding="ascii", errors="replace"))
        return frozenset(hashlib.sha256(ssl.PEM_cert_to_DER_cert(each)).hexdigest() for each in found)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error


def _authorities(path: Path) -> Path:
    if not fingerprints(path):
        raise ValueError(f"{path} holds no certificate; give a PEM file of authorities")
    return path


def _user_name(text: str) -> str:
    # RFC 7616 §3.4.2: HA1 is over user:realm:password, so a colon would move the borders
    if not text or ":" in text or '"' in text or "\\" in text:
        raise ValueError("is empty or holds a colon, quote or backslash; use letters, digits and dashes")
    return text


def _sid(prefix: str) -> Callable[[str], str]:

    def check(text: str) -> str:
        if not re.fullmatch(f"{prefix}[0-9a-f]{{32}}", text):
            raise ValueError(f"is not a SID of this kind; write {prefix} and 32 lower-case hex digits")
        return text

    return check


def _hex_digest(digits: int) -> Callable[[SecretStr], SecretStr]:
    def check(secret: SecretStr) -> SecretStr:
        if not re.fullmatch(f"[0-9a-f]{{{digits}}}", secret.get_secret_value()):
            raise ValueError(f"is not an HA1; write its {digits} lower-case hex digits")
        return secret

    return check


Text = Annotated[str, AfterValidator(_plain)]
AccountSid = Annotated[Text, AfterValidator(_sid("AC"))]
TrunkSid = Annotated[Text, AfterValidator(_sid("BY"))]
DomainSid = Annotated[Text, AfterValidator(_sid("SD"))]
AccessControlListSid = Annotated[Text, AfterValidator(_sid("AL"))]
CredentialListSid = Annotated[Text, AfterValidator(_sid("CL"))]
PolicySid = Annotated[Text, AfterValidator(_sid("NY"))]
AddressSid = Annotated[Text, AfterValidator(_sid("IP"))]
CredentialSid = Annotated[Text, AfterValidator(_sid("CR"))]
TargetSid = Annotated[Text, AfterValidator(_sid("NE"))]
ApplicationSid = Annotated[Text, AfterValidator(_sid("AP"))]
TwimlBinSid = Annotated[Text, AfterValidator(_sid("EH"))]
Text255 = Annotated[str, Field(max_length=255), AfterValidator(_plain)]
Text64 = Annotated[str, Field(max_length=64), AfterValidator(_plain)]
SipUser = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_plain)]
AccountName = Annotated[str, Field(max_length=255), AfterValidator(_plain), AfterValidator(_user_name)]
UserName = Annotated[str, Field(max_length=32), AfterValidator(_plain), AfterValidator(_user_name)]
Secret = Annotated[SecretStr, AfterValidator(_plain_secret)]
LongSecret = Annotated[Secret, AfterValidator(_long_secret)]
Ha1Md5 = Annotated[SecretStr, AfterValidator(_hex_digest(32))]
Ha1Sha256 = Annotated[SecretStr, AfterValidator(_hex_digest(64))]
Count = Annotated[int, BeforeValidator(_number)]
Port = Annotated[Count, Field(ge=1, le=65535)]
Ports = Annotated[PortRange, PlainValidator(_port_range)]
Seconds = Annotated[float, BeforeValidator(_number), Field(gt=0, allow_inf_nan=False)]
WebUrl = Annotated[Text, AfterValidator(_web_url)]
HandlerUrl = Annotated[Text, AfterValidator(_handler)]  # or a TwiML bin
TrunkHandlerUrl = Annotated[Text, AfterValidator(_handler_or_function)]
BinName = Annotated[Text, AfterValidator(_bin_name)]
HeaderPattern = Annotated[Text, AfterValidator(_header_pattern)]
Digits = Annotated[
    Text64, BeforeValidator(_as_text), AfterValidator(_matching(_DIGITS, "may hold digits, * and # only"))
]
DialPrefix = Annotated[
    Text64, BeforeValidator(_as_text), AfterValidator(_matching(_PREFIX, "may hold digits, *, # and a + in front"))
]
CountryCode = Annotated[
    Text64, BeforeValidator(_as_text), AfterValidator(_matching(_COUNTRY_CODE, "is no country code; write '44'"))
]
HostName = Annotated[Text, AfterValidator(host_name)]
RegionName = Annotated[Text, AfterValidator(_region_name)]
Address = Annotated[Text, AfterValidator(_address)]
BindAddress = Annotated[HostPort, PlainValidator(_bind_address)]
HeaderHost = Annotated[str, PlainValidator(lambda value: str(_host_port(value)))]  # as it stands in From or To
AdvertisedAddress = Annotated[HostPort, PlainValidator(_host_port)]
NameServer = Annotated[str, PlainValidator(_name_server)]
Target = Annotated[SipUri, PlainValidator(_target)]
NotEmpty = BeforeValidator(_not_empty)  # pydantic's min_length counts the valid items only
NumberAsText = BeforeValidator(_as_text)
Cidr = Annotated[Text, AfterValidator(_cidr)]
OwnRange = Annotated[Text, AfterValidator(_own_range)]
FileName = Annotated[Path, BeforeValidator(_file_name)]
DatabaseUrl = Annotated[Text, AfterValidator(_database_url)]
ExistingFile = Annotated[FileName, AfterValidator(_existing)]
AuthorityFile = Annotated[ExistingFile, AfterValidator(_authorities)]
