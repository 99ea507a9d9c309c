"""Echo detection with agents' voices in rooms, people who talk, and both at once."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np
import pytest
import soxr
from numpy.typing import NDArray

from voicebot.audio.echo import LONGEST, EchoGate, EchoReference
from voicebot.audio.frames import Pcm
from voicebot.settings import Settings
from voicebot.tts.base import VoiceStyle
from voicebot.tts.flite import FliteTTS

Sound = NDArray[np.float64]

RATE = 16_000
WINDOW = 512
STORY = "I can tell you a story about a ship, a storm and a very old man who kept a lighthouse."
QUESTION = "No wait, I wanted to know what happens to the harbour when it rains tomorrow."


_said: dict[tuple[str, str], Sound] = {}


async def spoken(text: str, voice: str) -> Sound:
    """The spoken text at 16 kHz, at the same loudness for every voice."""
    if (text, voice) not in _said:
        _said[text, voice] = await synthesized(text, voice)
    return _said[text, voice]


async def synthesized(text: str, voice: str) -> Sound:
    tts = await FliteTTS.load(voice, Settings(_env_file=None))  # type: ignore[call-arg]
    pcm = np.concatenate([piece async for piece in tts.synthesize(text, VoiceStyle())]).astype(float)
    return np.asarray(pcm * 3000 / pcm.std())


def through_a_room(sound: Sound, delay: float, decibels: float, reverberation: float = 0.2) -> Sound:
    """The sound after a delay, a small loudspeaker, and a room that fades by 60 dB in `reverberation` s."""
    count = int(reverberation * RATE)
    tail = 0.12 * np.random.default_rng(1).standard_normal(count) * np.exp(-6.9 * np.arange(count) / count)
    tail[0] = 1.0
    size = len(sound) + count
    heard = np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(tail, size), size)[: len(sound)]
    heard[1:] -= 0.7 * heard[:-1].copy()
    heard *= 10 ** (decibels / 20) * sound.std() / heard.std()
    return np.concatenate([np.zeros(int(delay * RATE)), heard])


def noise(count: int, decibels: float = -60) -> Sound:
    return np.random.default_rng(2).standard_normal(count) * 32768 * 10 ** (decibels / 20)


def mixed(*sounds: Sound) -> Sound:
    out = np.zeros(max(map(len, sounds)))
    for sound in sounds:
        out[: len(sound)] += sound
    return out + noise(len(out))


def listen(
    agent: Sound,
    microphone: Sound,
    sent: EchoReference | None = None,
    gate: EchoGate | None = None,
    at: float = 50.0,
) -> list[float]:
    """The likelihood of each window with sound, after the first 0.3 s of them."""
    sent = sent or EchoReference()
    gate = gate or EchoGate(sent)
    voice = soxr.resample(agent, RATE, 48_000).astype(np.int16)
    frame = 0
    pcm = np.clip(microphone, -32768, 32767).astype(np.int16)
    found: list[float] = []
    for start in range(0, len(pcm) - WINDOW, WINDOW):
        while frame + 960 <= len(voice) and frame / 48_000 <= start / RATE + 0.032:
            sent.played(at + frame / 48_000, voice[frame : frame + 960])
            frame += 960
        gate.heard(at + start / RATE, pcm[start : start + WINDOW])
        if pcm[start : start + WINDOW].std() > 0.15 * pcm.std():
            found.append(gate.likelihood())
    return found[10:]


def ask(gate: EchoGate, at: float, window: Pcm) -> float:
    gate.heard(at, window)
    return gate.likelihood()


def longest_run(windows: Iterable[bool]) -> int:
    return max((len(list(run)) for value, run in itertools.groupby(windows) if value), default=0)


@pytest.mark.needs("flite")
@pytest.mark.parametrize(
    ("voice", "delay", "decibels", "reverberation"),
    [("slt", 0.06, 0, 0.15), ("rms", 0.12, -6, 0.3), ("slt", 0.25, -15, 0.2), ("rms", 0.55, -25, 0.2)],
)
async def test_an_agent_through_a_loudspeaker_is_an_echo(
    voice: str, delay: float, decibels: float, reverberation: float
) -> None:
    agent, sent = await spoken(STORY, voice), EchoReference()
    gate = EchoGate(sent)
    found = listen(agent, mixed(through_a_room(agent, delay, decibels, reverberation)), sent, gate)
    assert len(found) > 80
    assert np.mean(np.array(found) > 0.5) > 0.9
    assert longest_run(x <= 0.5 for x in found) < 16  # half a second would interrupt
    assert gate.last.lag == pytest.approx(delay, abs=0.04)


@pytest.mark.needs("flite")
@pytest.mark.parametrize("voice", ["kal16", "awb"])
async def test_a_person_over_an_agent_is_not_an_echo(voice: str) -> None:
    found = listen(await spoken(STORY, "slt"), mixed(await spoken(QUESTION, voice)))
    assert len(found) > 80
    assert np.mean(np.array(found) > 0.5) < 0.25
    assert longest_run(x <= 0.5 for x in found) >= 16


@pytest.mark.needs("flite")
@pytest.mark.parametrize("decibels", [-6, -15])
async def test_a_person_who_talks_louder_than_the_echo_wins(decibels: float) -> None:
    agent = await spoken(STORY, "slt")
    found = listen(
        agent, mixed(through_a_room(agent, 0.2, decibels)[: len(agent)], await spoken(QUESTION, "rms"))
    )
    assert np.mean(np.array(found) > 0.5) < 0.5
    assert longest_run(x <= 0.5 for x in found) >= 16


@pytest.mark.needs("flite")
async def test_a_known_lag_makes_the_decision_surer() -> None:
    agent, person = await spoken(STORY, "slt"), await spoken(QUESTION, "rms")
    sent = EchoReference()
    gate = EchoGate(sent)
    listen(agent, mixed(through_a_room(agent, 0.2, -6)), sent, gate)
    found = listen(agent, mixed(person), sent, gate, at=80.0)
    assert np.mean(np.array(found) > 0.5) < 0.1


@pytest.mark.needs("flite")
async def test_microphones_share_the_sent_sound() -> None:
    agent = await spoken(STORY, "slt")
    sent = EchoReference()
    near, far = EchoGate(sent), EchoGate(sent)
    echo = through_a_room(agent, 0.1, -6)
    assert np.mean(listen(agent, mixed(echo), sent, near)) > 0.8
    pcm = mixed(echo).astype(np.int16)
    late = range(len(pcm) // WINDOW - 60, len(pcm) // WINDOW)
    heard = [ask(far, 50 + w * 0.032, pcm[w * WINDOW : (w + 1) * WINDOW]) for w in late]
    assert heard[-20:] != [0.0] * 20


@pytest.mark.needs("flite")
async def test_sound_is_compared_only_on_request() -> None:
    agent = await spoken(STORY, "slt")
    sent, pcm = EchoReference(), mixed(through_a_room(agent, 0.1, -6)).astype(np.int16)
    gate = EchoGate(sent)
    voice = np.repeat(agent, 3).astype(np.int16)
    found: list[float] = []
    frame = 0
    for w in range(len(agent) // WINDOW - 1):
        while frame * 960 < (w + 1) * WINDOW * 3:
            sent.played(50 + frame * 0.02, voice[frame * 960 : (frame + 1) * 960])
            frame += 1
        gate.heard(50 + w * 0.032, pcm[w * WINDOW : (w + 1) * WINDOW])
        if w % 25 == 24:  # more than what is compared
            found.append(gate.likelihood())
    assert len(found) > 4
    assert np.mean(found) > 0.5


def test_without_sent_sound_nothing_is_an_echo() -> None:
    gate = EchoGate(EchoReference())
    loud = (noise(RATE, -20)).astype(np.int16)
    assert {ask(gate, 9 + w * 0.032, loud[w * WINDOW : (w + 1) * WINDOW]) for w in range(31)} == {0.0}


def test_sound_older_than_the_longest_lag_is_not_an_echo() -> None:
    sent = EchoReference()
    gate = EchoGate(sent)
    loud = noise(3 * RATE, -20).astype(np.int16)
    for frame in range(50):
        sent.played(20 + frame * 0.02, np.repeat(loud[frame * 320 : (frame + 1) * 320], 3))
    after = 21 + LONGEST + 0.05
    assert ask(gate, after, loud[:WINDOW]) == 0.0
    assert ask(gate, after + 0.032, loud[:WINDOW]) == 0.0


def test_a_hum_is_not_an_echo() -> None:
    t = np.arange(2 * RATE) / RATE
    found = listen(noise(2 * RATE, -20), 5000 * np.sin(2 * np.pi * 400 * t) + 1e-9)
    assert max(found) < 0.5


def test_two_agents_at_once_add_up() -> None:
    sent, one, other = (
        EchoReference(),
        noise(960, -20).astype(np.int16),
        noise(1920, -20)[960:].astype(np.int16),
    )
    sent.played(1.0, one)
    alone = sent.between(100, 102)
    sent.played(1.0, other)
    both = sent.between(100, 102)
    assert (both > alone).all()
    assert sent.newest == 102
    assert (sent.between(102, 110) == 0).all()
