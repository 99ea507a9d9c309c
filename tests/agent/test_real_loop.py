"""The whole loop without fakes: WebRTC, Silero, pocketsphinx, the offline LLM, flite and recording."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
import soxr

from voicebot.agent import AgentSession, Models
from voicebot.audio.frames import OPUS_RATE
from voicebot.conversation.frames.latency import PARTS
from voicebot.events import (
    Event,
    LatencyMeasured,
    PlayoutFinished,
    PlayoutInterrupted,
    PlayoutSentence,
    TranscriptFinal,
)
from voicebot.llm.offline import OfflineLLM
from voicebot.lobby.lobby import Lobby
from voicebot.media.inline import InlineMediaPlane
from voicebot.persona import create_persona
from voicebot.rtc.caller import Caller, Microphone, ReceivedFrame
from voicebot.settings import Settings
from voicebot.signaling.messages import ParticipantInfo
from voicebot.stt.pocketsphinx.backend import PocketSphinxSTT
from voicebot.tts.base import VoiceStyle
from voicebot.tts.flite import FliteTTS

pytestmark = pytest.mark.live  # it hears and speaks in real time

E = TypeVar("E", bound=Event)


class Visitor:
    """A person with real WebRTC, and all events of the session."""

    def __init__(self, session: AgentSession) -> None:
        self.session = session
        self.events: list[Event] = []
        self.heard: list[ReceivedFrame] = []
        self.microphone = Microphone()
        self.caller = Caller(self.microphone, on_heard=self.heard.append)
        self._new = asyncio.Event()
        session.subscribe(self._on_event)

    def _on_event(self, event: Event) -> None:
        self.events.append(event)
        self._new.set()

    async def come_in(self) -> None:
        self.session.join(ParticipantInfo(id="anna", name="Anna", kind="human"))
        sdp, tracks = await self.caller.offer("anna", list(self.session.agents))
        answer = await self.session.connections.answer("anna", 1, sdp, tracks)
        await self.caller.accept(answer.sdp)
        await self.caller.connected.wait()

    async def until(self, kind: type[E], count: int = 1) -> E:
        async with asyncio.timeout(90):
            while True:
                found = [e for e in self.events if isinstance(e, kind)]
                if len(found) >= count:
                    return found[count - 1]
                self._new.clear()
                await self._new.wait()

    def hear(self, since: float) -> np.ndarray:
        """The audio that arrived since then: int16, mono, 16 kHz."""
        frames = [frame.pcm for frame in self.heard if frame.time >= since]
        return soxr.resample(np.concatenate(frames), OPUS_RATE, 16_000)


async def spoken(tts: FliteTTS, text: str) -> np.ndarray:
    chunks = [pcm async for pcm in tts.synthesize(text, VoiceStyle(voice="rms"))]
    return soxr.resample(np.concatenate(chunks), tts.sample_rate, OPUS_RATE)


@pytest.mark.needs("flite")
async def test_a_spoken_question_is_answered_by_voice_and_can_be_interrupted(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, data_dir=tmp_path)
    stt = await PocketSphinxSTT.load("", settings)
    tts = await FliteTTS.load("slt", settings)
    plane = InlineMediaPlane()
    models = Models(settings, stt=stt, tts=tts, llm=await OfflineLLM.load("", settings))
    session = AgentSession(Lobby("demo", "Demo"), media=plane, models=models, settings=settings)
    visitor = Visitor(session)
    await plane.start(session.on_notice)
    await session.open()
    try:
        persona = create_persona("Ada, a friendly host").model_copy(update={"greeting": "Hello, I am Ada."})
        ada = await session.spawn(persona)
        await visitor.come_in()
        greeting = await visitor.until(PlayoutFinished)
        assert greeting.heard_text == "Hello, I am Ada."

        began = visitor.microphone.clock()
        await visitor.microphone.say(await spoken(tts, "what is the weather in paris"))
        answer = await visitor.until(PlayoutFinished, 2)
        question = next(
            e for e in visitor.events if isinstance(e, TranscriptFinal) and e.participant_id == "anna"
        )
        assert "paris" in question.text
        assert answer.turn_id == question.turn_id
        assert answer.heard_text == answer.planned_text
        latency = await visitor.until(LatencyMeasured)
        assert latency.turn_id == question.turn_id
        parts = [getattr(latency, part) or 0.0 for part in PARTS]
        assert latency.e2e_latency == pytest.approx(sum(parts))

        stream = stt.stream()
        stream.push(visitor.hear(began).astype(np.int16))
        said_back = (await stream.finish()).text
        assert set(said_back.split()) & set(re.findall(r"\w{5,}", answer.heard_text.lower())), said_back

        await visitor.microphone.say(await spoken(tts, "tell me about the moon"))
        sentences = [e for e in visitor.events if isinstance(e, PlayoutSentence)]
        await visitor.until(PlayoutSentence, len(sentences) + 1)
        await visitor.microphone.say(await spoken(tts, "stop it please"))
        broken = await visitor.until(PlayoutInterrupted)
        assert broken.planned_text.startswith(broken.heard_text)
        assert len(broken.heard_text) < len(broken.planned_text)
        log = session.log
        assert log is not None
    finally:
        await visitor.caller.close()
        await session.close()
        await plane.close()
        await models.aclose()
    folder = tmp_path / "conversations" / log.conversation_id
    assert {p.stem for p in (folder / "audio").glob("*.ogg")} == {"anna", ada.id}
    assert (folder / "events.jsonl").read_text().count("\n") == len(log.events)
