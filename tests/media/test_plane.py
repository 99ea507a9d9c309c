from __future__ import annotations

import asyncio
import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.support.sound import loudest_hz, tone
from voicebot.audio.opus import silence_packet
from voicebot.errors import MediaError
from voicebot.media.base import (
    AddAgentTrack,
    AwaitSilence,
    CloseHost,
    ClosePeer,
    EndSpeech,
    HoldSpeech,
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

if TYPE_CHECKING:
    from conftest import Stage

RATE = 24_000


async def test_an_agent_is_heard_and_its_played_pieces_are_reported(stage: Stage) -> None:
    plane, notices = stage.plane, stage.notices
    plane.send(AddAgentTrack("host", "marlin"))
    browser = stage.browser()
    answer = await browser.join(["marlin"])
    assert list(answer.tracks.values()) == ["marlin"]
    state = await notices.wait(PeerState, lambda n: n.state == "connected")
    assert (state.local, state.remote) in {("host", "host"), ("host", "prflx")}

    plane.send(QueueAudio("host", "marlin", "s1", 0, tone(440, 0.5, RATE), RATE))
    plane.send(QueueAudio("host", "marlin", "s1", 1, tone(440, 0.35, RATE), RATE))
    plane.send(EndSpeech("host", "marlin", "s1"))
    ended = await notices.wait(PlayoutEnded)
    assert ended.complete
    assert ended.speech_id == "s1"
    assert ended.played == pytest.approx(0.85, abs=0.001)
    assert ended.pieces[0] == pytest.approx((0.5, 0.5), abs=0.001)
    assert ended.pieces[1] == pytest.approx((0.35, 0.35), abs=0.001)
    started = await notices.wait(PlayoutAudible)
    marks = notices.of(PlayoutMark)
    assert [m.index for m in marks] == [0, 1]
    assert marks[1].time - marks[0].time > 0.499  # it is more if a slot was skipped
    assert 0 <= started.time - marks[0].time < 0.01  # a tone is audible almost at once

    packets = await browser.hear("marlin", 44)  # 43 frames and the closing silence
    steps = {(b.timestamp - a.timestamp) & 0xFFFFFFFF for a, b in pairwise(packets)}
    assert min(steps) == 960
    assert loudest_hz(browser.pcm("marlin")) == pytest.approx(440, abs=3)


async def test_every_word_of_a_person_is_heard(stage: Stage, speech: np.ndarray, speak: Any) -> None:
    notices = stage.notices
    browser = stage.browser()
    await browser.join([])
    await browser.mic.say(speak(speech))
    stopped = await notices.wait(VoiceActivityStopped)
    started = notices.of(VoiceActivityStarted)[0]
    chunks = notices.of(SpeechAudio)
    assert started.participant_id == "ada"
    assert started.time < stopped.time
    assert browser.mic.sent[0] - 0.1 < started.time
    pcm = np.concatenate([c.pcm for c in chunks])
    assert pcm.dtype == np.int16
    for before, after in pairwise(chunks):
        assert before.time < after.time  # by how much is tested in virtual time
    # the heard audio is the spoken audio: their best match is nearly perfect
    match = np.correlate(pcm.astype(float), speech[4000:20000].astype(float), "valid")
    at = int(match.argmax())
    said, got = speech[4000:20000].astype(float), pcm[at : at + 16000].astype(float)
    assert np.corrcoef(said, got)[0, 1] > 0.9


async def test_talking_over_an_agent_stops_it(stage: Stage, speech: np.ndarray, speak: Any) -> None:
    plane, notices = stage.plane, stage.notices
    plane.send(AddAgentTrack("host", "marlin"))
    browser = stage.browser()
    await browser.join(["marlin"])
    plane.send(QueueAudio("host", "marlin", "s1", 0, tone(440, 30, RATE), RATE))
    plane.send(EndSpeech("host", "marlin", "s1"))
    await browser.hear("marlin", 5)
    saying = asyncio.create_task(browser.mic.say(speak(speech)))
    held = await notices.wait(PlayoutHeld)
    assert (held.by, held.speech_id) == ("ada", "s1")
    plane.send(StopSpeech("host", "marlin", "s1"))
    ended = await notices.wait(PlayoutEnded)
    assert (ended.played, ended.pieces) == (held.played, held.pieces)
    assert not ended.complete
    await saying
    await notices.wait(VoiceActivityStopped)
    packets = browser.heard["marlin"]
    played = ended.pieces[0][0]
    assert ended.played == played
    assert played < 10
    assert len(packets) <= played / 0.02 + 1.01  # the played packets and the closing silence
    assert np.sqrt(np.mean(np.square(browser.pcm("marlin")[-480:], dtype=float))) < 100
    plane.send(
        QueueAudio("host", "marlin", "s1", 1, tone(440, 1, RATE), RATE)
    )  # late audio does not begin a speech
    plane.send(QueueAudio("host", "marlin", "s2", 0, tone(660, 0.1, RATE), RATE))
    plane.send(EndSpeech("host", "marlin", "s2"))
    await notices.wait(PlayoutEnded, lambda n: n.speech_id == "s2")
    assert [n.speech_id for n in notices.of(PlayoutEnded)] == ["s1", "s2"]


async def test_a_held_speech_continues_without_loss(stage: Stage, speech: np.ndarray, speak: Any) -> None:
    plane, notices = stage.plane, stage.notices
    plane.send(AddAgentTrack("host", "marlin"))
    browser = stage.browser()
    await browser.join(["marlin"])
    noise = np.random.default_rng(1).normal(0, 3000, RATE * 3).astype(np.int16)  # no two packets are equal
    plane.send(QueueAudio("host", "marlin", "s1", 0, noise, RATE))
    plane.send(EndSpeech("host", "marlin", "s1"))
    await browser.hear("marlin", 5)
    await browser.mic.say(speak(speech))
    held = await notices.wait(PlayoutHeld)
    stopped = await notices.wait(VoiceActivityStopped)
    plane.send(AwaitSilence("host", "ada", stopped.time + 0.4))
    reached = await notices.wait(SilenceReached)
    assert reached.time == stopped.time + 0.4
    count = len(browser.heard["marlin"])
    assert count <= held.played / 0.02 + 1.01  # including the closing silence
    plane.send(ResumeSpeech("host", "marlin", "s1"))
    ended = await notices.wait(PlayoutEnded)
    assert ended.complete
    assert ended.played == pytest.approx(3, abs=0.001)
    resumed = await notices.wait(PlayoutResumed)
    assert held.time < reached.time < resumed.time < ended.time
    sent = await browser.hear("marlin", 150 + 2)  # 3 s, and silence after each part
    payloads = [packet.payload for packet in sent if packet.payload != silence_packet()]
    assert len(payloads) == len(set(payloads)) == 151


async def test_a_prepared_speech_is_heard_after_resume(stage: Stage) -> None:
    plane, notices = stage.plane, stage.notices
    plane.send(AddAgentTrack("host", "marlin"))
    browser = stage.browser()
    await browser.join(["marlin"])
    for speech_id in ("wanted", "unwanted"):
        plane.send(QueueAudio("host", "marlin", speech_id, 0, tone(440, 0.2, RATE), RATE, held=True))
        plane.send(EndSpeech("host", "marlin", speech_id))
    plane.send(StopSpeech("host", "marlin", "unwanted"))
    assert (await notices.wait(PlayoutEnded)).speech_id == "unwanted"
    assert browser.heard["marlin"] == []
    plane.send(ResumeSpeech("host", "marlin", "wanted"))
    ended = await notices.wait(PlayoutEnded, count=2)
    assert (ended.speech_id, ended.complete) == ("wanted", True)
    await browser.hear("marlin", 11)
    plane.send(HoldSpeech("host", "marlin", "unknown", "ada"))
    plane.send(ResumeSpeech("host", "nobody", "unknown"))


async def test_the_silence_of_an_absent_person_is_reported_at_once(
    stage: Stage, speech: np.ndarray, speak: Any
) -> None:
    plane, notices = stage.plane, stage.notices
    for n, (host, person) in enumerate([("host", "nobody"), ("nowhere", "ada")], 1):
        plane.send(AwaitSilence(host, person, 5.0))
        reached = await notices.wait(SilenceReached, count=n)
        assert (reached.host_id, reached.participant_id, reached.time) == (host, person, 5.0)
    browser = stage.browser()
    await browser.join([])
    await browser.mic.say(speak(speech))
    stopped = await notices.wait(VoiceActivityStopped)
    plane.send(AwaitSilence("host", "ada", stopped.time + 60))
    plane.send(ClosePeer("host", "browser-ada"))
    assert (await notices.wait(SilenceReached, count=3)).time == stopped.time + 60


async def test_a_microphone_that_stops_sending_is_silent(
    stage: Stage, speech: np.ndarray, speak: Any
) -> None:
    plane, notices = stage.plane, stage.notices
    browser = stage.browser()
    await browser.join([])
    await browser.mic.say(speak(speech))
    browser.mic.muted = True
    then = await notices.wait(VoiceActivityStopped)
    while isinstance(then, VoiceActivityStopped):  # again, if a busy machine has torn the speech apart
        stopped = then.time
        plane.send(AwaitSilence("host", "ada", stopped + 1))
        then = await notices.wait(SilenceReached | VoiceActivityStopped, lambda n, t=stopped: n.time > t)
    assert then.time == stopped + 1


@pytest.mark.parametrize("end", ["remove_agent", "close_host"])
async def test_held_and_prepared_speeches_end_with_their_agent(stage: Stage, end: str) -> None:
    plane, notices = stage.plane, stage.notices
    plane.send(AddAgentTrack("host", "marlin"))
    browser = stage.browser()
    await browser.join(["marlin"])
    plane.send(QueueAudio("host", "marlin", "held", 0, tone(440, 5, RATE), RATE))
    plane.send(QueueAudio("host", "marlin", "prepared", 0, tone(440, 5, RATE), RATE, held=True))
    await browser.hear("marlin", 3)
    plane.send(HoldSpeech("host", "marlin", "held", "ada"))
    if end == "remove_agent":
        plane.send(RemoveAgentTrack("host", "marlin"))
    else:
        plane.send(CloseHost("host"))
    await notices.wait(PlayoutEnded, count=2)
    assert [(n.speech_id, n.complete) for n in notices.of(PlayoutEnded)] == [
        ("held", False),
        ("prepared", False),
    ]


async def test_a_silent_agent_sends_nothing(stage: Stage, speech: np.ndarray, speak: Any) -> None:
    plane, notices = stage.plane, stage.notices
    plane.send(AddAgentTrack("host", "marlin"))
    plane.send(AddAgentTrack("host", "coral"))
    browser = stage.browser()
    await browser.join(["marlin", "coral"])
    await browser.mic.say(speak(speech))
    await notices.wait(VoiceActivityStopped)
    assert browser.heard == {"marlin": [], "coral": []}
    plane.send(QueueAudio("host", "coral", "s1", 0, tone(440, 0.1, RATE), RATE))
    plane.send(EndSpeech("host", "coral", "s1"))
    await browser.hear("coral", 6)
    assert browser.heard["marlin"] == []


async def test_two_people_hear_the_same_packets(stage: Stage) -> None:
    plane = stage.plane
    plane.send(AddAgentTrack("host", "marlin"))
    ada, bo = stage.browser("ada"), stage.browser("bo")
    await ada.join(["marlin"])
    await bo.join(["marlin"])
    plane.send(QueueAudio("host", "marlin", "s1", 0, tone(440, 0.4, RATE), RATE))
    plane.send(EndSpeech("host", "marlin", "s1"))
    first = [p.payload for p in await ada.hear("marlin", 21)]
    second = [p.payload for p in await bo.hear("marlin", 21)]
    assert first == second


async def test_agents_come_and_go_on_the_same_connection(stage: Stage) -> None:
    plane, notices = stage.plane, stage.notices
    plane.send(AddAgentTrack("host", "marlin"))
    browser = stage.browser()
    await browser.join(["marlin"])
    plane.send(AddAgentTrack("host", "coral"))
    answer = await browser.join(["marlin", "coral"])
    assert sorted(answer.tracks.values()) == ["coral", "marlin"]
    for agent in ("marlin", "coral"):
        plane.send(QueueAudio("host", agent, f"{agent}-1", 0, tone(440, 0.2, RATE), RATE))
        plane.send(EndSpeech("host", agent, f"{agent}-1"))
        await browser.hear(agent, 10)

    plane.send(QueueAudio("host", "marlin", "marlin-2", 0, tone(440, 5, RATE), RATE))
    plane.send(RemoveAgentTrack("host", "marlin"))
    ended = await notices.wait(PlayoutEnded, lambda n: n.speech_id == "marlin-2")
    assert not ended.complete
    answer = await browser.join(["coral"])
    assert list(answer.tracks.values()) == ["coral"]

    plane.send(AddAgentTrack("host", "marlin"))  # the inactive section is used again
    count = len(browser.heard["marlin"])
    mid = next(t.mid for t in browser.pc.getTransceivers() if t.direction == "inactive")
    transceiver = next(t for t in browser.pc.getTransceivers() if t.mid == mid)
    transceiver.direction = "recvonly"
    browser.transceivers["marlin"] = transceiver
    answer = await browser.join(["marlin", "coral"])
    assert answer.tracks[mid] == "marlin"
    plane.send(QueueAudio("host", "marlin", "marlin-3", 0, tone(440, 0.2, RATE), RATE))
    plane.send(EndSpeech("host", "marlin", "marlin-3"))
    await browser.hear("marlin", count + 10)
    assert [n.state for n in notices.of(PeerState)] == ["connecting", "connected"]


TRANSPORT = ("ice-", "candidate", "end-of-candidates", "fingerprint", "setup", "rtcp")
"""Attributes of the transport, which an offer has once for a bundle (RFC 9143)."""


def bundled(sdp: str, begun: int) -> str:
    """The offer as Firefox writes it with `max-bundle` if the first `begun` sections were answered."""
    head, first, *others = re.split(r"(?m)^(?=m=)", sdp)
    for n, section in enumerate(others, 1):
        lines = [
            line for line in section.splitlines() if not line.startswith(tuple(f"a={a}" for a in TRANSPORT))
        ]
        if n >= begun:
            lines[0] = re.sub(r" \d+ ", " 0 ", lines[0], count=1)
            lines.append("a=bundle-only")
        others[n - 1] = "\r\n".join(lines) + "\r\n"
    return "".join([head, first, *others])


async def test_agents_are_heard_in_bundled_sections_without_a_transport(stage: Stage) -> None:
    plane, browser = stage.plane, stage.browser()
    written = browser.offer
    begun = 0

    async def offer(agents: list[str]) -> tuple[str, dict[str, str]]:
        nonlocal begun
        sdp, tracks = await written(agents)
        text, begun = bundled(sdp, begun), len(tracks)
        return text, tracks

    browser.offer = offer  # type: ignore[method-assign]
    for agents in (["marlin", "coral"], ["marlin", "coral", "reef"]):
        plane.send(AddAgentTrack("host", agents[-1]))
        plane.send(AddAgentTrack("host", agents[0]))
        answer = await browser.join(agents)
        assert sorted(answer.tracks.values()) == sorted(agents)
        for agent in agents:
            count = len(browser.heard[agent])
            plane.send(QueueAudio("host", agent, f"{agent}-{begun}", 0, tone(440, 0.2, RATE), RATE))
            plane.send(EndSpeech("host", agent, f"{agent}-{begun}"))
            await browser.hear(agent, count + 10)


async def test_a_larger_epoch_replaces_the_older_connection(
    stage: Stage, speech: np.ndarray, speak: Any
) -> None:
    plane, notices = stage.plane, stage.notices
    plane.send(AddAgentTrack("host", "marlin"))
    old = stage.browser()
    await old.join(["marlin"], epoch=1)
    new = stage.browser()
    await new.join(["marlin"], epoch=2)
    await old.closed.wait()  # the host closes it, because this browser does not
    plane.send(QueueAudio("host", "marlin", "s1", 0, tone(440, 0.2, RATE), RATE))
    plane.send(EndSpeech("host", "marlin", "s1"))
    await new.hear("marlin", 10)
    assert old.heard["marlin"] == []
    await new.mic.say(speak(speech))
    await notices.wait(VoiceActivityStopped)
    states = [(n.epoch, n.state) for n in notices.of(PeerState)]
    assert states == [(1, "connecting"), (1, "connected"), (2, "connecting"), (2, "connected")]
    with pytest.raises(MediaError, match="Epoch 1 is over"):
        await plane.answer(PeerOffer("host", "browser-ada", 1, "v=0", {}, ()))


async def test_both_connections_carry_every_packet_until_the_old_one_closes(stage: Stage) -> None:
    plane, notices = stage.plane, stage.notices
    plane.send(AddAgentTrack("host", "marlin"))
    bo, old, new = stage.browser("bo"), stage.browser(), stage.browser()
    await bo.join(["marlin"])
    await old.join(["marlin"], epoch=1)
    noise = np.random.default_rng(1).normal(0, 3000, RATE * 60).astype(np.int16)  # no two packets are equal
    plane.send(QueueAudio("host", "marlin", "s1", 0, noise, RATE))
    await old.hear("marlin", 10)
    await new.join(["marlin"], epoch=2)
    await old.hear("marlin", len(old.heard["marlin"]) + 25)
    await new.hear("marlin", 25)
    await old.close()
    await new.hear("marlin", len(new.heard["marlin"]) + 25)
    plane.send(StopSpeech("host", "marlin", "s1"))
    ended = await notices.wait(PlayoutEnded)
    packets = round(ended.played / 0.02) + 1  # the last one fades the speech out
    everything = [p.payload for p in await bo.hear("marlin", packets)]
    before, after = ([p.payload for p in browser.heard["marlin"]] for browser in (old, new))
    first = everything.index(after[0])
    assert before == everything[: len(before)]
    assert after == everything[first : first + len(after)]
    assert len(before) - first >= 20  # the browser may switch anywhere here
    states = [(n.epoch, n.state) for n in notices.of(PeerState) if n.peer_id == new.peer_id]
    assert states == [(1, "connecting"), (1, "connected"), (2, "connecting"), (2, "connected")]


async def test_one_microphone_on_two_connections_is_heard_once(
    stage: Stage, speech: np.ndarray, speak: Any
) -> None:
    old, new = stage.browser(), stage.browser()
    await old.join([], epoch=1)
    await new.join([], epoch=2)
    said = speak(speech)
    saying = asyncio.create_task(old.mic.say(said))  # the host may close this connection before the end
    await new.mic.say(said)
    await stage.notices.wait(VoiceActivityStopped)
    saying.cancel()
    # A machine that stalls may tear the speech apart. Heard twice, it would be as long again.
    activity = VoiceActivityStarted | VoiceActivityStopped
    changes = [type(notice) for notice in stage.notices.all if isinstance(notice, activity)]
    assert set(changes[::2]) == {VoiceActivityStarted}
    assert set(changes[1::2]) == {VoiceActivityStopped}
    chunks = stage.notices.of(SpeechAudio)
    heard = sum(len(chunk.pcm) for chunk in chunks) / 16_000
    assert heard < len(speech) / 16_000 + 2


async def test_closing_a_peer_ends_the_utterance(stage: Stage, speech: np.ndarray, speak: Any) -> None:
    browser = stage.browser()
    await browser.join([])
    saying = asyncio.create_task(browser.mic.say(speak(speech)))
    await stage.notices.wait(VoiceActivityStarted)
    stage.plane.send(ClosePeer("host", "browser-ada"))
    await stage.notices.wait(VoiceActivityStopped)
    await stage.notices.wait(PeerState, lambda n: n.state == "closed")
    saying.cancel()


async def test_a_microphone_that_is_cut_off_ends_the_utterance(
    stage: Stage, speech: np.ndarray, speak: Any
) -> None:
    browser = stage.browser()
    await browser.join([])
    saying = asyncio.create_task(browser.mic.say(speak(speech)))
    await stage.notices.wait(VoiceActivityStarted)
    browser.mic.muted = True
    await stage.notices.wait(VoiceActivityStopped)
    saying.cancel()


@pytest.mark.parametrize(
    ("pcm", "rate"),
    [(np.zeros(480, np.float32), RATE), (np.zeros((5, 2, 2), np.int16), RATE), (tone(440, 0.1, RATE), 0)],
    ids=["float", "shape", "rate"],
)
async def test_audio_that_cannot_be_played_ends_its_speech(
    inline_stage: Stage, pcm: np.ndarray, rate: int
) -> None:
    plane, notices = inline_stage.plane, inline_stage.notices
    plane.send(AddAgentTrack("host", "marlin"))
    for speech in ("begun", "new"):
        if speech == "begun":
            plane.send(QueueAudio("host", "marlin", speech, 0, tone(440, 5, RATE), RATE))
        plane.send(QueueAudio("host", "marlin", speech, 1, pcm, rate))
        plane.send(EndSpeech("host", "marlin", speech))
        ended = await notices.wait(PlayoutEnded, lambda n, speech=speech: n.speech_id == speech)
        assert not ended.complete
        assert 1 not in ended.pieces


async def test_offers_that_cannot_be_answered_raise_an_explanation(stage: Stage) -> None:
    plane = stage.plane
    browser = stage.browser()
    sdp, tracks = await browser.offer([])
    with pytest.raises(MediaError, match="no agent host 'elsewhere'"):
        await plane.answer(PeerOffer("elsewhere", "p", 1, sdp, tracks, ()))
    with pytest.raises(MediaError, match="no media section"):
        await plane.answer(PeerOffer("host", "p", 1, "v=0\r\n", tracks, ()))
    with pytest.raises(MediaError, match="without Opus"):
        await plane.answer(PeerOffer("host", "p", 1, sdp.replace("opus/48000", "fake/48000"), tracks, ()))
    assert stage.notices.of(PeerState) == []  # nothing began, so the epoch may be used again
    await plane.answer(PeerOffer("host", "p", 1, sdp, tracks, ()))
    await browser.join([], epoch=3)
    restarted = (await browser.offer([]))[0].replace("ice-ufrag:", "ice-ufrag:x")
    with pytest.raises(MediaError, match="cannot restart ICE"):
        await plane.answer(PeerOffer("host", browser.peer_id, 3, restarted, tracks, ()))
