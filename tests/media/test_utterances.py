"""The end of speech and the length of silence, with synthetic audio and with the real detector."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import pytest
from numpy.typing import NDArray

from voicebot.audio.noise_floor import energies
from voicebot.media.base import (
    HearingSettings,
    Notice,
    SilenceReached,
    SpeechAudio,
    VoiceActivityStarted,
    VoiceActivityStopped,
)
from voicebot.media.utterances import SECOND_THOUGHT, Utterances
from voicebot.testing.speech import speak
from voicebot.vad.base import VAD_WINDOW, VADStream
from voicebot.vad.silero import SileroVAD

N = TypeVar("N", bound=Notice)
RATE = 16_000
PACKET = 320
"""Samples per packet of 20 ms."""
BEGIN = 100.0


class Slow:
    """A realistic detector: it is a window late, and reports speech for three windows after it."""

    def __init__(self, loud: float = 1000.0) -> None:
        self._loud = loud
        self._heard: list[bool] = [False] * 5

    def probability(self, window: NDArray[np.int16]) -> float:
        self._heard = [*self._heard[1:], float(np.std(window)) > self._loud]
        return 0.9 if any(self._heard[:-1]) else 0.2


class Listener:
    """Hears samples packet by packet. `told` has each notice with its clock time."""

    def __init__(
        self,
        vad: VADStream | None = None,
        settings: HearingSettings | None = None,
        delay: float | None = None,
    ) -> None:
        self.vad = vad or Slow()
        self.told: list[tuple[float, Notice]] = []
        self.delay = delay
        """Seconds of silence to await after every pause, as the control plane does."""
        self.now = BEGIN
        self._at = self._end = 0
        self._pcm = np.zeros(0, np.int16)
        self.utterances = Utterances(
            "h",
            "ada",
            settings or HearingSettings(),
            self._notice,
            agent_talking=lambda: False,
            barge_in=lambda who: None,
        )

    def _notice(self, notice: Notice) -> None:
        self.told.append((self.now, notice))

    def hear(self, pcm: NDArray[np.int16]) -> None:
        self._pcm = np.concatenate([self._pcm, pcm])
        while self._end + PACKET <= len(self._pcm):
            self._end += PACKET
            self.now = BEGIN + self._end / RATE
            count = len(self.told)
            while self._end - self._at >= VAD_WINDOW:
                window = self._pcm[self._at : self._at + VAD_WINDOW]
                chance = self.vad.probability(window)
                self.utterances.window(BEGIN + self._at / RATE, window, energies(window), chance)
                self._at += VAD_WINDOW
            for _, notice in self.told[count:]:
                if isinstance(notice, VoiceActivityStopped) and self.delay is not None:
                    self.utterances.await_silence(notice.time + self.delay)
            self.utterances.heard(self.now, self._pcm[self._at : self._end])

    def of(self, kind: type[N]) -> list[tuple[float, N]]:
        return [(time, notice) for time, notice in self.told if isinstance(notice, kind)]


def voice(seconds: float, level: float = 6000, seed: int = 0) -> NDArray[np.int16]:
    """Loud noise, which a detector by level takes for speech."""
    rng = np.random.default_rng(seed)
    return rng.normal(0, level, round(seconds * RATE)).astype(np.int16)


def quiet(seconds: float) -> NDArray[np.int16]:
    return np.zeros(round(seconds * RATE), np.int16)


def pink(count: int, level: float) -> NDArray[np.float64]:
    spectrum = np.fft.rfft(np.random.default_rng(3).normal(size=count))
    spectrum /= np.sqrt(np.maximum(1, np.arange(len(spectrum))))
    sound = np.fft.irfft(spectrum, count)
    return np.asarray(level * sound / sound.std())


def white(count: int, level: float) -> NDArray[np.float64]:
    return np.random.default_rng(3).normal(0, max(level, 1e-9), count)


# ---------------------------------------------------------------- the end of speech


@pytest.mark.parametrize("noise", [0, 30, 100, 300, 900])
@pytest.mark.parametrize("colour", [white, pink])
def test_speech_ends_with_its_last_sound_in_noise_of_any_level(
    noise: float, colour: Callable[[int, float], NDArray[np.float64]]
) -> None:
    pcm = np.concatenate([quiet(2), voice(1.003), quiet(1)])
    ear = Listener(Slow(loud=2500))
    ear.hear((pcm + colour(len(pcm), noise)).astype(np.int16))
    [(told, stopped)] = ear.of(VoiceActivityStopped)
    assert stopped.time - BEGIN == pytest.approx(3.003, abs=0.009)
    assert told - BEGIN - 3.003 < 0.18  # the detector reports speech for more than 0.1 s after it


def test_a_soft_consonant_at_the_end_belongs_to_the_speech() -> None:
    ear = Listener()
    ear.hear(np.concatenate([quiet(1), voice(0.5), voice(0.08, level=400), quiet(1)]))
    [(_, stopped)] = ear.of(VoiceActivityStopped)
    assert stopped.time - BEGIN == pytest.approx(1.58, abs=0.009)


def test_the_end_is_never_later_than_the_detector_says() -> None:
    """A machine starts when the person stops speaking."""
    ear = Listener(Slow(loud=5000))
    ear.hear(np.concatenate([quiet(1), voice(0.512), voice(2, level=3000)]))
    [(told, stopped)] = ear.of(VoiceActivityStopped)
    assert stopped.time - BEGIN <= 1.512 + 5 * 0.032
    assert told >= stopped.time + 0.09


def test_speech_as_soft_as_the_noise_ends_when_the_detector_says_so() -> None:
    class Sharp:
        def probability(self, window: NDArray[np.int16]) -> float:
            return 0.9 if window[0] else 0.1

    ear = Listener(Sharp())
    soft = np.ones(20 * VAD_WINDOW, np.int16)
    ear.hear(np.concatenate([quiet(0.96), soft, quiet(1)]))
    [(_, stopped)] = ear.of(VoiceActivityStopped)
    assert stopped.time - BEGIN == pytest.approx(0.96 + 20 * 0.032)


def test_speech_is_handed_over_completely_and_in_order() -> None:
    said = voice(1.37)
    ear = Listener(delay=0.3)
    ear.hear(np.concatenate([quiet(1), said, quiet(1)]))
    order = [type(notice) for _, notice in ear.told]
    assert order[0] is VoiceActivityStarted
    assert order[-3:] == [SpeechAudio, VoiceActivityStopped, SilenceReached]
    chunks = [notice for _, notice in ear.of(SpeechAudio)]
    for a, b in itertools.pairwise(chunks):
        assert b.time == pytest.approx(a.time + len(a.pcm) / RATE)
    whole = np.concatenate([chunk.pcm for chunk in chunks])
    begin = round((BEGIN + 1 - chunks[0].time) * RATE)
    assert np.array_equal(whole[begin : begin + len(said)], said)
    assert len(chunks) < 20


# ---------------------------------------------------------------- awaited silence


def test_silence_is_reported_with_the_packet_that_completes_it() -> None:
    for delay in (0.2, 0.35, 0.5, 1.0):
        ear = Listener(delay=delay)
        ear.hear(np.concatenate([quiet(1), voice(0.5), quiet(1.5)]))
        [(_, stopped)] = ear.of(VoiceActivityStopped)
        [(told, reached)] = ear.of(SilenceReached)
        assert reached.time == stopped.time + delay
        assert 0 <= told - reached.time < 0.0201


@pytest.mark.parametrize("seed", range(40))
def test_silence_is_not_reported_if_speech_continues_too_early(seed: int) -> None:
    rng = np.random.default_rng(seed)
    delay = float(rng.uniform(0.15, 0.6))
    ear = Listener(delay=delay)
    level = rng.uniform(3000, 9000)
    ear.hear(quiet(float(rng.uniform(0.5, 0.6))))
    pauses = []
    for n in range(12):
        begin = ear._pcm.size
        ear.hear(voice(float(rng.uniform(0.15, 0.5)), level=level, seed=n))
        pauses.append((begin, ear._pcm.size))
        ear.hear(quiet(float(rng.uniform(0.01, delay + 0.2))))
    for (_, end), (again, _) in itertools.pairwise(pauses):
        ended, resumed = BEGIN + end / RATE, BEGIN + again / RATE
        told = [time for time, _ in ear.of(SilenceReached) if ended < time <= resumed + delay]
        if resumed - ended < delay - 0.02:
            assert not told, f"answered {delay:.3f} s after a pause of {resumed - ended:.3f} s"
        if resumed - ended > max(delay, 0.16) + 0.1:  # the detector must report silence, too
            assert len(told) == 1


def test_silence_reports_the_speech_probability_at_its_end() -> None:
    ear = Listener(delay=0.5)
    ear.hear(np.concatenate([voice(1.0), quiet(1.0)]))
    [(_, reached)] = ear.of(SilenceReached)
    assert reached.probability == pytest.approx(0.2)  # the lowest value of this detector


def test_one_window_of_speech_cancels_an_awaited_silence() -> None:
    ear = Listener(delay=0.5)
    ear.hear(np.concatenate([quiet(1), voice(0.5), quiet(0.3), voice(0.03), quiet(2)]))
    (_, first), (told, again) = ear.of(VoiceActivityStarted)
    assert first.time < again.time
    assert told - (BEGIN + 1.8) < 0.09
    assert len(ear.of(SilenceReached)) == 1
    assert ear.of(SilenceReached)[0][0] > again.time + 0.5


def test_a_click_just_before_the_deadline_waits_for_the_detector() -> None:
    ear = Listener(delay=0.3)
    click = voice(0.008, level=900)
    ear.hear(np.concatenate([quiet(1), voice(0.5), quiet(0.28), click, quiet(1)]))
    [(told, reached)] = ear.of(SilenceReached)
    assert 0.02 < told - reached.time <= 0.02 + SECOND_THOUGHT + 0.032
    assert len(ear.of(VoiceActivityStarted)) == 1


def test_a_later_wait_replaces_an_earlier_one_and_a_past_one_is_answered_at_once() -> None:
    ear = Listener()
    ear.hear(np.concatenate([quiet(1), voice(0.5), quiet(0.3)]))
    ear.utterances.await_silence(BEGIN + 2.5)
    ear.utterances.await_silence(BEGIN + 2.0)
    ear.hear(quiet(1))
    assert [notice.time for _, notice in ear.of(SilenceReached)] == [BEGIN + 2.0]
    ear.utterances.await_silence(BEGIN + 1.9)
    ear.utterances.heard(ear.now, quiet(0))
    assert [notice.time for _, notice in ear.of(SilenceReached)] == [BEGIN + 2.0, BEGIN + 1.9]


def test_a_speaker_is_not_silent_but_an_absent_person_is() -> None:
    ear = Listener()
    ear.hear(np.concatenate([quiet(1), voice(0.5)]))
    ear.utterances.await_silence(BEGIN + 1)
    ear.hear(voice(0.5))
    assert not ear.of(SilenceReached)
    ear.utterances.absent(BEGIN + 3)  # without packets the utterance is over
    assert ear.of(VoiceActivityStopped)
    ear.utterances.await_silence(BEGIN + 4)
    ear.utterances.absent(BEGIN + 3.9)
    assert not ear.of(SilenceReached)
    ear.utterances.absent(BEGIN + 4)
    assert len(ear.of(SilenceReached)) == 1
    ear.utterances.await_silence(BEGIN + 5)
    ear.utterances.close()
    assert len(ear.of(SilenceReached)) == 2


# ---------------------------------------------------------------- the real detector


@pytest.fixture(scope="module")
def silero() -> SileroVAD:
    return SileroVAD()


def spoken(text: str) -> NDArray[np.int16]:
    """A spoken text without the sound below -27 dB around it."""
    pcm = speak(text).astype(np.float64)
    pcm *= 8000 / np.abs(pcm).max()
    power = (pcm[: len(pcm) // 128 * 128].reshape(-1, 128) ** 2).mean(axis=1)
    loud = np.flatnonzero(power > power.max() * 10**-2.7)
    return pcm[loud[0] * 128 : (loud[-1] + 1) * 128].astype(np.int16)


@pytest.mark.needs("flite")
@pytest.mark.parametrize("noise", [0, 30, 100])
def test_the_end_of_spoken_sentences_is_found(silero: SileroVAD, noise: float) -> None:
    for text in ("what is the weather in paris today", "stop that", "give me the map", "see the ship"):
        pcm = np.concatenate([quiet(1.5), spoken(text), quiet(1)])
        ear = Listener(silero.stream(), delay=0.2)
        ear.hear((pcm + white(len(pcm), noise)).astype(np.int16))
        told, stopped = ear.of(VoiceActivityStopped)[-1]
        end = BEGIN + len(pcm) / RATE - 1
        assert stopped.time == pytest.approx(end, abs=0.03)
        assert told - end < 0.25
        told, _ = ear.of(SilenceReached)[-1]
        assert told - end == pytest.approx(0.21, abs=0.06)


@pytest.mark.needs("flite")
@pytest.mark.parametrize("noise", [0, 100])
def test_a_pause_in_a_spoken_sentence_is_not_reported_as_silence(silero: SileroVAD, noise: float) -> None:
    rng = np.random.default_rng(5)
    words = [spoken(text) for text in ("hello", "see the ship", "half", "first", "who", "a big leaf")]
    for delay in (0.2, 0.5):
        for _ in range(12):
            one, other = words[rng.integers(6)], words[rng.integers(6)]
            pause = quiet(rng.uniform(0.02, delay - 0.021))
            pcm = np.concatenate([quiet(1), one, pause, other, quiet(1.2)])
            ear = Listener(silero.stream(), delay=delay)
            ear.hear((pcm + white(len(pcm), noise)).astype(np.int16))
            begin_of_end = BEGIN + (len(pcm) - len(other)) / RATE - 1.2
            told = [time for time, _ in ear.of(SilenceReached)]
            assert [time for time in told if time < begin_of_end + 0.05] == []
            assert told
