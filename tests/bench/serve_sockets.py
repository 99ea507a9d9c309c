"""The signaling server alone, with audio and models left out: serve_sockets.py LOBBIES.

Prints its address. Lobbies bench-0 ... are open; the limits per address are lifted, for all load
comes from one.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from voicebot.agent.models import Models
from voicebot.llm.offline import OfflineLLM
from voicebot.server import hosting
from voicebot.server.limits import Limits
from voicebot.settings import load_settings
from voicebot.testing.media import FakeMediaPlane
from voicebot.testing.models import ScriptedSTT, ScriptedTTS

MANY = 1_000_000


def unlimited() -> Limits:
    """The limits as they come, but for those that count by address."""
    lifted = {name: MANY for name in Limits.__dataclass_fields__ if name.endswith("_per_address")}
    return replace(Limits(), **lifted)


async def main(lobbies: int) -> None:
    hosting.MAX_LOBBIES = MANY
    with tempfile.TemporaryDirectory() as data:
        settings = load_settings(None, port=0, data_dir=Path(data), log_level="WARNING")
        models = Models(settings, stt=ScriptedSTT(), tts=ScriptedTTS(), llm=OfflineLLM())
        server = hosting.Hosting(settings, FakeMediaPlane(), models=models, demo=False, limits=unlimited())
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await server.start()
        for id in ("joins", *range(lobbies)):
            await server.create_lobby(f"Bench {id}", f"bench-{id}")
        gc.collect()
        gc.freeze()  # as `voicebot serve` does
        print(server.url, flush=True)
        try:
            await stop.wait()
        finally:
            await server.stop()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
