"""Speech to text on any server with `/audio/transcriptions`."""

from __future__ import annotations

import asyncio
import io
import wave
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from voicebot import openai_api
from voicebot.errors import ModelFailed
from voicebot.registry import Availability, Progress, no_progress
from voicebot.settings import Settings
from voicebot.stt.base import STT_RATE, TimedWord, Transcription
from voicebot.stt.buffered import BufferedStream, DraftingBufferedStream

if TYPE_CHECKING:
    from openai import AsyncOpenAI

HOSTED = ("gpt-4o-mini-transcribe", "gpt-4o-transcribe", "whisper-1")
TIMEOUT = 30.0
"""Seconds for one transcription."""
TRIAL = np.zeros(STT_RATE // 2, np.int16)
"""Half a second of silence."""
CODES = {
    "english": "en", "german": "de", "french": "fr", "spanish": "es", "italian": "it", "portuguese": "pt",
    "dutch": "nl", "polish": "pl", "russian": "ru", "chinese": "zh", "japanese": "ja", "korean": "ko",
    "arabic": "ar", "hindi": "hi", "turkish": "tr", "ukrainian": "uk",
}  # fmt: skip
"""Some servers answer with the name of a language, others with its ISO 639-1 code."""


class OpenAISTT:
    """`openai:<model>`, at OPENAI_BASE_URL or at OpenAI itself."""

    def __init__(
        self, client: AsyncOpenAI, address: str, model: str, language: str = "", *, drafts: bool = False
    ) -> None:
        self._drafts = drafts
        self._client = client
        self._language = language
        self._address = address
        self._model = model
        self._verbose = True
        self.name = f"openai:{model}"

    @classmethod
    def known_models(cls, settings: Settings) -> tuple[str, ...]:
        return HOSTED if not settings.openai_base_url else ("whisper-1",)

    @classmethod
    def availability(cls, model: str, settings: Settings) -> Availability:
        return openai_api.availability(settings)

    @classmethod
    async def load(cls, model: str, settings: Settings, progress: Progress = no_progress) -> Self:
        model = model or cls.known_models(settings)[0]
        progress(f"Looking for {openai_api.server(settings) or 'a server'}", None)
        client, listed = await openai_api.connect(settings, answer_within=TIMEOUT)
        self = cls(
            client,
            openai_api.server(settings),
            model,
            settings.stt_language,
            drafts=settings.stt_drafts == "always" or (settings.stt_drafts == "auto" and _nearby(settings)),
        )
        if model not in listed:  # an alias works, a typing error does not
            await openai_api.try_out(self._request(_wav(TRIAL)), client, self._address, model, listed)
        progress(f"{model} is ready", 1.0)
        return self

    def stream(self) -> BufferedStream:
        """Begin an utterance, with drafts if STT_DRAFTS allows them."""
        kind = DraftingBufferedStream if self._drafts else BufferedStream
        return kind(self.transcribe)

    async def transcribe(self, pcm: NDArray[np.int16]) -> Transcription:
        """Send one request; the result has word times if server and model give them. Raises ModelFailed."""
        import openai

        audio = await asyncio.to_thread(_wav, pcm)
        try:
            if self._verbose:
                try:
                    words = {"response_format": "verbose_json", "timestamp_granularities": ["word"]}
                    return await self._request(audio, len(pcm) / STT_RATE, **words)
                except (openai.BadRequestError, openai.UnprocessableEntityError):
                    plain = await self._request(audio)  # refused too, unless the format was the reason
                    self._verbose = False
                    return plain
            return await self._request(audio)
        except openai.OpenAIError as error:
            raise openai_api.explain(error, self._address, ModelFailed, self._model) from None

    async def _request(self, audio: bytes, seconds: float = 0.0, **options: Any) -> Transcription:
        options = {"response_format": "json", **options}
        if self._language:
            options["language"] = self._language
        answer = await self._client.audio.transcriptions.create(
            file=("speech.wav", audio, "audio/wav"), model=self._model, **options
        )
        return self._read(answer, seconds)

    def _read(self, answer: Any, seconds: float) -> Transcription:
        text = getattr(answer, "text", answer)
        if not isinstance(text, str):
            raise ModelFailed(
                f"{self._address} did not answer with a transcription.",
                hint="Set OPENAI_BASE_URL to a server that offers speech to text, or set another STT_MODEL.",
            )
        words = tuple(
            TimedWord(word.word.strip(), min(word.start, seconds), min(word.end, seconds))
            for word in getattr(answer, "words", None) or ()
        )
        language = str(getattr(answer, "language", None) or "").lower()
        return Transcription(text.strip(), words, CODES.get(language, language if len(language) <= 3 else ""))

    async def aclose(self) -> None:
        await self._client.close()


def _nearby(settings: Settings) -> bool:
    """Whether the server is on this machine or network, so that a second request costs nothing."""
    host = urlsplit(settings.openai_base_url).hostname or ""
    try:
        return ip_address(host).is_private
    except ValueError:
        return host.endswith((".local", ".lan", ".internal", "localhost")) or (host != "" and "." not in host)


def _wav(pcm: NDArray[np.int16]) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(STT_RATE)
        writer.writeframes(pcm.astype("<i2").tobytes())
    return file.getvalue()
