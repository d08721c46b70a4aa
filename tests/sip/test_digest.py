"""Digest as carriers speak it. Answers are computed here anew with hashlib, not with the code under test."""

import hashlib
import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byoc_proxy.sip.digest import Algorithm, Ha1, ha1
from byoc_proxy.sip.digest_client import answer
from byoc_proxy.sip.digest_server import Absent, DigestServer, Passed, Stale, Verdict, Wrong
from byoc_proxy.sip.uri import UriError

REALM = "byoc.example"
SECRET = bytes(range(32))
URI = "sip:+15551230000@trunk.byoc.example"
NOW = 1_700_000_000.25
BOTH = (Algorithm.MD5, Algorithm.SHA_256)
WRONG_LOGIN = "wrong user name or password"


def accounts(username: str) -> Sequence[Ha1]:
    return {
        "sbc1": (Ha1.of("sbc1", REALM, "Corr3ctHorse"),),
        "shared": (Ha1.of("shared", REALM, "First4List"), Ha1.of("shared", REALM, "Second4List")),
        'o"neil\\x': (Ha1.of('o"neil\\x', REALM, "Corr3ctHorse"),),
        "jürgen": (Ha1.of("jürgen", REALM, "Corr3ctHorse"),),
    }.get(username, ())


def judge(
    server: DigestServer,
    *credentials: str,
    wall: float = NOW,
    method: str = "INVITE",
    uri: str = URI,
    allowed: Sequence[Algorithm] = BOTH,
) -> Verdict:
    return server.verify(credentials, method, uri, wall, accounts, allowed)


def nonce_of(challenge: str) -> str:
    found = re.search(r'nonce="([^"]+)"', challenge)
    assert found is not None
    return found[1]


def new_nonce(server: DigestServer, wall: float = NOW) -> str:
    return nonce_of(server.challenges(BOTH, wall)[0])


def hashed(text: str, algorithm: str = "MD5") -> str:
    return hashlib.new({"MD5": "md5", "SHA-256": "sha256"}[algorithm], text.encode()).hexdigest()


def reply(nonce: str, password: str = "Corr3ctHorse", method: str = "INVITE", **fields: str) -> str:
    """Credentials as a carrier sends them; `fields` replace what is signed and sent."""
    f = {"username": "sbc1", "realm": REALM, "uri": URI, "algorithm": "MD5", "nc": "00000001"}
    f |= {"cnonce": "6b8b4567", "qop": "auth", **fields}
    a1 = hashed(f"{f['username']}:{f['realm']}:{password}", f["algorithm"])
    a2 = hashed(f"{method}:{f['uri']}", f["algorithm"])
    response = hashed(f"{a1}:{nonce}:{f['nc']}:{f['cnonce']}:{f['qop']}:{a2}", f["algorithm"])
    return (
        f'Digest username="{f["username"]}", realm="{f["realm"]}", nonce="{nonce}", uri="{f["uri"]}", '
        f'response="{response}", algorithm={f["algorithm"]}, cnonce="{f["cnonce"]}", qop={f["qop"]}, nc={f["nc"]}'
    )


def reply_without_qop(nonce: str) -> str:
    a1, a2 = hashed(f"sbc1:{REALM}:Corr3ctHorse"), hashed(f"INVITE:{URI}")
    response = hashed(f"{a1}:{nonce}:{a2}")
    return f'Digest username="sbc1",realm="{REALM}",nonce="{nonce}",uri="{URI}",response="{response}"'


@pytest.fixture
def server() -> DigestServer:
    return DigestServer(REALM, SECRET)


class TestChallenge:
    def test_one_challenge_for_each_algorithm_in_the_order_of_the_domain(self, server: DigestServer) -> None:
        md5, sha = server.challenges(BOTH, NOW)
        assert re.fullmatch(r'Digest realm="byoc\.example", nonce="[\w-]{36}", algorithm=MD5, qop="auth"', md5)
        assert sha == md5.replace("MD5", "SHA-256")

    def test_a_stale_nonce_is_challenged_with_stale_true(self, server: DigestServer) -> None:
        assert server.challenges((Algorithm.MD5,), NOW, stale=True)[0].endswith(', qop="auth", stale=true')

    def test_two_carriers_challenged_in_the_same_microsecond_get_two_nonces(self, server: DigestServer) -> None:
        assert new_nonce(server) != new_nonce(server)

    def test_quotes_in_the_realm_are_escaped(self) -> None:
        assert r'realm="the \"best\" trunk"' in DigestServer('the "best" trunk', SECRET).challenges(BOTH, NOW)[0]

    def test_a_realm_that_would_break_the_header_is_refused_at_once(self) -> None:
        with pytest.raises(UriError):
            DigestServer("two\r\nlines", SECRET)


class TestRightCredentials:
    @pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
    def test_a_right_answer_passes(self, server: DigestServer, algorithm: str) -> None:
        assert judge(server, reply(new_nonce(server), algorithm=algorithm)) == Passed("sbc1")

    def test_any_node_with_the_same_secret_verifies_the_challenge(self, server: DigestServer) -> None:
        assert judge(DigestServer(REALM, SECRET), reply(new_nonce(server)), wall=NOW + 1) == Passed("sbc1")

    def test_a_sibling_whose_clock_is_behind_verifies_it_too(self, server: DigestServer) -> None:
        assert judge(DigestServer(REALM, SECRET), reply(new_nonce(server)), wall=NOW - 4) == Passed("sbc1")

    def test_sipp_sends_no_space_after_commas(self, server: DigestServer) -> None:
        assert judge(server, reply(new_nonce(server)).replace(", ", ",")) == Passed("sbc1")

    def test_old_peers_quote_algorithm_qop_and_nc(self, server: DigestServer) -> None:
        text = reply(new_nonce(server)).replace("=MD5", '="MD5"').replace("=auth", '="auth"')
        assert judge(server, text.replace("nc=00000001", 'nc="00000001"')) == Passed("sbc1")

    def test_names_and_scheme_are_case_insensitive_and_hex_may_be_upper_case(self, server: DigestServer) -> None:
        text = reply(new_nonce(server))
        response = re.search('response="(.*?)"', text)
        assert response is not None
        text = text.replace(response[1], response[1].upper()).replace("Digest username", "DIGEST  UserName")
        assert judge(server, text.replace("=MD5", "=md5")) == Passed("sbc1")

    def test_spaces_around_equals_and_stray_commas_are_read(self, server: DigestServer) -> None:
        text = reply(new_nonce(server)).replace("realm=", "realm = ").replace(", uri", " ,, uri") + " , "
        assert judge(server, text) == Passed("sbc1")

    def test_commas_inside_quotes_do_not_split(self, server: DigestServer) -> None:
        assert judge(server, reply(new_nonce(server), cnonce="a, b=c")) == Passed("sbc1")

    def test_a_missing_algorithm_means_md5(self, server: DigestServer) -> None:
        assert judge(server, reply(new_nonce(server)).replace(" algorithm=MD5,", "")) == Passed("sbc1")

    def test_an_escaped_user_name_is_unescaped(self, server: DigestServer) -> None:
        text = reply(new_nonce(server), username='o"neil\\x')
        assert judge(server, text.replace('o"neil\\x', r"o\"neil\\x")) == Passed('o"neil\\x')

    def test_a_user_name_in_utf_8_passes(self, server: DigestServer) -> None:
        assert judge(server, reply(new_nonce(server), username="jürgen")) == Passed("jürgen")

    @pytest.mark.parametrize("password", ["First4List", "Second4List"])
    def test_any_credential_of_several_lists_passes(self, server: DigestServer, password: str) -> None:
        assert judge(server, reply(new_nonce(server), password, username="shared")) == Passed("shared")

    def test_an_equal_uri_in_other_spelling_passes(self, server: DigestServer) -> None:
        text = reply(new_nonce(server), uri="sip:+15551230000@TRUNK.byoc.example")
        assert judge(server, text) == Passed("sbc1")

    def test_sipp_signs_host_and_port_without_the_user_part(self, server: DigestServer) -> None:
        nonce = new_nonce(server)
        assert judge(server, reply(nonce, uri="sip:trunk.byoc.example:5060")) == Passed("sbc1")

    def test_credentials_for_another_realm_beside_ours_are_passed_over(self, server: DigestServer) -> None:
        foreign = reply("abc", realm="other.example")
        assert judge(server, "Bearer xyz", foreign, reply(new_nonce(server))) == Passed("sbc1")

    def test_a_peer_that_answers_both_challenges_passes_by_the_right_one(self, server: DigestServer) -> None:
        nonce = new_nonce(server)
        bad = reply(nonce, "Wrong4Password")
        assert judge(server, bad, reply(nonce, algorithm="SHA-256")) == Passed("sbc1")


class TestNoCredentials:
    def test_a_request_without_credentials_is_challenged(self, server: DigestServer) -> None:
        assert judge(server) == Absent()

    def test_an_unknown_scheme_counts_as_no_credentials(self, server: DigestServer) -> None:
        # RFC 4475 §3.3.10 regaut01
        assert isinstance(judge(server, "NoOneKnowsThisScheme opaque-data=here"), Absent)

    @pytest.mark.parametrize("value", ["", "   ", "Digest", "Digestive username=x"])
    def test_a_value_without_digest_parameters_counts_as_none(self, server: DigestServer, value: str) -> None:
        assert isinstance(judge(server, value), Absent)

    def test_credentials_of_another_realm_count_as_none_and_are_named(self, server: DigestServer) -> None:
        assert judge(server, reply(new_nonce(server), realm="other.example")) == Absent(
            "credentials are for realm 'other.example'"
        )

    def test_a_flood_of_credentials_is_not_searched_for_the_right_one(self, server: DigestServer) -> None:
        flood = ["Bearer x"] * 8
        assert isinstance(judge(server, *flood, reply(new_nonce(server))), Absent)


class TestWrongCredentials:
    def test_a_wrong_password_and_an_unknown_user_get_the_same_words(self, server: DigestServer) -> None:
        nonce = new_nonce(server)
        assert judge(server, reply(nonce, "Wrong4Password")) == Wrong(WRONG_LOGIN, "sbc1")
        assert judge(server, reply(nonce, username="nobody")) == Wrong(WRONG_LOGIN, "nobody")

    def test_the_dummy_account_of_unknown_users_has_no_password(self, server: DigestServer) -> None:
        nonce, zeros = new_nonce(server), "0" * 32
        response = hashed(f"{zeros}:{nonce}:00000001:6b8b4567:auth:{hashed(f'INVITE:{URI}')}")
        forged = re.sub('response=".*?"', f'response="{response}"', reply(nonce, username="nobody"))
        assert judge(server, forged) == Wrong(WRONG_LOGIN, "nobody")

    def test_the_right_response_under_another_user_name_is_refused(self, server: DigestServer) -> None:
        text = reply(new_nonce(server)).replace('"sbc1"', '"shared"')
        assert judge(server, text) == Wrong(WRONG_LOGIN, "shared")

    def test_a_response_for_another_method_is_refused(self, server: DigestServer) -> None:
        assert judge(server, reply(new_nonce(server), method="BYE")) == Wrong(WRONG_LOGIN, "sbc1")

    @pytest.mark.parametrize(
        ("old", "new"),
        [('cnonce="6b8b4567"', 'cnonce="6b8b4568"'), ("nc=00000001", "nc=00000002"), ("0", "1")],
        ids=["cnonce", "nc", "nonce"],
    )
    def test_a_changed_field_spoils_the_response(self, server: DigestServer, old: str, new: str) -> None:
        assert judge(server, reply(new_nonce(server)).replace(old, new, 1)) == Wrong(WRONG_LOGIN, "sbc1")

    @pytest.mark.parametrize(
        "uri", ["sip:+15559999999@trunk.byoc.example", "sip:other.example", "sip:+15551230000@other.example"]
    )
    def test_a_uri_other_than_that_of_the_request_is_refused(self, server: DigestServer, uri: str) -> None:
        verdict = judge(server, reply(new_nonce(server), uri=uri))
        assert isinstance(verdict, Wrong)
        assert "uri" in verdict.reason

    def test_a_uri_that_is_none_is_refused(self, server: DigestServer) -> None:
        assert isinstance(judge(server, reply(new_nonce(server), uri="/dir/index.html")), Wrong)

    @pytest.mark.parametrize("qop", ["auth-int", "none", ""])
    def test_a_qop_that_was_not_offered_is_refused(self, server: DigestServer, qop: str) -> None:
        text = reply(new_nonce(server)).replace("qop=auth", f'qop="{qop}"')
        assert judge(server, text) == Wrong(f"qop {qop!r} is not offered")

    @pytest.mark.parametrize("nc", ["0000000g", "123456789", "-1", "0x1"])
    def test_a_nonce_count_that_is_no_number_is_refused(self, server: DigestServer, nc: str) -> None:
        verdict = judge(server, reply(new_nonce(server), nc=nc))
        assert isinstance(verdict, Wrong)
        assert "nonce count" in verdict.reason

    def test_a_domain_that_allows_sha_256_alone_refuses_md5(self, server: DigestServer) -> None:
        verdict = judge(server, reply(new_nonce(server)), allowed=(Algorithm.SHA_256,))
        assert verdict == Wrong("algorithm MD5 is not allowed")

    @pytest.mark.parametrize("name", ["MD5-sess", "SHA-512-256", "rot13"])
    def test_an_algorithm_that_nobody_offered_is_refused(self, server: DigestServer, name: str) -> None:
        text = reply(new_nonce(server)).replace("algorithm=MD5", f"algorithm={name}")
        assert judge(server, text) == Wrong(f"algorithm {name!r} is not known here")

    @pytest.mark.parametrize("field", ["username", "nonce", "uri", "response", "cnonce", "nc"])
    def test_a_missing_field_is_named(self, server: DigestServer, field: str) -> None:
        text = re.sub(rf'\b{field}=("[^"]*"|\w+)(, )?', "", reply(new_nonce(server)))
        assert judge(server, text) == Wrong(f"parameter '{field}' is missing")

    def test_a_field_that_stands_twice_is_refused(self, server: DigestServer) -> None:
        text = reply(new_nonce(server)) + ', username="shared"'
        assert judge(server, text) == Wrong("parameter 'username' stands twice")

    @pytest.mark.parametrize("junk", ['Digest username="x', "Digest =x", "Digest username", 'Digest a="b"c'])
    def test_unreadable_credentials_are_refused_in_words(self, server: DigestServer, junk: str) -> None:
        text = f'{junk}, realm="{REALM}"' if junk.endswith("x") and "username" in junk else junk
        verdict = judge(server, text)
        assert isinstance(verdict, Wrong)
        assert verdict.reason.startswith("unreadable parameter")

    def test_a_response_that_is_not_ascii_is_just_wrong(self, server: DigestServer) -> None:
        text = re.sub('response=".*?"', 'response="é\udcff"', reply(new_nonce(server)))
        assert judge(server, text) == Wrong(WRONG_LOGIN, "sbc1")


class TestNonceLife:
    def test_a_right_answer_to_an_expired_nonce_is_stale(self, server: DigestServer) -> None:
        nonce = new_nonce(server)
        assert judge(server, reply(nonce), wall=NOW + 60.5) == Stale("sbc1")

    def test_a_wrong_answer_to_an_expired_nonce_is_wrong(self, server: DigestServer) -> None:
        verdict = judge(server, reply(new_nonce(server), "Wrong4Password"), wall=NOW + 61)
        assert verdict == Wrong(WRONG_LOGIN, "sbc1")

    def test_the_nonce_lives_as_long_as_it_is_told(self) -> None:
        short = DigestServer(REALM, SECRET, nonce_lifetime=5.0)
        assert judge(short, reply(new_nonce(short)), wall=NOW + 4.9) == Passed("sbc1")
        assert judge(short, reply(new_nonce(short)), wall=NOW + 5.1) == Stale("sbc1")

    @pytest.mark.parametrize(("secret", "realm"), [(b"x" * 32, REALM), (SECRET, "old.example")])
    def test_a_nonce_sealed_by_another_secret_or_for_another_realm_never_passes(
        self, server: DigestServer, secret: bytes, realm: str
    ) -> None:
        # the password is known, only the nonce is not: after a restart the carrier need not fail its call
        assert judge(server, reply(new_nonce(DigestServer(realm, secret)))) == Stale("sbc1")

    @pytest.mark.parametrize("nonce", ["", "abc", "0" * 36, "é" * 52])
    def test_an_invented_nonce_never_passes(self, server: DigestServer, nonce: str) -> None:
        assert judge(server, reply(nonce)) == Stale("sbc1")

    def test_a_nonce_from_a_clock_far_ahead_does_not_live_longer(self, server: DigestServer) -> None:
        assert judge(server, reply(new_nonce(server, NOW + 3600))) == Stale("sbc1")


class TestReplay:
    def test_the_same_credentials_do_not_pass_twice(self, server: DigestServer) -> None:
        text = reply(new_nonce(server))
        assert judge(server, text) == Passed("sbc1")
        assert judge(server, text) == Wrong("nonce count replayed", "sbc1")

    def test_a_rising_nonce_count_passes_and_a_falling_one_does_not(self, server: DigestServer) -> None:
        nonce = new_nonce(server)
        counts = ["00000001", "00000002", "0000000a", "00000009", "0000000b"]
        passed = [isinstance(judge(server, reply(nonce, nc=nc)), Passed) for nc in counts]
        assert passed == [True, True, True, False, True]

    def test_a_nonce_count_of_zero_is_refused(self, server: DigestServer) -> None:
        assert judge(server, reply(new_nonce(server), nc="00000000")) == Wrong("nonce count replayed", "sbc1")

    def test_wrong_answers_use_up_no_nonce_count(self, server: DigestServer) -> None:
        nonce = new_nonce(server)
        assert isinstance(judge(server, reply(nonce, "Wrong4Password", nc="000000ff")), Wrong)
        assert judge(server, reply(nonce)) == Passed("sbc1")

    def test_a_peer_without_qop_may_use_a_nonce_once(self, server: DigestServer) -> None:
        text = reply_without_qop(new_nonce(server))
        assert judge(server, text) == Passed("sbc1")
        assert judge(server, text) == Wrong("nonce count replayed", "sbc1")

    def test_a_nonce_used_without_qop_is_used_up_for_answers_with_qop(self, server: DigestServer) -> None:
        nonce = new_nonce(server)
        judge(server, reply_without_qop(nonce))
        assert isinstance(judge(server, reply(nonce, nc="ffffffff")), Wrong)

    def test_a_nonce_used_with_qop_is_used_up_for_answers_without(self, server: DigestServer) -> None:
        nonce = new_nonce(server)
        judge(server, reply(nonce))
        assert isinstance(judge(server, reply_without_qop(nonce)), Wrong)

    @given(st.lists(st.floats(0.0, 50.0), min_size=1, max_size=30))
    def test_no_credentials_pass_twice_however_the_clock_runs(self, steps: list[float]) -> None:
        server, wall = DigestServer(REALM, SECRET), NOW
        used: list[str] = []
        for step in steps:
            wall += step
            used.append(reply(new_nonce(server, wall)))
            assert judge(server, used[-1], wall=wall) == Passed("sbc1")
            assert not any(isinstance(judge(server, text, wall=wall), Passed) for text in used)

    def test_forgotten_nonces_take_no_memory(self, server: DigestServer) -> None:
        for second in range(1000):
            judge(server, reply(new_nonce(server, NOW + second)), wall=NOW + second)
        assert len(server._seen) + len(server._earlier) <= 130


class TestAnswer:
    MUFASA = ("GET", "/dir/index.html", "Mufasa", "Circle of Life")
    RFC_7616 = (
        'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=%s, '
        'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", '
        'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
    )
    CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    RESPONSES = {
        "MD5": "8ca523f5e9506fed4657c9700eebdbec",
        "SHA-256": "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
    }

    @pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
    def test_the_vectors_of_rfc_7616_hold(self, algorithm: str) -> None:
        assert answer([self.RFC_7616 % algorithm], *self.MUFASA, self.CNONCE) == (
            'Digest username="Mufasa", realm="http-auth@example.org", '
            'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", uri="/dir/index.html", '
            f'response="{self.RESPONSES[algorithm]}", algorithm={algorithm}, cnonce="{self.CNONCE}", '
            'qop=auth, nc=00000001, opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
        )

    @pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
    def test_the_vectors_of_rfc_7616_verify_but_for_the_foreign_nonce(self, algorithm: str) -> None:
        text = answer([self.RFC_7616 % algorithm], *self.MUFASA, self.CNONCE)
        server = DigestServer("http-auth@example.org", SECRET)
        account = Ha1.of("Mufasa", "http-auth@example.org", "Circle of Life")
        verdict = server.verify([text or ""], "GET", "/dir/index.html", NOW, lambda _: [account], BOTH)
        assert verdict == Stale("Mufasa")

    def test_a_challenge_without_qop_is_answered_in_the_old_way(self) -> None:
        # the example of RFC 2069 as corrected by its erratum
        challenge = 'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"'
        text = answer([challenge], "GET", "/dir/index.html", "Mufasa", "CircleOfLife", "unused")
        assert text == (
            'Digest username="Mufasa", realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", '
            'uri="/dir/index.html", response="1949323746fe6a43ef61f9606e7febea"'
        )

    def test_the_strongest_challenge_is_answered_wherever_it_stands(self) -> None:
        offers = [self.RFC_7616 % name for name in ("MD5", "SHA-256", "SHA-512-256")]
        for challenges in (offers, offers[::-1]):
            text = answer(challenges, *self.MUFASA, self.CNONCE)
            assert text is not None
            assert "algorithm=SHA-256," in text

    @pytest.mark.parametrize(
        "challenge",
        [
            "",
            "Basic realm=x",
            'Digest realm="x"',
            'Digest nonce="x"',
            'Digest realm="x", nonce="y", qop="auth-int"',
            'Digest realm="x", nonce="y", algorithm=SHA-512-256',
            'Digest realm="x", nonce="y", algorithm=MD5-sess',
            'Digest realm="x, nonce="y"',
            'Digest realm="\x00", nonce="y"',
        ],
    )
    def test_what_cannot_be_answered_is_not_answered(self, challenge: str) -> None:
        assert answer([challenge], "INVITE", URI, "sbc1", "pw", "c") is None

    def test_no_challenge_has_no_answer(self) -> None:
        assert answer([], "INVITE", URI, "sbc1", "pw", "c") is None

    def test_an_unreadable_challenge_does_not_spoil_the_next(self) -> None:
        text = answer(["Digest ,=", 'Digest realm="x",nonce="a=b=="'], "INVITE", URI, "sbc1", "pw", "c")
        assert text is not None
        assert 'nonce="a=b=="' in text

    @given(
        st.text(st.characters(exclude_categories=["Cs", "Cc"])),
        st.text(st.characters(exclude_categories=["Cs", "Cc"])),
        st.sampled_from(Algorithm),
    )
    def test_whatever_user_and_password_our_answer_passes_our_own_server(
        self, username: str, password: str, algorithm: Algorithm
    ) -> None:
        server = DigestServer(REALM, SECRET)
        text = answer(server.challenges([algorithm], NOW), "INVITE", URI, username, password, "c0ffee")
        account = Ha1.of(username, REALM, password)
        verdict = server.verify([text or ""], "INVITE", URI, NOW, lambda _: [account], [algorithm])
        assert verdict == Passed(username)


def test_ha1_is_the_hash_of_user_realm_and_password() -> None:
    assert ha1("a", "b", "c", Algorithm.MD5) == hashed("a:b:c")
    assert ha1("a", "b", "c", Algorithm.SHA_256) == hashed("a:b:c", "SHA-256")


def test_an_ha1_does_not_show_itself_in_a_log() -> None:
    account = Ha1.of("sbc1", REALM, "Corr3ctHorse")
    assert account.md5 not in repr(account)


WIRE_TEXT = st.binary(max_size=200).map(lambda raw: raw.decode("utf-8", "surrogateescape"))


@given(st.one_of(WIRE_TEXT, WIRE_TEXT.map(lambda text: f'Digest realm="{REALM}",{text}'), st.text()))
def test_no_header_text_raises(text: str) -> None:
    assert not isinstance(judge(DigestServer(REALM, SECRET), text), Passed)
    assert answer([text], "INVITE", URI, "sbc1", "pw", "c") is None or "nonce" in text.lower()


def test_hostile_quoting_costs_linear_time() -> None:
    text = f'Digest realm="{REALM}", username="' + '\\"' * 50_000
    verdict = judge(DigestServer(REALM, SECRET), text)
    assert isinstance(verdict, Wrong)
    assert len(verdict.reason) < 100
