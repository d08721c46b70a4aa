"""What docs/api.md shows for the SDKs runs as it stands there, but for the port."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.api_daemon import AUTH_TOKEN, MAIN, api_daemon
from tests.support.programs import installed, run

pytestmark = pytest.mark.wire
ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")


def shown(language: str, base: str) -> str:
    """The lines in a language, with the address of a running API in them."""
    (lines,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(lines).replace("http://127.0.0.1:8080", base)


async def test_the_python_lines_make_a_trunk_and_a_domain(tmp_path: Path) -> None:
    async with api_daemon(tmp_path) as api:
        names: dict[str, Any] = {"account_sid": MAIN, "token": AUTH_TOKEN}
        await asyncio.to_thread(exec, shown("python", api.base), names)
        client = names["client"]
        (domain,) = await asyncio.to_thread(client.sip.domains.list)
        assert domain.byoc_trunk_sid == names["trunk"].sid
        client.http_client.session.close()


async def test_the_node_lines_make_a_trunk(tmp_path: Path) -> None:
    async with api_daemon(tmp_path) as api:
        known = f'const accountSid = "{MAIN}", token = "{AUTH_TOKEN}";'
        head, _, tail = shown("js", api.base).partition("const client")
        script = f"{known}\n{head}(async () => {{ const client{tail}\nconsole.log(trunk.friendlyName); }})();"
        code, said = await run(
            *(tmp_path / "node", "env", f"NODE_PATH={ROOT}/.venv/node/node_modules"),
            *(installed("node", "nodejs"), "-e", script),
        )
    assert (code, said) == (0, "Carrier A\n")
