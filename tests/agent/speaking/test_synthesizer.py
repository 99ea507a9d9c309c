"""A third party's TTS that returns something unplayable."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.agent.stage import Stage
from voicebot.events import ErrorEvent, PlayoutStarted
from voicebot.testing.models import ScriptedTTS

pytestmark = pytest.mark.virtual_time


@pytest.mark.parametrize(
    ("audio", "rate", "said"),
    [
        (np.ones(16_000, np.float32), 16_000, "float32 of shape (16000,)"),
        (np.full((16_000, 2), 9000, np.int16), 16_000, "int16 of shape (16000, 2)"),
        ([9000] * 16_000, 16_000, "list"),
        (np.full(16_000, 9000, np.int16), 0, "sample rate is 0"),
    ],
    ids=["float", "stereo", "list", "rate"],
)
async def test_unplayable_audio_is_an_error_and_the_answer_is_shown(
    tmp_path: Path, audio: Any, rate: int, said: str
) -> None:
    class Foreign(ScriptedTTS):
        async def synthesize(self, text: str, style: Any) -> AsyncIterator[Any]:
            yield audio

    async with Stage(tmp_path, stt=["hi"], llm=["Hello. I am here."], tts=Foreign(sample_rate=rate)) as stage:
        ada = await stage.agent()
        await stage.person()
        await stage.media.hear("anna", 1.0)
        assert await stage.said(ada) == "Hello. I am here."
        (error,) = stage.of(ErrorEvent)
        assert "The voice scripted-tts failed" in error.message
        assert said in error.message
        assert not stage.of(PlayoutStarted)
