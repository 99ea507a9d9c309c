"""Models that cost nothing: a fixed transcript, fixed words, a tone.

The tone changes its pitch from answer to answer, so that a probe can tell an old answer that
still plays from the new one. The functions have the names that a folder of rivals
(VOICEBOT_PEERS) gives to its own, which then replaces this one for all servers.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from fastapi import FastAPI
from numpy.typing import NDArray

TRANSCRIPT = "What will the weather be like this evening?"
WORDS = "It will stay dry and mild tonight, with a clear sky and little wind.".replace(",", "").split()
TTS_RATE = 24_000
PITCHES = (440.0, 660.0)
CHUNK = TTS_RATE // 10

_seconds = 3.0
_text = TRANSCRIPT
_streams = 0


def stt(_audio: object = None) -> str:
    return _text


def count_stream() -> None:
    """An utterance is given to the recogniser."""
    global _streams
    _streams += 1


def llm_tokens() -> Iterator[str]:
    for index, word in enumerate(WORDS):
        yield word if index == 0 else f" {word}"


def tts_chunks(answer: int) -> Iterator[NDArray[np.int16]]:
    time = np.arange(int(TTS_RATE * _seconds)) / TTS_RATE
    tone = (0.4 * 32767 * np.sin(2 * np.pi * PITCHES[answer % 2] * time)).astype(np.int16)
    for begin in range(0, len(tone), CHUNK):
        yield tone[begin : begin + CHUNK]


def add_control_routes(app: FastAPI) -> None:
    """GET /stub/ping and /stub/streams; POST /stub/tts?seconds= for the length of the answers to come.

    POST /stub/stt?text= for what is understood from now on.
    """

    @app.get("/stub/ping")
    async def ping() -> dict[str, bool]:
        return {"ok": True}

    @app.post("/stub/tts")
    async def length(seconds: float) -> dict[str, float]:
        global _seconds
        _seconds = seconds
        return {"seconds": seconds}

    @app.post("/stub/stt")
    async def transcript(text: str) -> dict[str, str]:
        global _text
        _text = text
        return {"text": text}

    @app.get("/stub/streams")
    async def streams() -> dict[str, int]:
        return {"streams": _streams}
