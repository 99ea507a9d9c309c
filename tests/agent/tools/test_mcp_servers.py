"""Real MCP servers, a program and one on HTTP, and everything that can go wrong with them."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import traceback
from pathlib import Path
from typing import Any

import psutil
import pytest
import uvicorn
from mcp.server.mcpserver import MCPServer

from tests.support.waiting import GUARD
from voicebot.agent.agent import Agent
from voicebot.agent.thinking.generation import Generation
from voicebot.agent.tools import mcp_servers
from voicebot.agent.tools.function_tools import ToolResult
from voicebot.agent.tools.mcp_servers import McpServers
from voicebot.errors import VoicebotError, one_line
from voicebot.llm.lines import ScriptedCall
from voicebot.persona import create_persona
from voicebot.testing.models import ScriptedLLM

SERVER = """
import os
from mcp.server.mcpserver import MCPServer

server = MCPServer("harbours")

@server.tool()
def tide(harbour: str) -> str:
    '''The tide in a harbour.'''
    return f"low tide in {harbour}, says {os.environ.get('WHO')} {os.environ.get('OPENAI_API_KEY')}"

@server.tool("logs/read.all")
def read() -> str:
    '''A name that not every API takes.'''
    return "nothing"

@server.tool()
def sink(ship: str) -> str:
    '''Nobody should be given this one.'''
    raise ValueError(f"{ship} does not sink")

server.run("stdio")
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "server.py").write_text(SERVER)
    path = tmp_path / "mcp.json"
    harbours = {
        "command": sys.executable,
        "args": [str(tmp_path / "server.py")],
        "env": {"WHO": "${env:HARBOUR_MASTER}"},
    }
    path.write_text(
        json.dumps(
            {
                "mcpServers": {
                    "harbours": harbours,
                    "broken": {"command": sys.executable, "args": ["-c", "import no_such_module"]},
                    "absent": {"command": "no-such-program-at-all"},
                }
            }
        )
    )
    return path


def agent_with(servers: McpServers, name: str = "Ada") -> Agent:
    agent = Agent(f"agent-{name}", create_persona(f"{name}, a guide"), on_state=lambda agent: None)
    agent.mcp = servers
    return agent


async def ask(agent: Agent, *calls: ScriptedCall) -> list[tuple[str, bool]]:
    """Make these calls; returns their results."""
    told: list[Any] = []
    llm = ScriptedLLM([list(calls), "Well."])
    agent.memory.heard("Anna", "how is the tide")
    generation = Generation(
        agent.persona,
        llm,
        agent.memory,
        tools=agent.tools,
        timeout=GUARD,
        tool_timeout=GUARD,
        on_tool=told.append,
    )
    assert "".join([delta async for delta in generation.deltas()]) == "Well."
    return [(one.result, one.failed) for one in told if isinstance(one, ToolResult)]


def running() -> list[psutil.Process]:
    """The servers among our child processes."""
    return [p for p in psutil.Process().children() if "server.py" in " ".join(p.cmdline())]


async def test_an_agent_uses_the_tools_of_a_program_that_it_was_given(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARBOUR_MASTER", "Jo")
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    servers = McpServers(str(config))
    try:
        ada, bruno = agent_with(servers), agent_with(servers, "Bruno")
        assert await ada.use_mcp("harbours", ["tide"]) == ["tide"]
        assert await bruno.use_mcp("harbours") == ["tide", "logs_read_all", "sink"]  # the same connection
        calls = [ScriptedCall("tide", {"harbour": "Brest"}), ScriptedCall("sink", {"ship": "Pip"})]
        low, refused = await ask(ada, *calls)
        assert "low tide in Brest, says Jo None" in low[0]  # it has an environment of its own
        assert not low[1]
        assert refused[1]  # this agent was not given that tool
        assert "no such tool" in refused[0]
        results = await ask(bruno, *calls)
        assert any("Error executing tool sink" in result for result, _ in results)

        with pytest.raises(VoicebotError, match=r"absent .no-such-program-at-all. does.*Other servers"):
            await ada.use_mcp("absent")
        monkeypatch.delenv("HARBOUR_MASTER")
        with pytest.raises(VoicebotError, match="harbours needs the environment variable HARBOUR_MASTER"):
            await ada.use_mcp("harbours")
        monkeypatch.setenv("HARBOUR_MASTER", "Jo")
        with pytest.raises(VoicebotError, match=r"broken.*does not work"):
            await ada.use_mcp("broken")
        with pytest.raises(VoicebotError, match=r"no tool dive.*It has: tide, logs_read_all, sink"):
            await ada.use_mcp("harbours", ["dive"])
        with pytest.raises(VoicebotError, match=r"no MCP server 'files'\. MCP_CONFIG has: harbours, broken"):
            await ada.use_mcp("files")
        assert [tool.name for tool in ada.tools] == ["tide"]
        (process,) = running()
        process.kill()
        process.wait(10)
        ((dead, failed),) = await ask(ada, ScriptedCall("tide", {"harbour": "Brest"}))
        assert failed
        assert "The tool failed" in dead
        # running the cell again repairs it for both agents
        await asyncio.gather(ada.use_mcp("harbours", ["tide"]), bruno.use_mcp("harbours", ["tide"]))
        (process,) = running()
        ((again, _),) = await ask(ada, ScriptedCall("tide", {"harbour": "Brest"}))
        assert "low tide in Brest" in again
    finally:
        await servers.aclose()
    assert running() == []
    ((gone, _),) = await ask(ada, ScriptedCall("tide", {"harbour": "Brest"}))
    assert "low tide" not in gone


async def test_a_silent_server_does_not_delay_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mcp_servers, "CONNECT_TIMEOUT", 1e6)
    asked = asyncio.Event()

    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(never, "127.0.0.1") as server:
        port = server.sockets[0].getsockname()[1]
        path = tmp_path / "mcp.json"
        path.write_text(json.dumps({"mcpServers": {"silent": {"url": f"http://127.0.0.1:{port}"}}}))
        servers = McpServers(str(path))
        asking = asyncio.create_task(agent_with(servers).use_mcp("silent"))
        await asked.wait()
        async with asyncio.timeout(GUARD):
            await servers.aclose()
        with pytest.raises(VoicebotError, match=r"silent.*closed before it answered"):
            await asking


async def test_a_server_on_http_works(tmp_path: Path) -> None:
    server = MCPServer("trains")

    @server.tool()
    def departures(station: str) -> str:
        """Trains that leave a station."""
        return f"one train from {station}"

    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        web = uvicorn.Server(uvicorn.Config(server.streamable_http_app(), log_level="critical", ws="none"))
        serving = asyncio.create_task(web.serve([listening]))
        path = tmp_path / "mcp.json"
        path.write_text(
            json.dumps({"servers": {"trains": {"type": "http", "url": f"http://127.0.0.1:{port}/mcp"}}})
        )
        servers = McpServers(str(path))
        ada = agent_with(servers)
        assert await ada.use_mcp("trains") == ["departures"]
        ((result, failed),) = await ask(ada, ScriptedCall("departures", {"station": "York"}))
        assert "one train from York" in result
        assert not failed
        await servers.aclose()
        web.should_exit = True
        await serving
    with pytest.raises(VoicebotError, match=r"trains.*does not work"):
        await ada.use_mcp("trains")
    await servers.aclose()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read"),
        ("[]", 'has no "mcpServers"'),
        ('{"mcpServers": {"files": {}}}', "needs either a command or a url"),
        ('{"mcpServers": {"files": {"command": "x", "args": 7}}}', "args Input should be a valid list"),
        ('{"mcpServers": {"files": {"url": "ftp://x"}}}', "must start with http"),
    ],
)
async def test_a_wrong_configuration_is_explained(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mcp.json"
    path.write_text(text)
    with pytest.raises(VoicebotError, match=message) as error:
        await agent_with(McpServers(str(path))).use_mcp("files")
    assert "MCP_CONFIG" in error.value.hint


async def test_errors_of_a_server_do_not_contain_its_secrets(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    at = f"127.0.0.1:{port}/hooks/canary-path-0/mcp?key=canary-query-0"
    away = {"url": f"http://ann:canary-pass-0@{at}", "headers": {"Authorization": "Bearer canary-header-0"}}
    broken = {
        "command": sys.executable,
        "args": ["-c", "raise SystemExit(1)", "--api-key", "canary-option-0", "-e", "TOKEN=canary-pair-0"],
        "env": {"TRAINS_TOKEN": "canary-env-0"},
    }
    path = tmp_path / "mcp.json"
    path.write_text(json.dumps({"mcpServers": {"away": away, "broken": broken}}))
    servers = McpServers(str(path))
    for name, seen in (("away", f"http://127.0.0.1:{port}/…/…/mcp"), ("broken", sys.executable)):
        with pytest.raises(VoicebotError, match="does not work") as caught:
            await servers.tools(name)
        said = "".join(traceback.format_exception(caught.value))
        assert seen in said
        assert "canary" not in said
    assert "canary" not in repr(servers.configured())
    for secret in ("header", "query", "path", "pass", "option", "pair", "env"):
        assert one_line(RuntimeError(f"canary-{secret}-0")) == "***"
    await servers.aclose()


async def test_without_a_configuration_there_are_no_servers() -> None:
    servers = McpServers()
    assert servers.configured() == {}
    with pytest.raises(VoicebotError, match=r"has: none\. Set MCP_CONFIG"):
        await agent_with(servers).use_mcp("files")
    await servers.aclose()
