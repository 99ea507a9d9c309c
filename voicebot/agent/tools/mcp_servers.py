"""MCP servers whose tools agents may use, from a configuration file in the format of other programs.

    {"mcpServers": {
        "files": {"command": "npx", "args": ["-y", "@modelcontextprotocol/server-filesystem", "/data"]},
        "trains": {"url": "https://example.org/mcp", "headers": {"Authorization": "Bearer ${TRAINS_TOKEN}"}}
    }}

`${NAME}` stands for an environment variable. A server starts when the first agent is given its tools, and
stops with the voice server. An agent has no tools unless it is given them.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
from collections.abc import Collection
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from voicebot.agent.tools.function_tools import failure_of
from voicebot.errors import VoicebotError, one_line
from voicebot.redaction import keep_address, keep_headers, keep_named, shown

if TYPE_CHECKING:
    from agents import FunctionTool
    from agents.mcp import MCPServer

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT = 30.0
"""Seconds to start a server, which `npx` or `uvx` may have to download first."""
ANSWER_TIMEOUT = 5.0
"""Seconds in which a running server must answer."""
EXAMPLE = 'MCP_CONFIG names a file such as {"mcpServers": {"files": {"command": "...", "args": []}}}.'
UNUSABLE = re.compile(r"[^A-Za-z0-9_-]")
VARIABLE = re.compile(r"\$\{(?:env:)?([A-Za-z_]\w*)\}")


class McpServerConfig(BaseModel):
    """How to reach one server: a command to run, or an address."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    command: str = ""
    args: list[str] = Field([], repr=False)
    env: dict[str, str] = Field({}, repr=False)
    cwd: str | None = None
    url: str = Field("", repr=False)
    """The address of a streamable HTTP server."""
    headers: dict[str, str] = Field({}, repr=False)

    @model_validator(mode="after")
    def _one_way(self) -> McpServerConfig:
        if bool(self.command) == bool(self.url):
            raise ValueError("needs either a command or a url")
        if self.url and not self.url.startswith(("http://", "https://")):
            raise ValueError("url must start with http:// or https://")
        return self

    def keep_secrets(self) -> None:
        """Keep the possible secrets of this configuration out of errors and logs."""
        keep_headers(self.headers)
        keep_named(self.env)
        keep_named(_options(self.args))
        for one in self.args:
            name, colon, value = one.partition(": ")
            if colon:
                keep_headers({name: value})
            elif "://" in one:
                keep_address(one)
        if self.url:
            keep_address(self.url)


class McpServers:
    """The servers of one configuration file, which is read whenever tools are asked for.

    Args:
        config: The path of the file; "" for none.
    """

    def __init__(self, config: str = "") -> None:
        self._config = config
        self._connections: dict[str, _Connection] = {}

    def configured(self) -> dict[str, McpServerConfig]:
        """The configured servers by name. Raises VoicebotError (`mcp`) if the file is unusable."""
        if not self._config:
            return {}
        try:
            data = json.loads(Path(self._config).expanduser().read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise _error(f"{self._config} cannot be read: {one_line(error)}.") from None
        servers = data.get("mcpServers", data.get("servers")) if isinstance(data, dict) else None
        if not isinstance(servers, dict):
            raise _error(f'{self._config} has no "mcpServers".')
        try:
            found = {name: McpServerConfig.model_validate(_filled(raw)) for name, raw in servers.items()}
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise _error(f"{self._config} is wrong: {where} {first['msg']}.") from None
        for config in found.values():
            config.keep_secrets()
        return found

    async def tools(self, server: str, only: Collection[str] = ()) -> list[FunctionTool]:
        """The tools of a server, or only those in `only`. Connects the server if necessary.

        Raises:
            VoicebotError: (`mcp`) There is no such server, a variable that it needs is not set, it does not
                work, or it has no such tool.
        """
        configured = self.configured()
        if server not in configured:
            names = ", ".join(configured) or "none"
            hint = "Add it to that file." if self._config else "Set MCP_CONFIG to a file that has it."
            raise _error(f"There is no MCP server {server!r}. MCP_CONFIG has: {names}.", hint)
        if unset := VARIABLE.search(configured[server].model_dump_json()):
            raise _error(
                f"The MCP server {server} needs the environment variable {unset[1]}, which is not set.",
                f"Set it before the server starts, or write its value into {self._config}.",
            )
        known = self._connections.get(server)
        if known is not None and not await known.alive():
            await known.aclose()
            if self._connections.get(server) is known:  # another task may have replaced it meanwhile
                del self._connections[server]
        if server not in self._connections:
            self._connections[server] = _Connection(server, configured[server])
        tools = await self._connections[server].tools()
        missing = set(only) - {tool.name for tool in tools}
        if missing:
            raise _error(
                f"The MCP server {server} has no tool {', '.join(sorted(missing))}.",
                f"It has: {', '.join(tool.name for tool in tools)}.",
            )
        return [tool for tool in tools if not only or tool.name in only]

    async def aclose(self) -> None:
        """Stop all servers. They can be connected again."""
        connections, self._connections = self._connections, {}
        await asyncio.gather(*(connection.aclose() for connection in connections.values()))


class _Connection:
    """One running server. It has its own task, because the SDK must close a connection where it opened it."""

    def __init__(self, name: str, config: McpServerConfig) -> None:
        self._name, self._config = name, config
        self._closing = asyncio.Event()
        self._server: MCPServer | None = None
        loop = asyncio.get_running_loop()
        self._tools: asyncio.Future[list[FunctionTool]] = loop.create_future()
        self._task = loop.create_task(self._hold(), name=f"MCP server {name}")

    async def alive(self) -> bool:
        """Whether the server answers or is still connecting."""
        if self._task.done():
            return False
        if self._server is None:
            return True
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                await self._server.list_tools()
        except Exception:  # a new connection may help, whatever went wrong
            return False
        return True

    async def tools(self) -> list[FunctionTool]:
        return await asyncio.shield(self._tools)

    async def aclose(self) -> None:
        self._closing.set()
        if self._server is None:  # connecting may take long
            self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _hold(self) -> None:
        server: MCPServer | None = None
        try:
            await asyncio.to_thread(__import__, "agents.mcp")
            server = _server(self._name, self._config)
            async with asyncio.timeout(CONNECT_TIMEOUT):
                await server.connect()  # type: ignore[no-untyped-call]
            async with asyncio.timeout(CONNECT_TIMEOUT):
                tools = await _tools_of(server)
            self._server = server
            self._tools.set_result(tools)
            await self._closing.wait()
        except BaseException as error:
            if not self._tools.done():
                self._fail(error)
            if not isinstance(error, Exception):
                raise
        finally:
            try:
                if server is not None:
                    await server.cleanup()  # type: ignore[no-untyped-call]
            except Exception:
                logger.warning("The MCP server %s failed to close", self._name, exc_info=True)

    def _fail(self, error: BaseException) -> None:
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        what = self._config.command or shown(self._config.url)
        if isinstance(error, TimeoutError):
            why = f"no answer in {CONNECT_TIMEOUT:g} s"
        else:
            why = one_line(error) if isinstance(error, Exception) else "it was closed before it answered"
        self._tools.set_exception(
            _error(
                f"The MCP server {self._name} ({what}) does not work: {why}.",
                "Try its command in a terminal, or its address in a browser. Other servers still work.",
                retryable=True,
            )
        )
        self._tools.exception()  # mark it as retrieved, because whoever asked may be gone


def _server(name: str, config: McpServerConfig) -> MCPServer:
    from agents.mcp import MCPServerStdio, MCPServerStreamableHttp

    if config.url:
        return MCPServerStreamableHttp(
            {"url": config.url, "headers": dict(config.headers)},
            name=name,
            client_session_timeout_seconds=None,
        )
    params: dict[str, Any] = {"command": config.command, "args": list(config.args)}
    if config.env:  # the SDK adds PATH, HOME and the like, but not the secrets of this process
        params["env"] = dict(config.env)
    if config.cwd:
        params["cwd"] = config.cwd
    # no timeout, because each tool has its own
    return MCPServerStdio(params, name=name, client_session_timeout_seconds=None)  # type: ignore[arg-type]


async def _tools_of(server: MCPServer) -> list[FunctionTool]:
    from agents.mcp import MCPUtil

    return [
        MCPUtil.to_function_tool(
            tool,
            server,
            convert_schemas_to_strict=False,
            failure_error_function=failure_of,
            tool_name_override=UNUSABLE.sub("_", tool.name)[:64],  # a name that OpenAI's API accepts
        )
        for tool in await server.list_tools()
    ]


def _options(args: list[str]) -> dict[str, str]:
    """The values of --name=value, --name value and NAME=value (for Docker's -e), by name."""
    found = {}
    for one, following in zip_longest(args, args[1:], fillvalue=""):
        name, given, value = one.partition("=")
        found[name.lstrip("-").replace("-", "_")] = value if given else following
    return found


def _filled(raw: Any) -> Any:
    """Replace each `${NAME}` by the environment variable; a variable that is not set stays as it is."""
    if isinstance(raw, str):
        return VARIABLE.sub(lambda found: os.environ.get(found[1], found[0]), raw)
    if isinstance(raw, list):
        return [_filled(one) for one in raw]
    if isinstance(raw, dict):
        return {key: _filled(value) for key, value in raw.items()}
    return raw


def _error(message: str, hint: str = EXAMPLE, *, retryable: bool = False) -> VoicebotError:
    return VoicebotError(message, hint=hint, code="mcp", retryable=retryable)
