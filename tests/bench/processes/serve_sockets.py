"""The signaling server alone, without audio and models: serve_sockets.py [--lobbies N] [--fast] [--hasty].

Prints its address. Lobbies bench-0 ... are open. What counts by address is lifted, for all load comes
from one; --fast lifts the messages a second, too, and --hasty makes the graces short, for load that
comes and goes all the time. `bench/state` tells what must not grow.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import signal
import tempfile
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import psutil
from starlette.responses import JSONResponse

from voicebot.agent.models.models import Models
from voicebot.llm.offline import OfflineLLM
from voicebot.server import hosting
from voicebot.server.lobby import lobbies as lobbies_module
from voicebot.server.net.limits import Limits
from voicebot.server.sessions import sessions
from voicebot.server.telemetry.gc_tuning import tune_gc
from voicebot.settings import load_settings
from voicebot.testing.media import FakeMediaPlane
from voicebot.testing.models import ScriptedSTT, ScriptedTTS

MANY = 1_000_000
BY_ADDRESS = (
    "sockets_per_address",
    "sessions_per_second",
    "sessions_burst",
    "lobbies_per_second",
    "lobbies_burst",
)
GRACES = ("presence_grace", "closed_grace", "empty_lobby", "unused_lobby", "agents_alone")


def limits(fast: bool, hasty: bool) -> Limits:
    lifted: dict[str, Any] = dict.fromkeys(BY_ADDRESS, MANY)
    if fast or hasty:
        lifted |= {"messages_per_second": MANY, "burst": MANY}
    if hasty:
        known = {field.name for field in fields(Limits)}
        lifted |= {name: 0.2 for name in GRACES if name in known}
    return replace(Limits(), **lifted)


class _WithState:
    """The server's application, and beside it what a probe asks."""

    def __init__(self, app: Any, server: list[hosting.Hosting], media: FakeMediaPlane) -> None:
        self._app, self._server, self._media = app, server, media
        self._process = psutil.Process()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"] != "/bench/state":
            await self._app(scope, receive, send)
            return
        agent_sessions = self._server[0].agent_sessions.values()
        self._media.commands.clear()  # the double's memory is not the server's
        gc.collect()
        state = {
            "mib": self._process.memory_info().rss / 2**20,
            "files": self._process.num_fds(),
            "tasks": len(asyncio.all_tasks()),
            "lobbies": len(agent_sessions),
            "people": sum(len(room.lobby.humans) for room in agent_sessions),
            "agents": sum(len(room.lobby.agents) for room in agent_sessions),
        }
        await JSONResponse(state)(scope, receive, send)


async def main(lobbies: int, fast: bool, hasty: bool) -> None:
    setattr(lobbies_module, "MAX_LOBBIES", MANY)  # noqa: B010
    if hasty:  # a session that nobody uses leaves the memory at once
        setattr(sessions, "SWEEP_SECONDS", 0.5)  # noqa: B010
        setattr(sessions, "IDLE_SECONDS", 0.5)  # noqa: B010
    server: list[hosting.Hosting] = []
    media = FakeMediaPlane()
    create_app = hosting.create_app
    setattr(hosting, "create_app", lambda services: _WithState(create_app(services), server, media))  # noqa: B010
    with tempfile.TemporaryDirectory() as data:
        settings = load_settings(None, port=0, data_dir=Path(data), log_level="ERROR")
        models = Models(settings, stt=ScriptedSTT(), tts=ScriptedTTS(), llm=OfflineLLM())
        server.append(hosting.Hosting(settings, media, models=models, demo=False, limits=limits(fast, hasty)))
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await server[0].start()
        for id in ("joins", "cuts", *range(lobbies)):
            await server[0].create_lobby(f"Bench {id}", f"bench-{id}")
        tune_gc()  # as `voicebot serve` does
        print(server[0].url, flush=True)
        try:
            await stop.wait()
        finally:
            await server[0].stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--lobbies", type=int, default=4)
    parser.add_argument("--fast", action="store_true")
    parser.add_argument("--hasty", action="store_true")
    a = parser.parse_args()
    asyncio.run(main(a.lobbies, a.fast, a.hasty))
