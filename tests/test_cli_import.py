"""`byoc-proxy import-twilio` as an operator meets it, against an account on a real port of loopback."""

import asyncio
import base64
import json
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from twilio.rest import Client

from tests.support.twilio import (
    ACCOUNT,
    DOMAIN,
    TOKEN,
    TRUNK,
    FakeTwilio,
    Reply,
    an_account,
    domain,
    refusal,
    served,
    sid,
)
from tests.test_cli import run

pytestmark = pytest.mark.wire

NO_KEY = {"TWILIO_AUTH_TOKEN": "", "TWILIO_API_KEY": "", "TWILIO_API_SECRET": ""}
LISTENERS = 'listeners: [{transport: udp, bind: "203.0.113.5:5060"}]\n'
URL = "https://app.example.test/phones"
SUMMARY = (
    "read 1 trunks, 2 domains, 1 connection policies, 1 address lists with 2 addresses, "
    "1 credential lists with 2 users"
)
PASSWORDS = {
    "BYOC_TOKEN_IMPORTED": TOKEN,
    "BYOC_PASSWORD_SBCS_SBC1": "Long-Password-1",
    "BYOC_PASSWORD_SBCS_SBC_2": "Long-Password-2",
}


async def import_from(
    base: str, directory: Path, *more: str, output: str = "twilio.yaml", **environ: str
) -> subprocess.CompletedProcess[str]:
    arguments = ("--account-sid", ACCOUNT, "--base-domain", "sip.example.test", "--api-base", base, "-o", output)
    key = {**NO_KEY, **(environ or {"TWILIO_AUTH_TOKEN": TOKEN})}
    return await asyncio.to_thread(run, "import-twilio", *arguments, *more, cwd=directory, **key)


async def test_an_import_and_listeners_and_passwords_are_a_configuration(tmp_path: Path) -> None:
    async with served(an_account(page_size=1)) as base:
        done = await import_from(base, tmp_path)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert done.stderr.splitlines() == [
        SUMMARY,
        f"note: domain phones.sip.twilio.com: its own voice_url, {URL}, is not used here; give it a trunk",
        "note: domain phones.sip.twilio.com: SIP registration has no equivalent; phones cannot register here",
        "byoc-proxy: set these in the environment of `run` and `check`; they cannot be read:",
        "  BYOC_TOKEN_IMPORTED: auth token of account imported",
        "  BYOC_PASSWORD_SBCS_SBC1: password of sbc1 in credential list sbcs",
        "  BYOC_PASSWORD_SBCS_SBC_2: password of sbc-2 in credential list sbcs",
    ]
    file = tmp_path / "twilio.yaml"
    text = file.read_text(encoding="utf-8")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert TOKEN not in text
    assert "#   BYOC_TOKEN_IMPORTED: auth token" in text
    assert "#   domain phones.sip.twilio.com: SIP registration" in text
    file.write_text(text + LISTENERS, encoding="utf-8")
    checked = await asyncio.to_thread(run, "check", "twilio.yaml", cwd=tmp_path, **PASSWORDS)
    assert checked.returncode == 0, checked.stderr
    assert f"trunk {TRUNK} Main trunk\n" in checked.stdout
    assert f"domain {DOMAIN} acme\n" in checked.stdout
    missing = await asyncio.to_thread(run, "check", "twilio.yaml", cwd=tmp_path)
    assert missing.returncode == 2
    assert "'BYOC_PASSWORD_SBCS_SBC1'" in missing.stderr


async def test_an_api_key_is_a_key_too(tmp_path: Path) -> None:
    fake = an_account()
    fake.user, fake.secret = f"SK{'0' * 32}", "secret of the key"
    async with served(fake) as base:
        done = await import_from(base, tmp_path, TWILIO_API_KEY=fake.user, TWILIO_API_SECRET=fake.secret)
        refused = await import_from(base, tmp_path, TWILIO_API_KEY=fake.user, TWILIO_API_SECRET="wrong")
    assert done.returncode == 0, done.stderr
    assert refused.stderr.endswith(
        f"401 20003 Authenticate: TWILIO_API_KEY and TWILIO_API_SECRET were not accepted for {fake.user}\n"
    )


CODED = '{"code": 20500, "message": "it is ' + TOKEN + '"}'


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (
            refusal(401, 20003, f"not {TOKEN}"),
            "401 20003 not ***: the account SID and TWILIO_AUTH_TOKEN were not acc",
        ),
        (
            refusal(404, 20404, "The requested resource was not found"),
            "404 20404 The requested resource was not found",
        ),
        (Reply(500, CODED.encode()), "500 20500 it is ***"),
        (Reply(200, b'{"byoc', cut=True), "Response payload is not completed"),
        (Reply(200, b"<html>"), "200, but the answer is not a JSON object"),
        (Reply(302, b"", {"Location": "http://127.0.0.1:9/"}), "302 without a reason"),
    ],
)
async def test_an_answer_that_is_none_is_one_line_and_exit_code_1(reply: Reply, text: str, tmp_path: Path) -> None:
    fake = an_account()
    fake.spoil("/ByocTrunks", reply)
    async with served(fake) as base:
        done = await import_from(base, tmp_path)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"byoc-proxy: GET {base}/v1/ByocTrunks?PageSize=1000: {text}")
    assert not (tmp_path / "twilio.yaml").exists()
    assert_no_secret(done)


def assert_no_secret(done: subprocess.CompletedProcess[str]) -> None:
    basic = base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
    assert not any(secret in done.stdout + done.stderr for secret in (TOKEN, basic, "Traceback"))


async def test_too_many_requests_are_waited_out(tmp_path: Path) -> None:
    fake = an_account()
    fake.spoil("/ByocTrunks", refusal(429, 20429, "Too Many Requests", Retry_After="1"))
    async with served(fake) as base:
        done = await import_from(base, tmp_path)
    assert done.returncode == 0, done.stderr
    assert len([each for each in fake.asked if each.startswith("/v1/ByocTrunks")]) == 2


async def test_a_host_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    done = await import_from("http://127.0.0.1:1", tmp_path)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("byoc-proxy: GET http://127.0.0.1:1/v1/ByocTrunks?PageSize=1000: Cannot connect to host")


async def test_a_next_page_on_another_host_gets_no_key(tmp_path: Path) -> None:
    fake, other = an_account(), an_account()
    async with served(fake) as base, served(other) as elsewhere:
        meta = {"next_page_url": f"{elsewhere}/v1/ByocTrunks?Page=1"}
        fake.spoil("/ByocTrunks", Reply(200, json.dumps({"meta": meta, "byoc_trunks": []}).encode()))
        done = await import_from(base, tmp_path)
    assert done.returncode == 1
    assert "the key was not sent there" in done.stderr
    assert other.asked == []


@pytest.mark.parametrize(
    ("environ", "text"),
    [
        (
            {"TWILIO_AUTH_TOKEN": ""},
            "there is no key in the environment; set TWILIO_AUTH_TOKEN, or TWILIO_API_KEY and",
        ),
        ({"TWILIO_API_KEY": "SK1"}, "TWILIO_API_KEY and TWILIO_API_SECRET belong together, and one of them is not"),
        ({"TWILIO_API_KEY": "a:b", "TWILIO_API_SECRET": "c"}, "TWILIO_API_KEY holds a colon"),
    ],
)
async def test_a_key_that_is_missing_is_told_before_anything_is_sent(
    environ: dict[str, str], text: str, tmp_path: Path
) -> None:
    done = await import_from("http://127.0.0.1:1", tmp_path, **environ)
    assert (done.returncode, done.stderr.splitlines()[1:]) == (1, [])
    assert done.stderr.startswith(f"byoc-proxy: {text}")


@pytest.mark.parametrize(
    ("option", "value", "text"),
    [
        ("--account-sid", "AC1", "no account SID"),
        ("--base-domain", "not a domain", "is not a host name"),
        ("--base-domain", "", "is not a host name"),
    ],
)
async def test_options_that_cannot_be_are_refused(option: str, value: str, text: str, tmp_path: Path) -> None:
    done = await import_from("http://127.0.0.1:1", tmp_path, option, value)
    assert done.returncode == 2
    assert text in " ".join(done.stderr.replace("│", " ").split())


async def test_an_unencrypted_base_elsewhere_gets_no_key(tmp_path: Path) -> None:
    done = await import_from("http://192.0.2.1", tmp_path)
    assert done.returncode == 1
    assert done.stderr == (
        "byoc-proxy: http://192.0.2.1 would send the key unencrypted; use https, or a tunnel to this machine\n"
    )


async def test_what_check_would_refuse_is_written_and_told(tmp_path: Path) -> None:
    fake = an_account()
    fake.put("/SIP/Domains.json", "domains", domain(DOMAIN, "acme", domain_name="acme.elsewhere.example"))
    async with served(fake) as base:
        done = await import_from(base, tmp_path)
    assert done.returncode == 1
    *_, fault, last = done.stderr.splitlines()
    assert fault.startswith("twilio.yaml:")
    assert "'acme.elsewhere.example' must end in .sip.example.test" in fault
    assert last == "byoc-proxy: twilio.yaml was written; correct the 1 problems above in it"
    line = int(fault.split(":")[1])
    assert "acme.elsewhere.example" in (tmp_path / "twilio.yaml").read_text(encoding="utf-8").splitlines()[line - 1]


async def test_an_import_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "twilio.yaml").write_text("mine", encoding="utf-8")
    async with served(an_account()) as base:
        done = await import_from(base, tmp_path)
    assert done.returncode == 1
    assert done.stderr.endswith("twilio.yaml is there already; remove it or write to another one\n")
    assert (tmp_path / "twilio.yaml").read_text(encoding="utf-8") == "mine"


async def test_the_account_of_these_tests_is_one_that_the_official_client_reads() -> None:
    fake = FakeTwilio(page_size=2)
    fake.put("/ByocTrunks", "byoc_trunks", *({"sid": sid("BY", n), "friendly_name": str(n)} for n in range(5)))
    fake.put("/SIP/Domains.json", "domains", *(domain(sid("SD", n), f"d{n}") for n in range(5)))

    def read(base: str) -> tuple[list[Any], list[Any]]:
        client = Client(ACCOUNT, TOKEN)
        client.api.base_url = client.voice.base_url = base
        trunks = [row.sid for row in client.voice.v1.byoc_trunks.list()]
        return trunks, [row.sid for row in client.sip.domains.list()]

    async with served(fake) as base:
        trunks, domains = await asyncio.to_thread(read, base)
    assert trunks == [sid("BY", n) for n in range(5)]
    assert domains == [sid("SD", n) for n in range(5)]
