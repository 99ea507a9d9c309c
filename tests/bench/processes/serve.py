"""Our server with models that cost nothing, to be measured from outside: serve.py PORT.

PEER_MODE is `default` (our settings as they come) or `stop200` (0.2 s of silence end a turn, 64 ms of speech
interrupt);
VOICEBOT_PEERS names a folder whose `stubs.py` is used in place of `zero_cost.py`, so that
every server in one run has the same models.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import FastAPI
from numpy.typing import NDArray

from voicebot.agent.models.models import Models
from voicebot.llm.lines import ChatLine
from voicebot.llm.models import TextModel, warm_up
from voicebot.registry import Availability, Progress, no_progress
from voicebot.server import hosting
from voicebot.server.telemetry.gc_tuning import tune_gc
from voicebot.settings import Settings, load_settings
from voicebot.stt.base import Transcription
from voicebot.tts.base import VoiceStyle

PEERS = os.environ.get("VOICEBOT_PEERS", "")
sys.path.insert(0, PEERS or str(Path(__file__).parent))
zero_cost: Any = __import__("stubs" if PEERS else "zero_cost")

MODES: dict[str, dict[str, float]] = {
    "default": {},
    "stop200": {"endpoint_delay": 0.2, "interrupt_after": 0.064},
}


class _Free:
    name = "zero-cost"

    @classmethod
    def known_models(cls, settings: Settings) -> tuple[str, ...]:
        return ()

    @classmethod
    def availability(cls, model: str, settings: Settings) -> Availability:
        return Availability("ready", "costs nothing")

    @classmethod
    async def load(cls, model: str, settings: Settings, progress: Progress = no_progress) -> Any:
        return cls()

    async def aclose(self) -> None: ...


class FreeSTT(_Free):
    def stream(self) -> FreeSTT:
        getattr(zero_cost, "count_stream", lambda: None)()  # rivals' models need not count
        return self

    def push(self, pcm: NDArray[np.int16]) -> None: ...

    def interim(self) -> Transcription | None:
        return None

    async def draft(self) -> Transcription:
        return Transcription(zero_cost.stt())

    async def finish(self) -> Transcription:
        return Transcription(zero_cost.stt())

    def cancel(self) -> None: ...


class FreeLLM(_Free):
    notice = ""

    def model(self) -> Any:
        return TextModel(self.name, self._write)

    async def _write(self, instructions: str, lines: list[ChatLine]) -> AsyncIterator[str]:
        """The fixed words; the last sign tells the voice whether it is an odd or an even answer."""
        asked = sum(1 for line in lines if zero_cost.TRANSCRIPT in line.text)
        for token in zero_cost.llm_tokens():
            yield token.rstrip(".!")
        yield "." if asked % 2 else "!"


class FreeTTS(_Free):
    sample_rate = zero_cost.TTS_RATE

    async def synthesize(self, text: str, style: VoiceStyle) -> AsyncIterator[NDArray[np.int16]]:
        for chunk in zero_cost.tts_chunks(int(text.endswith("!"))):
            yield chunk


class _WithControls:
    """The server's application, and beside it the routes a probe controls the models by."""

    def __init__(self, app: Any) -> None:
        self._app, self._controls = app, FastAPI()
        zero_cost.add_control_routes(self._controls)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        controls = scope["type"] == "http" and scope["path"].startswith("/stub/")
        await (self._controls if controls else self._app)(scope, receive, send)


async def main(port: int) -> None:
    create_app = hosting.create_app
    setattr(hosting, "create_app", lambda services: _WithControls(create_app(services)))  # noqa: B010
    mode = MODES[os.environ.get("PEER_MODE", "default")]
    settings = load_settings(None, port=port, host="127.0.0.1", log_level="WARNING", **mode)
    models = Models(settings, stt=FreeSTT(), tts=FreeTTS(), llm=FreeLLM())
    server = hosting.Hosting(settings, models=models, demo=False)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await server.start()
    # as every language model's loading and `voicebot serve` do
    await warm_up()
    tune_gc()
    print(server.url, flush=True)
    try:
        await stop.wait()
    finally:
        await server.stop()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
