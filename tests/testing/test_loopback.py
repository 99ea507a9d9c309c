from __future__ import annotations

import wave
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from tests.support.notices import Notices
from voicebot.media.base import (
    AddAgentTrack,
    EndSpeech,
    HearingSettings,
    OpenHost,
    PeerState,
    QueueAudio,
    VoiceActivityStarted,
    VoiceActivityStopped,
)
from voicebot.media.inline import InlineMediaPlane
from voicebot.testing.loopback import loopback
from voicebot.testing.speech import speak, speak_file

Plane = tuple[InlineMediaPlane, Notices]


@pytest.fixture
async def plane() -> AsyncIterator[Plane]:
    plane, notices = InlineMediaPlane(), Notices()
    await plane.start(notices)
    plane.send(OpenHost("h", HearingSettings()))
    plane.send(AddAgentTrack("h", "bot"))
    yield plane, notices
    await plane.close()


@pytest.mark.live
async def test_people_and_agents_hear_each_other_over_real_webrtc(plane: Plane) -> None:
    media, notices = plane
    said = speak("hello what is the weather in paris today")
    async with loopback(media, "h", "ann", agents=["bot"]) as ann:
        await notices.wait(PeerState, lambda n: n.state == "connected")
        await ann.say(said)
        assert (await notices.wait(VoiceActivityStopped)).participant_id == "ann"
        assert notices.of(VoiceActivityStarted)[0].participant_id == "ann"
        media.send(QueueAudio("h", "bot", "s1", 0, said, 16_000, False))
        media.send(EndSpeech("h", "bot", "s1"))
        await ann.hears("bot", 1.0)
        assert ann.states[-1] == "connected"
        heard = ann.heard("bot").astype(float)
        assert np.sqrt(np.mean(np.square(heard))) > 100


def test_speech_is_made_at_any_rate(tmp_path: Path) -> None:
    slow, fast = speak("hello"), speak("hello", sample_rate=48_000)
    assert len(fast) == pytest.approx(3 * len(slow), rel=0.01)
    assert np.abs(slow.astype(int)).max() > 1000
    path = speak_file(tmp_path / "a.wav", "hello", before=1.0, after=0.5)
    with wave.open(str(path)) as file:
        assert file.getframerate() == 48_000
        assert file.getnframes() == 48_000 + len(fast) + 24_000
        assert not any(file.readframes(48_000))
