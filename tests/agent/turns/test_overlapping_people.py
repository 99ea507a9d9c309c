"""Two people talk at the same time, and a real recogniser transcribes each of them separately."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.waiting import GUARD
from voicebot.agent import AgentSession, Models
from voicebot.events import Event, SpeechStarted, SpeechStopped, TranscriptFinal
from voicebot.lobby.lobby import Lobby
from voicebot.settings import Settings
from voicebot.signaling.messages import ParticipantInfo
from voicebot.stt.pocketsphinx.backend import PocketSphinxSTT
from voicebot.testing.media import FakeMediaPlane
from voicebot.testing.models import ScriptedLLM, ScriptedTTS
from voicebot.tts.base import VoiceStyle
from voicebot.tts.flite import FliteTTS

pytestmark = [pytest.mark.live, pytest.mark.needs("flite")]

WEATHER, HELLO = "what is the weather in paris", "hello world"


async def spoken(text: str, voice: str, settings: Settings) -> NDArray[np.int16]:
    tts = await FliteTTS.load(voice, settings)
    return np.concatenate([piece async for piece in tts.synthesize(text, VoiceStyle())])


async def test_people_who_talk_at_once_are_transcribed_separately(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, data_dir=tmp_path)  # type: ignore[call-arg]
    said = {"anna": await spoken(WEATHER, "slt", settings), "tom": await spoken(HELLO, "rms", settings)}
    stt = await PocketSphinxSTT.load("", settings)
    plane = FakeMediaPlane()
    session = AgentSession(
        Lobby("demo", "Demo"),
        media=plane,
        models=Models(settings, stt=stt, tts=ScriptedTTS(), llm=ScriptedLLM([])),
        settings=settings,
    )
    heard: asyncio.Queue[Event] = asyncio.Queue()
    session.subscribe(heard.put_nowait)
    try:
        await plane.start(session.on_notice)
        await session.open()
        for who in said:
            session.join(ParticipantInfo(id=who, name=who.title(), kind="human"))
            await session.connections.answer(who, 1, "offer", {"0": who})
        async with asyncio.TaskGroup() as group:
            for who, pcm in said.items():
                group.create_task(plane.hear(who, pcm))
        events: list[Event] = []
        async with asyncio.timeout(GUARD):
            while sum(isinstance(e, TranscriptFinal) for e in events) < 2:
                events.append(await heard.get())
    finally:
        await session.close()
        await plane.close()
        await stt.aclose()
    finals = [e for e in events if isinstance(e, TranscriptFinal)]
    assert {e.participant_id: e.text for e in finals} == {"anna": WEATHER, "tom": HELLO}
    assert len({e.turn_id for e in finals}) == len({e.utterance_id for e in finals}) == 2
    started = [e.t for e in events if isinstance(e, SpeechStarted)]
    stopped = [e.t for e in events if isinstance(e, SpeechStopped)]
    assert max(started) < min(stopped)  # they really talked at the same time
