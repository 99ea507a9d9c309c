"""Speech for `OpenAIServer`: the routes `/audio/transcriptions`, `/audio/speech` and `/audio/voices`.

audio = OpenAIAudio(hears=["hello world"])
server = OpenAIServer(...)
server.app.include_router(audio.router, prefix="/v1")
"""

from __future__ import annotations

import io
import wave
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, File, Form, Request, UploadFile
from fastapi.responses import JSONResponse, Response, StreamingResponse

SPEECH_RATE = 24_000
SECONDS_PER_CHARACTER = 0.05


@dataclass
class OpenAIAudio:
    """Answers transcriptions with the texts in `hears`, in turn, and speaks a tone as long as the text.

    `uploads` and `spoken` record the requests.
    """

    hears: Sequence[str] = ()
    verbose: bool = True
    """Whether it has `verbose_json` with word times, which some models lack."""
    fail: int = 0
    """HTTP status of the error for every request; 0 for none."""
    drop: bool = False
    """Whether speech breaks off in the middle."""
    odd: bool = False
    """Whether speech is sent in pieces that end in the middle of a sample."""
    voices: Sequence[str] | None = None
    """What `/audio/voices` lists. With None there is no such route, as at OpenAI."""
    models: Sequence[str] | None = None
    """The models that it knows; None for any."""
    uploads: list[dict[str, Any]] = field(default_factory=list)
    spoken: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.router = APIRouter()
        self.router.add_api_route("/audio/transcriptions", self._transcribe, methods=["POST"])
        self.router.add_api_route("/audio/speech", self._speak, methods=["POST"])
        self.router.add_api_route("/audio/voices", self._list)

    async def _transcribe(
        self,
        file: Annotated[UploadFile, File()],
        model: Annotated[str, Form()],
        response_format: Annotated[str, Form()] = "json",
        language: Annotated[str, Form()] = "",
    ) -> Response:
        if refused := self._refused(model):
            return refused
        with wave.open(io.BytesIO(await file.read())) as reader:
            seconds = reader.getnframes() / reader.getframerate()
            rate, channels, width = reader.getframerate(), reader.getnchannels(), reader.getsampwidth()
        if response_format == "verbose_json" and not self.verbose:
            return _error(400, "response_format 'verbose_json' is not compatible with this model")
        text = self.hears[len(self.uploads) % len(self.hears)] if self.hears else ""
        self.uploads.append(
            {"model": model, "language": language, "format": response_format, "seconds": seconds}
            | {"rate": rate, "channels": channels, "width": width}
        )
        if response_format != "verbose_json":
            return JSONResponse({"text": text})
        each = seconds / max(1, len(text.split()))
        words = [
            {"word": word, "start": number * each, "end": (number + 1) * each}
            for number, word in enumerate(text.split())
        ]
        spoken = {"language": language or "english", "duration": seconds, "text": text, "words": words}
        return JSONResponse({"task": "transcribe", **spoken})

    async def _speak(self, request: Request) -> Response:
        asked = await request.json()
        if refused := self._refused(asked["model"]):
            return refused
        self.spoken.append(asked)
        time = np.arange(int(len(asked["input"]) * SECONDS_PER_CHARACTER * SPEECH_RATE)) / SPEECH_RATE
        pcm = (np.sin(2 * np.pi * 220 * time) * 10_000).astype("<i2").tobytes()
        return StreamingResponse(self._body(pcm), media_type="audio/pcm")

    async def _body(self, pcm: bytes) -> AsyncIterator[bytes]:
        size = 1_001 if self.odd else 4_800
        for start in range(0, len(pcm), size):
            if self.drop and start:
                raise ConnectionAbortedError("scripted")
            yield pcm[start : start + size]

    def _refused(self, model: str) -> Response | None:
        if self.fail:
            return _error(self.fail, "scripted failure")
        if self.models is not None and model not in self.models:
            return _error(404, f"no model {model}")
        return None

    async def _list(self) -> Response:
        if self.voices is None:
            return _error(404, "no such route")
        return JSONResponse({"voices": list(self.voices)})


def _error(status: int, message: str) -> JSONResponse:
    return JSONResponse({"error": {"message": message, "type": "test"}}, status)
