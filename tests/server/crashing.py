"""A server in a process of its own that can be killed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path

import httpx

from tests.server.conftest import Visitor
from tests.support import forked
from tests.support.coturn import free_port
from tests.support.waiting import GUARD


@dataclass
class Crashing:
    """`start`, `kill` and `start` again, on the same port, folder and store."""

    folder: Path
    store: str = "sqlite"
    port: int = field(default_factory=free_port)
    command: tuple[str, ...] = ("tests.server.without_models",)
    process: BaseProcess | None = None

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}/"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    async def start(self, **env: str) -> None:
        """Wait until it admits people; agents may follow later."""
        env = {"PORT": str(self.port), "DATA_DIR": str(self.data), "STORE": self.store, **env}
        log = self.folder / "server.log"
        self.process = forked.start(*self.command, cwd=self.folder, output=log, env={"COLUMNS": "200"} | env)
        await self.answers("health")

    async def answers(self, path: str) -> None:
        """Wait until GET `path` returns 200."""
        async with asyncio.timeout(GUARD), httpx.AsyncClient(base_url=self.url) as http:
            while True:
                try:
                    if (await http.get(path)).status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                await self.pause()
                assert self.process is not None
                assert self.process.exitcode is None, self.said

    async def pause(self) -> None:
        """Leave the processor to it for a moment, unless it ends."""
        assert self.process is not None
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(forked.ended(self.process), 0.1)

    @property
    def said(self) -> str:
        return (self.folder / "server.log").read_text(errors="replace")

    async def kill(self) -> None:
        """End it without warning, as the kernel does when memory runs out."""
        assert self.process is not None
        self.process.kill()
        await forked.ended(self.process)

    async def stop(self) -> None:
        """Stop it in an orderly way and at once."""
        assert self.process is not None
        self.process.terminate()
        async with asyncio.timeout(GUARD):
            assert await forked.ended(self.process) == 0, self.said

    async def visitor(self) -> Visitor:
        http = httpx.AsyncClient(base_url=self.url, headers={"Origin": self.url.rstrip("/")})
        (await http.post("api/session")).raise_for_status()
        return await Visitor(http, self.url).open()


@asynccontextmanager
async def crashing(folder: Path, store: str = "sqlite", **more: object) -> AsyncIterator[Crashing]:
    """A server that is not running yet, and is killed at the end."""
    server = Crashing(folder, store, **more)  # type: ignore[arg-type]
    try:
        yield server
    finally:
        if server.process is not None:
            await server.kill()
