"""``golem-launcher mcp`` as an assistant's program meets it: the library's own client, over its pipes."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from golem_launcher import paths
from golem_launcher.mcp.tools import FIELDS
from tests.session.conftest import HONEST, command

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.slow
SMALL = {"memory_gib": HONEST, "disk_gib": 0.5}


class Refused(Exception):  # noqa: N818
    """The tool said no; in its words."""


class Assistant:
    def __init__(self, client: Client) -> None:
        self.client = client

    async def __call__(self, tool: str, **arguments: Any) -> dict[str, Any]:
        answer = await self.client.call_tool(tool, arguments)
        text = "".join(part.text for part in answer.content if part.type == "text")
        if answer.is_error:
            raise Refused(text)
        return dict(json.loads(text))


@asynccontextmanager
async def assistant(*caps: str) -> AsyncIterator[Assistant]:
    server = StdioServerParameters(
        command=sys.executable, args=["-m", "golem_launcher.cli", "mcp", *caps], env=dict(os.environ)
    )
    async with Client(stdio_client(server)) as client:
        yield Assistant(client)


async def ready(ask: Assistant, *, budget: int) -> dict[str, Any]:
    """A session of that name, once it is ready."""
    told = await ask("start", name="helped", budget=budget, **SMALL)
    told = await ask("show", name="helped", wait_seconds=90) if told["stage"] != "ready" else told
    assert told["stage"] == "ready"
    return told


def test_an_assistant_works_within_its_users_caps(network: object) -> None:  # noqa: ARG001 - it must be up
    async def first() -> None:
        async with assistant("--budget", "3", "--sessions", "1", "--hours", "1") as ask:
            tools = {tool.name: tool for tool in (await ask.client.list_tools()).tools}
            assert set(tools) == {"offers", "quote", "start", "sessions", "show", "logs", "run", "stop"}
            asked = tools["start"].input_schema["properties"]
            assert set(asked) == set(FIELDS)
            assert asked["memory_gib"]["description"].startswith("Memory, at least.")
            assert (await ask("offers", **SMALL))["best"][0]["provider"].startswith("honest")
            quoted = await ask("quote", **SMALL, budget=2)
            assert quoted["possible"] is True
            assert quoted["left_of_cap"] == "3"

            for more, why in [({"budget": 4}, "3 are left"), ({"hours": 2}, "1 hours at most"), ({"cpus": 0}, "Cores")]:
                with pytest.raises(Refused, match=why):
                    await ask("start", **{"name": "beyond", "budget": 1, **SMALL, **more})
            with pytest.raises(Refused, match="No assistant started"):
                await ask("show", name="beyond")

            told = await ready(ask, budget=2)
            assert "token" not in json.dumps(told).replace("tGLM", "")
            assert await ask("run", name="helped", code="x = 6\nprint('six')\nx * 7") == {
                "status": "ok", "output": "six\n42\n",
            }  # fmt: skip
            wrong = await ask("run", name="helped", code="x / 0")
            assert wrong["status"] == "error"
            assert "ZeroDivisionError" in wrong["output"]
            assert "\x1b" not in wrong["output"]
            assert (await ask("run", name="helped", code="while True: pass", seconds=1))["status"] == "interrupted"
            assert "ready" in (await ask("logs", name="helped"))["events"]
            with pytest.raises(Refused, match="1 session runs, and the user allows 1"):
                await ask("start", name="second", budget=1, **SMALL)

    async def second() -> None:
        async with assistant("--budget", "3", "--sessions", "2") as ask:  # anew: what was set aside still is
            with pytest.raises(Refused, match="1 are left"):
                await ask("start", name="second", budget=2, **SMALL)
            assert (await ask("run", name="helped", code="x"))["status"] == "error", "the kernel is another one"
            command("stop", "helped")  # by the user
            await ready(ask, budget=1)
            assert await ask("run", name="helped", code="1 + 1") == {"status": "ok", "output": "2\n"}
            assert (await ask("stop", name="helped"))["stage"] == "ended"
            account = await ask("sessions")
            assert 0 < float(account["spent"]) < 1
            assert float(account["left_of_cap"]) == pytest.approx(3 - float(account["spent"]))

    asyncio.run(first())
    asyncio.run(second())
    spent = command("mcp", "--spent", "--json")[1]
    assert float(spent["spent"]) > 0
    assert command("mcp", "--forget", "--json")[1]["spent"] == "0"

    async def third() -> None:
        (paths.home() / "mcp" / "local.json").write_text("{")
        async with assistant() as ask:
            with pytest.raises(Refused, match="can't be read"):
                await ask("start", name="second", **SMALL)

    asyncio.run(third())
    (paths.home() / "mcp" / "local.json").unlink()
