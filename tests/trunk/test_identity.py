"""Who calls: what is believed of an INVITE, and what a carrier is told (RFC 3323, RFC 3325)."""

import pytest

from byoc_proxy.sip.headers import Headers
from byoc_proxy.sip.message import Request
from byoc_proxy.trunk.identity import ANONYMOUS, Identity, IdentityHeader, Party, Presentation
from byoc_proxy.trunk.numbers import NumberFormat

HOST = "acme.sip.example.test"
NUMBER = "+15550100"
PAI = f"<sip:{NUMBER}@{HOST}>"
FROM = ("From", "<sip:+15550100@inside.example>;tag=x")
NOBODY = ("From", '"Anonymous" <sip:anonymous@anonymous.invalid>;tag=x')
VOUCHED = ("P-Asserted-Identity", "<sip:+15550199@inside.example>")
ID = ("Privacy", "id")


def caller(*fields: tuple[str, str], believed: bool = True) -> Identity:
    return Identity.of(Request("INVITE", "sip:x@y", Headers(fields)), believed, NumberFormat())


def told(identity: Identity, header: IdentityHeader = "pai", **settings: str) -> tuple[str, dict[str, str]]:
    presentation = Presentation(HOST, header, **settings)  # type: ignore[arg-type]
    return presentation.from_value(identity), dict(presentation.headers(identity))


ROWS = {
    "a number": (caller(FROM), PAI, {"P-Asserted-Identity": PAI}),
    "a number and another that the network vouches for": (
        caller(FROM, VOUCHED),
        PAI,
        {"P-Asserted-Identity": f"<sip:+15550199@{HOST}>"},
    ),
    "an assertion of somebody whom we do not trust": (
        caller(FROM, VOUCHED, believed=False),
        PAI,
        {"P-Asserted-Identity": PAI},
    ),
    "a withheld number": (caller(FROM, ID), ANONYMOUS, {"P-Asserted-Identity": PAI, "Privacy": "id"}),
    "an anonymous caller whom the network knows": (
        caller(NOBODY, VOUCHED, ID),
        ANONYMOUS,
        {"P-Asserted-Identity": f"<sip:+15550199@{HOST}>", "Privacy": "id"},
    ),
    "an anonymous caller whom the network knows and who forgot to say Privacy": (
        caller(NOBODY, VOUCHED),
        ANONYMOUS,
        {"P-Asserted-Identity": f"<sip:+15550199@{HOST}>", "Privacy": "id"},
    ),
    "an anonymous caller of whom nothing is known": (caller(NOBODY), ANONYMOUS, {}),
    "a caller whose number nobody knows": (
        caller(("From", '"Unavailable" <sip:unavailable@unknown.invalid>;tag=x')),
        ANONYMOUS,
        {},
    ),
    "privacy of several kinds": (
        caller(FROM, ("Privacy", "User; id;critical")),
        ANONYMOUS,
        {"P-Asserted-Identity": PAI, "Privacy": "user;id;critical"},
    ),
    "privacy of the user alone": (
        caller(FROM, ("Privacy", "user")),
        ANONYMOUS,
        {"P-Asserted-Identity": PAI, "Privacy": "user;id"},
    ),
    "explicitly no privacy": (
        caller(FROM, ("Privacy", "none")),
        PAI,
        {"P-Asserted-Identity": PAI, "Privacy": "none"},
    ),
    "privacy of the headers, which we hide anyway": (
        caller(FROM, ("Privacy", "header")),
        PAI,
        {"P-Asserted-Identity": PAI, "Privacy": "header"},
    ),
    "privacy that is no token": (caller(FROM, ("Privacy", "i d;<id>")), PAI, {"P-Asserted-Identity": PAI}),
    "nobody at all": (caller(("From", "<sip:inside.example>;tag=x")), f"<sip:{HOST}>", {}),
    "an assertion by tel": (
        caller(FROM, ("P-Asserted-Identity", '"Ann, Lee" <tel:+15550199>')),
        PAI,
        {"P-Asserted-Identity": f'"Ann, Lee" <sip:+15550199@{HOST}>'},
    ),
    "the first assertion that names somebody": (
        caller(FROM, ("P-Asserted-Identity", "bad, <sip:inside.example>, <sip:+15550199@inside.example>")),
        PAI,
        {"P-Asserted-Identity": f"<sip:+15550199@{HOST}>"},
    ),
    "what the application chose": (
        Identity.of_application("+15550123", caller(FROM, VOUCHED, ID)),
        f"<sip:+15550123@{HOST}>",
        {"P-Asserted-Identity": f"<sip:+15550123@{HOST}>"},
    ),
    "anonymous, as the application chose": (
        Identity.of_application("Anonymous", caller(FROM, VOUCHED)),
        ANONYMOUS,
        {"P-Asserted-Identity": f"<sip:+15550199@{HOST}>", "Privacy": "id"},
    ),
}


@pytest.mark.parametrize(("identity", "from_", "headers"), ROWS.values(), ids=list(ROWS))
def test_a_trusted_carrier_hears_who_calls_and_whether_it_may_tell(
    identity: Identity, from_: str, headers: dict[str, str]
) -> None:
    assert told(identity) == (from_, headers)


@pytest.mark.parametrize("identity", [row[0] for row in ROWS.values()], ids=list(ROWS))
def test_a_carrier_without_an_identity_header_never_learns_a_withheld_number(identity: Identity) -> None:
    from_, headers = told(identity, "none")
    assert set(headers) <= {"Privacy"}
    if identity.withheld:
        assert from_ == ANONYMOUS


def test_remote_party_id_says_whether_it_was_screened_and_whether_it_may_be_shown() -> None:
    assert told(caller(FROM), "rpid")[1] == {"Remote-Party-ID": f"{PAI};party=calling;screen=no;privacy=off"}
    assert told(caller(FROM, VOUCHED, ID), "rpid")[1]["Remote-Party-ID"] == (
        f"<sip:+15550199@{HOST}>;party=calling;screen=yes;privacy=full"
    )


def test_a_carrier_that_wants_the_account_in_from_finds_the_number_in_the_identity_header() -> None:
    from_, headers = told(caller(("From", '"Ann" <sip:+15550100@x>')), "ppi", from_user="acct 42")
    assert from_ == f'"Ann" <sip:acct%2042@{HOST}>'
    assert headers == {"P-Preferred-Identity": f'"Ann" <sip:+15550100@{HOST}>'}


def test_the_account_stays_in_from_when_the_number_is_withheld() -> None:
    from_, headers = told(caller(("From", '"Ann" <sip:+15550100@x>'), ID), from_user="acct42")
    assert from_ == f'"Anonymous" <sip:acct42@{HOST}>'
    assert headers == {"P-Asserted-Identity": f'"Ann" <sip:+15550100@{HOST}>', "Privacy": "id"}


def test_all_numbers_of_a_caller_are_in_the_carriers_format() -> None:
    presentation = Presentation(HOST, "pai", calling=NumberFormat(plus="remove"))
    identity = caller(FROM, VOUCHED)
    assert presentation.from_value(identity) == f"<sip:15550100@{HOST}>"
    assert presentation.headers(identity) == (("P-Asserted-Identity", f"<sip:15550199@{HOST}>"),)
    assert presentation.number(identity) == "15550100"
    assert presentation.number(caller(FROM, ID)) == "anonymous"


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("Ann \u201eA\u201c M\u00fcller \u2603", '"Ann \u201eA\u201c M\u00fcller \u2603" '),
        ('back\\slash "quote"', '"back\\\\slash \\"quote\\"" '),
        ("bytes \udcff\udcfe", '"bytes \udcff\udcfe" '),
        ("line\r\nVia: evil", ""),
        ("", ""),
    ],
)
def test_a_display_name_of_any_bytes_is_quoted_or_left_out(name: str, written: str) -> None:
    assert Party("x", name).address("h") == f"{written}<sip:x@h>"
