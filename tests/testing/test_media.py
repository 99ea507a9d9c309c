from __future__ import annotations

import asyncio
import inspect
import itertools
from collections.abc import AsyncIterator

import numpy as np
import pytest

from voicebot.errors import MediaError
from voicebot.media.base import (
    HOLD_LIMIT,
    HearingSettings,
    MediaGone,
    MediaPlane,
    PeerState,
    PlayoutAudible,
    PlayoutEnded,
    PlayoutHeld,
    PlayoutMark,
    PlayoutResumed,
    SilenceReached,
    SpeechAudio,
    VoiceActivityStarted,
    VoiceActivityStopped,
)
from voicebot.testing.media import FakeMediaPlane

pytestmark = pytest.mark.virtual_time


@pytest.fixture
async def plane() -> AsyncIterator[FakeMediaPlane]:
    plane = FakeMediaPlane()
    await plane.start(lambda notice: None)
    plane.open_host("h", HearingSettings())
    plane.add_agent("h", "bot")
    yield plane
    await plane.close()


def seconds(length: float, rate: int = 22_050) -> np.ndarray:
    return np.ones(int(length * rate), np.int16)


def now() -> float:
    return asyncio.get_running_loop().time()


@pytest.mark.parametrize("name", sorted(n for n in vars(MediaPlane) if not n.startswith("_")))
def test_it_is_called_like_every_media_plane(name: str) -> None:
    contract, fake = getattr(MediaPlane, name), getattr(FakeMediaPlane, name)
    if isinstance(contract, property):
        assert isinstance(fake, property)
        contract, fake = contract.fget, fake.fget
    assert inspect.iscoroutinefunction(fake) == inspect.iscoroutinefunction(contract)
    wanted = [(p.name, p.kind, p.default) for p in inspect.signature(contract).parameters.values()]
    assert [(p.name, p.kind, p.default) for p in inspect.signature(fake).parameters.values()] == wanted


async def test_a_speech_is_played_at_real_pace_with_its_marks(plane: FakeMediaPlane) -> None:
    begun = now()
    plane.say("h", "bot", "s1", 0, seconds(1.0), 22_050)
    plane.say("h", "bot", "s1", 1, seconds(0.5), 22_050)
    plane.say("h", "bot", "s1", 1, seconds(0.5), 22_050)
    plane.end("h", "bot", "s1")
    ended = await plane.wait_for(PlayoutEnded)
    started = await plane.wait_for(PlayoutAudible)
    marks = [(n.index, n.time - begun) for n in plane.notices if isinstance(n, PlayoutMark)]
    assert started.time == begun
    assert marks == [(0, 0), (1, pytest.approx(1.0))]
    assert ended.time - begun == pytest.approx(2.0)
    assert ended.complete
    assert ended.played == pytest.approx(2.0)
    assert ended.pieces == {0: pytest.approx((1.0, 1.0)), 1: pytest.approx((1.0, 1.0))}


async def test_playout_waits_for_late_audio(plane: FakeMediaPlane) -> None:
    begun = now()
    plane.say("h", "bot", "s1", 0, seconds(0.5), 22_050)
    await asyncio.sleep(2)
    assert not any(isinstance(n, PlayoutEnded) for n in plane.notices)
    plane.say("h", "bot", "s1", 1, seconds(0.5), 22_050)
    plane.end("h", "bot", "s1")
    ended = await plane.wait_for(PlayoutEnded)
    assert ended.time - begun == pytest.approx(2.5)
    assert ended.played == pytest.approx(1.0)


async def test_stop_says_how_much_was_heard(plane: FakeMediaPlane) -> None:
    plane.say("h", "bot", "s1", 0, seconds(1.0), 22_050)
    plane.say("h", "bot", "s1", 1, seconds(1.0), 22_050)
    plane.say("h", "bot", "s1", 2, seconds(1.0), 22_050)
    await asyncio.sleep(1.25)
    plane.stop("h", "bot", "s1")
    plane.say("h", "bot", "s1", 3, seconds(1.0), 22_050)  # too late, ignored
    ended = await plane.wait_for(PlayoutEnded)
    assert not ended.complete
    assert ended.interrupted_by == ""
    assert ended.pieces == {0: pytest.approx((1.0, 1.0)), 1: pytest.approx((0.25, 1.0))}
    await asyncio.sleep(5)
    assert sum(isinstance(n, PlayoutEnded) for n in plane.notices) == 1


async def test_speeches_of_one_agent_follow_each_other(plane: FakeMediaPlane) -> None:
    for name in ("s1", "s2"):
        plane.say("h", "bot", name, 0, seconds(1.0), 22_050)
        plane.end("h", "bot", name)
    second = await plane.wait_for(PlayoutAudible, lambda n: n.speech_id == "s2")
    first = await plane.wait_for(PlayoutEnded, lambda n: n.speech_id == "s1")
    assert second.time == pytest.approx(first.time)


async def test_a_person_is_heard_with_the_settings_of_the_host(plane: FakeMediaPlane) -> None:
    begun = now()
    hearing = asyncio.create_task(plane.hear("ann", 1.0, after=1.0))
    started = await plane.wait_for(VoiceActivityStarted)
    assert now() - begun == pytest.approx(1.064)
    assert started.time - begun == pytest.approx(1.0)
    stopped = await plane.wait_for(VoiceActivityStopped)
    assert now() - begun == pytest.approx(2.104)
    assert stopped.time - begun == pytest.approx(2.0)
    await hearing
    audio = [n for n in plane.notices if isinstance(n, SpeechAudio)]
    assert sum(len(n.pcm) for n in audio) / 16_000 == pytest.approx(1.104)
    for one, next_one in itertools.pairwise(audio):
        assert next_one.time == pytest.approx(one.time + len(one.pcm) / 16_000)


async def test_a_short_pause_does_not_end_the_speech_and_a_click_does_not_begin_one(
    plane: FakeMediaPlane,
) -> None:
    await plane.hear("ann", 0.04, -0.5, 0.5, -0.08, 0.5)
    kinds = [type(n) for n in plane.notices if isinstance(n, (VoiceActivityStarted, VoiceActivityStopped))]
    assert kinds == [VoiceActivityStarted, VoiceActivityStopped]


async def test_the_start_is_handed_over_with_what_came_before_it(plane: FakeMediaPlane) -> None:
    await plane.hear("ann", -1.0, 0.5)
    started, first = await plane.wait_for(VoiceActivityStarted), await plane.wait_for(SpeechAudio)
    assert started.time - first.time == pytest.approx(0.4)


async def test_talking_over_an_agent_interrupts_it(plane: FakeMediaPlane) -> None:
    plane.say("h", "bot", "s1", 0, seconds(10), 22_050)
    plane.end("h", "bot", "s1")
    await plane.hear("ann", 1.0, after=2.0)
    held = await plane.wait_for(PlayoutHeld)
    assert held.by == "ann"
    assert held.played == pytest.approx(2.2)
    assert not plane.talking()
    plane.stop("h", "bot", "s1")
    ended = await plane.wait_for(PlayoutEnded)
    assert ended.interrupted_by == "ann"
    assert not ended.complete
    assert ended.played == pytest.approx(2.2)


async def test_speech_that_began_before_the_agent_counts_from_the_agents_start(plane: FakeMediaPlane) -> None:
    hearing = asyncio.create_task(plane.hear("ann", 1.0))
    await asyncio.sleep(0.5)
    plane.say("h", "bot", "s1", 0, seconds(10), 22_050)
    await hearing
    held = await plane.wait_for(PlayoutHeld)
    assert held.played == pytest.approx(0.2, abs=0.009)  # one window


async def test_a_cough_does_not_interrupt(plane: FakeMediaPlane) -> None:
    plane.say("h", "bot", "s1", 0, seconds(3), 22_050)
    plane.end("h", "bot", "s1")
    await plane.hear("ann", 0.1, after=0.5)
    assert (await plane.wait_for(PlayoutEnded)).complete


async def test_connections_come_up_and_go_down(plane: FakeMediaPlane) -> None:
    answer = await plane.answer("h", "ann", 1, "offer", {"0": "ann", "1": "bot"}, ())
    assert answer.tracks == {"1": "bot"}
    await plane.wait_for(PeerState, lambda n: n.state == "connected")
    plane.lose_peer("ann")
    await plane.answer("h", "ann", 2, "offer", {}, ())
    plane.close_peer("h", "ann")
    await plane.wait_for(PeerState, lambda n: n.state == "closed")
    states = [(n.epoch, n.state) for n in plane.notices if isinstance(n, PeerState)]
    assert states == [(1, "connecting"), (1, "connected"), (1, "failed"), (2, "connecting"), (2, "closed")]


async def test_refusals(plane: FakeMediaPlane) -> None:
    with pytest.raises(MediaError, match="nowhere"):
        await plane.answer("nowhere", "ann", 1, "offer", {}, ())
    plane.refuse_answers = "no codecs in common"
    with pytest.raises(MediaError, match="codecs"):
        await plane.answer("h", "ann", 1, "offer", {}, ())
    plane.say("h", "nobody", "s", 0, seconds(1), 22_050)
    plane.end("nowhere", "bot", "s")
    assert plane.problems == ["no agent nobody on h", "no host nowhere"]


async def test_a_removed_agent_falls_silent(plane: FakeMediaPlane) -> None:
    plane.say("h", "bot", "s1", 0, seconds(5), 22_050)
    plane.say("h", "bot", "s2", 0, seconds(5), 22_050)
    await asyncio.sleep(1)
    plane.remove_agent("h", "bot")
    ends = [await plane.wait_for(PlayoutEnded, count=n) for n in (1, 2)]
    assert [(e.speech_id, e.complete, round(e.played, 6)) for e in ends] == [
        ("s1", False, 1.0),
        ("s2", False, 0.0),
    ]


async def test_a_worker_that_dies_says_so(plane: FakeMediaPlane) -> None:
    plane.say("h", "bot", "s1", 0, seconds(5), 22_050)
    await asyncio.sleep(1)
    plane.die("killed by a test")
    assert (await plane.wait_for(MediaGone)).reason == "killed by a test"
    plane.open_host("h", HearingSettings())  # as the control plane does again
    assert [c.name for c in plane.commanded("open_host")] == ["open_host", "open_host"]


async def test_hearing_gives_every_sample_from_the_preroll_on_once(plane: FakeMediaPlane) -> None:
    await plane.hear("ada", -1.0, 0.5, -0.08, 0.5, after=0.25)
    audio = [notice for notice in plane.notices if isinstance(notice, SpeechAudio)]
    [started] = [notice for notice in plane.notices if isinstance(notice, VoiceActivityStarted)]
    settings = HearingSettings()
    assert started.time - audio[0].time == pytest.approx(settings.preroll, abs=0.009)
    for before, after in itertools.pairwise(audio):
        assert after.time == pytest.approx(before.time + len(before.pcm) / 16_000)
    heard = sum(len(notice.pcm) for notice in audio) / 16_000
    assert heard == pytest.approx(settings.preroll + 1.08 + settings.pause_after, abs=0.02)


async def test_a_held_speech_goes_on_where_it_stopped(plane: FakeMediaPlane) -> None:
    begun = now()
    plane.say("h", "bot", "s1", 0, seconds(1.0), 22_050)
    plane.say("h", "bot", "s1", 1, seconds(1.0), 22_050)
    plane.end("h", "bot", "s1")
    await asyncio.sleep(1.25)
    plane.hold("h", "bot", "s1", "ann")
    assert not plane.talking()
    await asyncio.sleep(5)
    plane.resume("h", "bot", "s1")
    ended = await plane.wait_for(PlayoutEnded)
    assert ended.complete
    assert ended.time - begun == pytest.approx(7.0)
    assert ended.pieces == {0: pytest.approx((1.0, 1.0)), 1: pytest.approx((1.0, 1.0))}
    assert [n.index for n in plane.notices if isinstance(n, PlayoutMark)] == [0, 1]
    held, resumed = [n for n in plane.notices if isinstance(n, PlayoutHeld | PlayoutResumed)]
    assert (held.by, resumed.time - held.time) == ("ann", pytest.approx(5.0))


async def test_a_hold_for_a_person_is_resumed_or_ends(plane: FakeMediaPlane) -> None:
    plane.say("h", "bot", "s1", 0, seconds(30), 22_050)
    plane.end("h", "bot", "s1")
    await plane.hear("ann", 0.5, after=1.0)
    plane.resume("h", "bot", "s1")
    resumed = await plane.wait_for(PlayoutResumed)
    assert resumed.time == pytest.approx(now())
    await plane.hear("ann", 0.5, after=1.0)
    held = await plane.wait_for(PlayoutHeld, count=2)
    ended = await plane.wait_for(PlayoutEnded)
    assert ended.time - held.time == pytest.approx(HOLD_LIMIT)
    assert (ended.complete, ended.interrupted_by, ended.played) == (False, "ann", held.played)


async def test_a_prepared_speech_lets_others_pass(plane: FakeMediaPlane) -> None:
    plane.say("h", "bot", "s1", 0, seconds(1.0), 22_050, held=True)
    plane.say("h", "bot", "s2", 0, seconds(1.0), 22_050)
    plane.end("h", "bot", "s2")
    assert (await plane.wait_for(PlayoutEnded)).speech_id == "s2"
    at = now()
    plane.resume("h", "bot", "s1")
    plane.say("h", "bot", "s1", 1, seconds(1.0), 22_050)
    plane.end("h", "bot", "s1")
    assert (await plane.wait_for(PlayoutAudible, count=2)).time == at
    assert (await plane.wait_for(PlayoutEnded, count=2)).played == pytest.approx(2.0)


async def test_silence_is_told_when_it_has_lasted(plane: FakeMediaPlane) -> None:
    await plane.hear("ann", 1.0)
    stopped = await plane.wait_for(VoiceActivityStopped)
    plane.await_silence("h", "ann", stopped.time + 0.5)
    reached = await plane.wait_for(SilenceReached)
    assert reached.time == now() == stopped.time + 0.5
    plane.await_silence("h", "ann", stopped.time + 0.4)
    assert (await plane.wait_for(SilenceReached, count=2)).time == stopped.time + 0.4


async def test_speech_that_goes_on_takes_the_wait_back(plane: FakeMediaPlane) -> None:
    await plane.hear("ann", 1.0)
    stopped = await plane.wait_for(VoiceActivityStopped)
    plane.await_silence("h", "ann", stopped.time + 0.9)
    plane.await_silence("h", "ann", stopped.time + 0.5)
    at = now()
    await plane.hear("ann", 0.04, after=0.1)  # a single window will do in a pause
    again = await plane.wait_for(VoiceActivityStarted, count=2)
    assert again.time == pytest.approx(at + 0.1)
    await asyncio.sleep(5)
    assert not any(isinstance(n, SilenceReached) for n in plane.notices)


async def test_nothing_is_left_open_when_the_worker_dies_or_nobody_is_there(plane: FakeMediaPlane) -> None:
    await plane.hear("ann", 1.0)
    plane.await_silence("h", "ann", now() + 60)
    plane.await_silence("h", "nobody", now() + 60)
    plane.say("h", "bot", "s1", 0, seconds(1.0), 22_050)
    plane.hold("h", "bot", "s1", "ann")
    plane.say("h", "bot", "s2", 0, seconds(1.0), 22_050, held=True)
    plane.die()
    await plane.wait_for(MediaGone)
    assert [n.participant_id for n in plane.notices if isinstance(n, SilenceReached)] == ["nobody", "ann"]
    assert [n.speech_id for n in plane.notices if isinstance(n, PlayoutEnded)] == ["s1", "s2"]
    assert isinstance(plane.notices[-1], MediaGone)
