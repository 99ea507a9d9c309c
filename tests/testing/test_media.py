from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator

import numpy as np
import pytest

from voicebot.errors import MediaError
from voicebot.media.base import (
    HOLD_LIMIT,
    AddAgentTrack,
    AwaitSilence,
    ClosePeer,
    EndSpeech,
    HearingSettings,
    HoldSpeech,
    MediaGone,
    OpenHost,
    PeerOffer,
    PeerState,
    PlayoutAudible,
    PlayoutEnded,
    PlayoutHeld,
    PlayoutMark,
    PlayoutResumed,
    QueueAudio,
    RemoveAgentTrack,
    ResumeSpeech,
    SilenceReached,
    SpeechAudio,
    StopSpeech,
    VoiceActivityStarted,
    VoiceActivityStopped,
)
from voicebot.media.utterances import WINDOW_SECONDS
from voicebot.testing.media import FakeMediaPlane

pytestmark = pytest.mark.virtual_time


@pytest.fixture
async def plane() -> AsyncIterator[FakeMediaPlane]:
    plane = FakeMediaPlane()
    await plane.start(lambda notice: None)
    plane.send(OpenHost("h", HearingSettings()))
    plane.send(AddAgentTrack("h", "bot"))
    yield plane
    await plane.close()


FRAME = 0.0201
"""Seconds between two packets of an agent, and a little for rounding."""
WINDOW = WINDOW_SECONDS + 0.0001
"""Seconds between two decisions about a person."""


def seconds(length: float, rate: int = 22_050) -> np.ndarray:
    return np.full(int(length * rate), 1000, np.int16)


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_a_speech_is_played_at_real_pace_with_its_marks(plane: FakeMediaPlane) -> None:
    begun = now()
    plane.send(QueueAudio("h", "bot", "s1", 0, seconds(1.0), 22_050))
    plane.send(QueueAudio("h", "bot", "s1", 1, seconds(0.5), 22_050))
    plane.send(QueueAudio("h", "bot", "s1", 1, seconds(0.5), 22_050))
    plane.send(EndSpeech("h", "bot", "s1"))
    ended = await plane.wait_for(PlayoutEnded)
    started = await plane.wait_for(PlayoutAudible)
    marks = [(n.index, n.time - begun) for n in plane.notices if isinstance(n, PlayoutMark)]
    assert started.time == begun
    assert marks == [(0, 0), (1, pytest.approx(1.0, abs=FRAME))]
    assert ended.time - begun == pytest.approx(2.0, abs=FRAME)
    assert ended.complete
    assert ended.played == pytest.approx(2.0)
    assert ended.pieces == {0: pytest.approx((1.0, 1.0)), 1: pytest.approx((1.0, 1.0))}


async def test_playout_waits_for_late_audio(plane: FakeMediaPlane) -> None:
    begun = now()
    plane.send(QueueAudio("h", "bot", "s1", 0, seconds(0.5), 22_050))
    await asyncio.sleep(2)
    assert not any(isinstance(n, PlayoutEnded) for n in plane.notices)
    plane.send(QueueAudio("h", "bot", "s1", 1, seconds(0.5), 22_050))
    plane.send(EndSpeech("h", "bot", "s1"))
    ended = await plane.wait_for(PlayoutEnded)
    assert ended.time - begun == pytest.approx(2.5, abs=FRAME)
    assert ended.played == pytest.approx(1.0)


async def test_stopping_a_speech_reports_how_much_was_played(plane: FakeMediaPlane) -> None:
    plane.send(QueueAudio("h", "bot", "s1", 0, seconds(1.0), 22_050))
    plane.send(QueueAudio("h", "bot", "s1", 1, seconds(1.0), 22_050))
    plane.send(QueueAudio("h", "bot", "s1", 2, seconds(1.0), 22_050))
    await asyncio.sleep(1.25)
    plane.send(StopSpeech("h", "bot", "s1"))
    plane.send(QueueAudio("h", "bot", "s1", 3, seconds(1.0), 22_050))  # too late, ignored
    ended = await plane.wait_for(PlayoutEnded)
    assert not ended.complete
    assert ended.pieces == {0: pytest.approx((1.0, 1.0)), 1: pytest.approx((0.25, 1.0), abs=FRAME)}
    await asyncio.sleep(5)
    assert sum(isinstance(n, PlayoutEnded) for n in plane.notices) == 1


async def test_speeches_of_one_agent_follow_each_other(plane: FakeMediaPlane) -> None:
    for name in ("s1", "s2"):
        plane.send(QueueAudio("h", "bot", name, 0, seconds(1.0), 22_050))
        plane.send(EndSpeech("h", "bot", name))
    second = await plane.wait_for(PlayoutAudible, lambda n: n.speech_id == "s2")
    first = await plane.wait_for(PlayoutEnded, lambda n: n.speech_id == "s1")
    assert second.time == pytest.approx(first.time, abs=FRAME)


async def test_a_person_is_heard_with_the_settings_of_the_host(plane: FakeMediaPlane) -> None:
    begun = now()
    hearing = asyncio.create_task(plane.hear("ann", 1.0, after=1.0))
    started = await plane.wait_for(VoiceActivityStarted)
    assert now() - begun == pytest.approx(1.064)
    assert started.time - begun == pytest.approx(1.0)
    stopped = await plane.wait_for(VoiceActivityStopped)
    assert now() - begun == pytest.approx(2.1, abs=WINDOW)
    assert stopped.time - begun == pytest.approx(2.0)
    await hearing
    audio = [n for n in plane.notices if isinstance(n, SpeechAudio)]
    assert sum(len(n.pcm) for n in audio) / 16_000 == pytest.approx(1.1, abs=WINDOW)
    for one, next_one in itertools.pairwise(audio):
        assert next_one.time == pytest.approx(one.time + len(one.pcm) / 16_000)


async def test_a_short_pause_does_not_end_the_speech_and_a_click_does_not_begin_one(
    plane: FakeMediaPlane,
) -> None:
    await plane.hear("ann", 0.02, -0.5, 0.5, -0.08, 0.5)
    kinds = [type(n) for n in plane.notices if isinstance(n, (VoiceActivityStarted, VoiceActivityStopped))]
    assert kinds == [VoiceActivityStarted, VoiceActivityStopped]


async def test_speech_is_handed_over_with_its_preroll(plane: FakeMediaPlane) -> None:
    await plane.hear("ann", -1.0, 0.5)
    started, first = await plane.wait_for(VoiceActivityStarted), await plane.wait_for(SpeechAudio)
    assert started.time - first.time == pytest.approx(0.4, abs=WINDOW)


async def test_talking_over_an_agent_interrupts_it(plane: FakeMediaPlane) -> None:
    plane.send(QueueAudio("h", "bot", "s1", 0, seconds(10), 22_050))
    plane.send(EndSpeech("h", "bot", "s1"))
    await plane.hear("ann", 1.0, after=2.0)
    held = await plane.wait_for(PlayoutHeld)
    assert held.by == "ann"
    assert held.played == pytest.approx(2.2)
    assert not plane.talking()
    plane.send(StopSpeech("h", "bot", "s1"))
    ended = await plane.wait_for(PlayoutEnded)
    assert not ended.complete
    assert ended.played == pytest.approx(2.2)


async def test_speech_that_began_before_the_agent_counts_from_the_agents_start(plane: FakeMediaPlane) -> None:
    hearing = asyncio.create_task(plane.hear("ann", 1.0))
    await asyncio.sleep(0.5)
    plane.send(QueueAudio("h", "bot", "s1", 0, seconds(10), 22_050))
    await hearing
    held = await plane.wait_for(PlayoutHeld)
    assert held.played == pytest.approx(0.2, abs=WINDOW)


async def test_a_cough_does_not_interrupt(plane: FakeMediaPlane) -> None:
    plane.send(QueueAudio("h", "bot", "s1", 0, seconds(3), 22_050))
    plane.send(EndSpeech("h", "bot", "s1"))
    await plane.hear("ann", 0.1, after=0.5)
    assert (await plane.wait_for(PlayoutEnded)).complete


async def test_connections_come_up_and_go_down(plane: FakeMediaPlane) -> None:
    answer = await plane.answer(PeerOffer("h", "ann", 1, "offer", {"0": "ann", "1": "bot"}, ()))
    assert answer.tracks == {"1": "bot"}
    await plane.wait_for(PeerState, lambda n: n.state == "connected")
    plane.lose_peer("ann")
    await plane.answer(PeerOffer("h", "ann", 2, "offer", {}, ()))
    plane.send(ClosePeer("h", "ann"))
    await plane.wait_for(PeerState, lambda n: n.state == "closed")
    states = [(n.epoch, n.state) for n in plane.notices if isinstance(n, PeerState)]
    again = [(2, "connecting"), (2, "connected"), (2, "closed")]
    assert states == [(1, "connecting"), (1, "connected"), (1, "failed"), *again]


async def test_refused_offers_and_speeches_of_unknown_agents_are_reported(plane: FakeMediaPlane) -> None:
    with pytest.raises(MediaError, match="nowhere"):
        await plane.answer(PeerOffer("nowhere", "ann", 1, "offer", {}, ()))
    plane.refuse_answers = "no codecs in common"
    with pytest.raises(MediaError, match="codecs"):
        await plane.answer(PeerOffer("h", "ann", 1, "offer", {}, ()))
    plane.send(QueueAudio("h", "nobody", "s", 0, seconds(1), 22_050))
    assert not (await plane.wait_for(PlayoutEnded)).complete


async def test_a_removed_agent_falls_silent(plane: FakeMediaPlane) -> None:
    plane.send(QueueAudio("h", "bot", "s1", 0, seconds(5), 22_050))
    plane.send(QueueAudio("h", "bot", "s2", 0, seconds(5), 22_050))
    await asyncio.sleep(1)
    plane.send(RemoveAgentTrack("h", "bot"))
    ends = [await plane.wait_for(PlayoutEnded, count=n) for n in (1, 2)]
    assert [(e.speech_id, e.complete, round(e.played, 6)) for e in ends] == [
        ("s1", False, pytest.approx(1.0, abs=FRAME)),
        ("s2", False, 0.0),
    ]


async def test_a_worker_that_dies_is_reported(plane: FakeMediaPlane) -> None:
    plane.send(QueueAudio("h", "bot", "s1", 0, seconds(5), 22_050))
    await asyncio.sleep(1)
    plane.die("killed by a test")
    assert (await plane.wait_for(MediaGone)).reason == "killed by a test"
    plane.send(OpenHost("h", HearingSettings()))  # as the control plane does again
    assert len(plane.commanded(OpenHost)) == 2


async def test_every_sample_from_the_preroll_on_is_handed_over_once(plane: FakeMediaPlane) -> None:
    await plane.hear("ada", -1.0, 0.5, -0.08, 0.5, after=0.25)
    audio = [notice for notice in plane.notices if isinstance(notice, SpeechAudio)]
    [started] = [notice for notice in plane.notices if isinstance(notice, VoiceActivityStarted)]
    settings = HearingSettings()
    assert started.time - audio[0].time == pytest.approx(settings.preroll, abs=WINDOW)
    for before, after in itertools.pairwise(audio):
        assert after.time == pytest.approx(before.time + len(before.pcm) / 16_000)
    heard = sum(len(notice.pcm) for notice in audio) / 16_000
    assert heard == pytest.approx(settings.preroll + 1.08 + settings.pause_after, abs=2 * WINDOW)


async def test_a_held_speech_continues_where_it_stopped(plane: FakeMediaPlane) -> None:
    begun = now()
    plane.send(QueueAudio("h", "bot", "s1", 0, seconds(1.0), 22_050))
    plane.send(QueueAudio("h", "bot", "s1", 1, seconds(1.0), 22_050))
    plane.send(EndSpeech("h", "bot", "s1"))
    await asyncio.sleep(1.25)
    plane.send(HoldSpeech("h", "bot", "s1", "ann"))
    assert not plane.talking()
    await asyncio.sleep(5)
    plane.send(ResumeSpeech("h", "bot", "s1"))
    ended = await plane.wait_for(PlayoutEnded)
    assert ended.complete
    assert ended.time - begun == pytest.approx(7.0, abs=FRAME)
    assert ended.pieces == {0: pytest.approx((1.0, 1.0)), 1: pytest.approx((1.0, 1.0))}
    assert [n.index for n in plane.notices if isinstance(n, PlayoutMark)] == [0, 1]
    held, resumed = [n for n in plane.notices if isinstance(n, PlayoutHeld | PlayoutResumed)]
    assert (held.by, resumed.time - held.time) == ("ann", pytest.approx(5.0))


async def test_a_hold_for_a_person_is_resumed_or_ends(plane: FakeMediaPlane) -> None:
    plane.send(QueueAudio("h", "bot", "s1", 0, seconds(30), 22_050))
    plane.send(EndSpeech("h", "bot", "s1"))
    await plane.hear("ann", 0.5, after=1.0)
    plane.send(ResumeSpeech("h", "bot", "s1"))
    resumed = await plane.wait_for(PlayoutResumed)
    assert resumed.time == pytest.approx(now())
    await plane.hear("ann", 0.5, after=1.0)
    held = await plane.wait_for(PlayoutHeld, count=2)
    ended = await plane.wait_for(PlayoutEnded)
    assert ended.time - held.time == pytest.approx(HOLD_LIMIT)
    assert (ended.complete, ended.played) == (False, held.played)


async def test_a_prepared_speech_lets_others_pass(plane: FakeMediaPlane) -> None:
    plane.send(QueueAudio("h", "bot", "s1", 0, seconds(1.0), 22_050, held=True))
    plane.send(QueueAudio("h", "bot", "s2", 0, seconds(1.0), 22_050))
    plane.send(EndSpeech("h", "bot", "s2"))
    assert (await plane.wait_for(PlayoutEnded)).speech_id == "s2"
    at = now()
    plane.send(ResumeSpeech("h", "bot", "s1"))
    plane.send(QueueAudio("h", "bot", "s1", 1, seconds(1.0), 22_050))
    plane.send(EndSpeech("h", "bot", "s1"))
    assert (await plane.wait_for(PlayoutAudible, count=2)).time == pytest.approx(at, abs=FRAME)
    assert (await plane.wait_for(PlayoutEnded, count=2)).played == pytest.approx(2.0)


async def test_silence_is_reported_once_it_has_lasted_long_enough(plane: FakeMediaPlane) -> None:
    await plane.hear("ann", 1.0)
    stopped = await plane.wait_for(VoiceActivityStopped)
    plane.send(AwaitSilence("h", "ann", stopped.time + 0.5))
    reached = await plane.wait_for(SilenceReached)
    assert reached.time == now() == stopped.time + 0.5
    plane.send(AwaitSilence("h", "ann", stopped.time + 0.4))
    assert (await plane.wait_for(SilenceReached, count=2)).time == stopped.time + 0.4


async def test_continued_speech_cancels_an_awaited_silence(plane: FakeMediaPlane) -> None:
    await plane.hear("ann", 1.0)
    stopped = await plane.wait_for(VoiceActivityStopped)
    plane.send(AwaitSilence("h", "ann", stopped.time + 0.9))
    plane.send(AwaitSilence("h", "ann", stopped.time + 0.5))
    at = now()
    await plane.hear("ann", 0.04, after=0.1)  # a single window will do in a pause
    again = await plane.wait_for(VoiceActivityStarted, count=2)
    assert again.time == pytest.approx(at + 0.1)
    await asyncio.sleep(5)
    assert not any(isinstance(n, SilenceReached) for n in plane.notices)


async def test_every_wait_is_answered_when_the_worker_dies_or_nobody_is_there(plane: FakeMediaPlane) -> None:
    await plane.hear("ann", 1.0)
    plane.send(AwaitSilence("h", "ann", now() + 60))
    plane.send(AwaitSilence("h", "nobody", now() + 60))
    plane.send(QueueAudio("h", "bot", "s1", 0, seconds(1.0), 22_050))
    plane.send(HoldSpeech("h", "bot", "s1", "ann"))
    plane.send(QueueAudio("h", "bot", "s2", 0, seconds(1.0), 22_050, held=True))
    plane.die()
    await plane.wait_for(MediaGone)
    assert [n.participant_id for n in plane.notices if isinstance(n, SilenceReached)] == ["nobody", "ann"]
    assert [n.speech_id for n in plane.notices if isinstance(n, PlayoutEnded)] == ["s1", "s2"]
    assert isinstance(plane.notices[-1], MediaGone)
