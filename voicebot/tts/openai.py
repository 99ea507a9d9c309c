"""Streamed text to speech on any server with `/audio/speech`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from voicebot import openai_api
from voicebot.errors import ModelFailed, one_line
from voicebot.registry import Availability, Progress, no_progress
from voicebot.settings import Settings
from voicebot.tts.base import VoiceStyle
from voicebot.tts.voices import pick_voice

if TYPE_CHECKING:
    from openai import AsyncOpenAI

HOSTED_MODELS = ("gpt-4o-mini-tts", "tts-1", "tts-1-hd")
HOSTED_VOICES = ("alloy", "ash", "coral", "echo", "fable", "nova", "onyx", "sage", "shimmer")
"""Voices that all hosted speech models have."""
RATE = 24_000
"""Hz of the `pcm` format."""
TIMEOUT = 20.0
"""Seconds to wait for the first audio, and between two chunks."""
CHUNK = 4_800
"""Bytes: 0.1 s."""


class OpenAITTS:
    """`openai:<model>` or `openai:<model>/<voice>`; an unlisted name with a slash needs the voice."""

    sample_rate = RATE

    def __init__(self, client: AsyncOpenAI, address: str, model: str, voices: tuple[str, ...]) -> None:
        self._client = client
        self._address = address
        self._model = model
        self.voices = voices
        self.name = f"openai:{model}" + (f"/{voices[0]}" if len(voices) == 1 else "")

    @classmethod
    def known_models(cls, settings: Settings) -> tuple[str, ...]:
        return HOSTED_MODELS if not settings.openai_base_url else ("tts-1",)

    @classmethod
    def availability(cls, model: str, settings: Settings) -> Availability:
        return openai_api.availability(settings)

    @classmethod
    async def load(cls, model: str, settings: Settings, progress: Progress = no_progress) -> Self:
        progress(f"Looking for {openai_api.server(settings) or 'a server'}", None)
        client, listed = await openai_api.connect(settings, answer_within=TIMEOUT)
        name, _, voice = model.rpartition("/") if "/" in model and model not in listed else (model, "", "")
        name = name or cls.known_models(settings)[0]
        try:
            voices = (voice,) if voice else await _voices_of(client)
        except BaseException:
            await client.close()
            raise
        self = cls(client, openai_api.server(settings), name, voices)
        if name not in listed:  # an alias works, a typing error does not
            await openai_api.try_out(self._first("Hi."), client, self._address, name, listed)
        progress(f"{name} is ready", 1.0)
        return self

    async def synthesize(self, text: str, style: VoiceStyle) -> AsyncIterator[NDArray[np.int16]]:
        import openai

        if not text.strip():
            return
        try:
            async with self._request(text, style) as response:
                held = b""
                async for data in response.iter_bytes(CHUNK):
                    data = held + data
                    if data[:4] == b"RIFF":
                        raise ModelFailed(
                            f"{self._address} sent a WAV file where raw PCM was asked for.",
                            hint="Update the server, or choose another TTS backend.",
                            retryable=False,
                        )
                    held = data[len(data) // 2 * 2 :]  # half a sample waits for the rest
                    pcm = np.frombuffer(data[: len(data) // 2 * 2], "<i2")
                    if pcm.size:
                        yield _louder(pcm, style.volume)
        except openai.OpenAIError as error:
            raise openai_api.explain(error, self._address, ModelFailed, self._model) from None
        except Exception as error:
            # the client does not wrap errors in the middle of the stream
            if isinstance(error, OSError) or type(error).__module__.startswith(("httpx", "httpcore")):
                raise ModelFailed(f"{self._address} stopped in mid-sentence: {one_line(error)}.") from None
            raise

    def _request(self, text: str, style: VoiceStyle) -> Any:
        return self._client.audio.speech.with_streaming_response.create(
            model=self._model,
            voice=pick_voice(style, self.voices),
            input=text,
            response_format="pcm",
            speed=min(2.0, max(0.5, style.rate)),
        )

    async def _first(self, text: str) -> None:
        """Request speech and read none of it; the status shows whether the server can speak."""
        async with self._request(text, VoiceStyle()):
            pass

    async def aclose(self) -> None:
        await self._client.close()


async def _voices_of(client: AsyncOpenAI) -> tuple[str, ...]:
    """The voices a local server lists (several have `/audio/voices`), else OpenAI's."""
    import openai

    if str(client.base_url).startswith(openai_api.OPENAI):
        return HOSTED_VOICES
    quick = client.with_options(timeout=openai_api.CHECK_TIMEOUT, max_retries=0)
    try:
        answer: Any = await quick.get("/audio/voices", cast_to=object)
    except openai.OpenAIError:
        return HOSTED_VOICES
    listed = answer.get("voices", []) if isinstance(answer, dict) else answer
    names = [item.get("id") or item.get("name") if isinstance(item, dict) else item for item in listed]
    return tuple(name for name in names if isinstance(name, str) and name) or HOSTED_VOICES


def _louder(pcm: NDArray[np.int16], volume: float) -> NDArray[np.int16]:
    """Apply gain chunk by chunk; it clips, because the peak of later audio is unknown."""
    if volume == 1.0:
        return pcm
    louder: NDArray[np.int16] = np.clip(np.rint(pcm * np.float32(volume)), -32767, 32767).astype(np.int16)
    return louder
