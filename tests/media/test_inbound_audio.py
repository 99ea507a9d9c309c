"""One person's microphone with given packets and a simple detector."""

from __future__ import annotations

from itertools import pairwise
from typing import TypeVar

import numpy as np
import pytest
from numpy.typing import NDArray

from voicebot.audio.opus import OpusEncoder, silence_packet
from voicebot.media.base import (
    HearingSettings,
    Notice,
    SpeechAudio,
    VoiceActivityStarted,
    VoiceActivityStopped,
)
from voicebot.media.inbound_audio import InboundAudio
from voicebot.media.utterances import Utterances
from voicebot.testing.speech import speak
from voicebot.vad.base import VADStream
from voicebot.vad.silero import SileroVAD

N = TypeVar("N", bound=Notice)


class LoudIsSpeech:
    """A detector that takes any loud sound for speech."""

    def probability(self, window: NDArray[np.int16]) -> float:
        return 1.0 if np.abs(window).max() > 1000 else 0.0


class Late(LoudIsSpeech):
    """A detector that needs two windows of sound (64 ms) to recognise speech, as Silero does."""

    def __init__(self) -> None:
        self._loud = 0
        self.deaf = False

    def probability(self, window: NDArray[np.int16]) -> float:
        self._loud = self._loud + 1 if super().probability(window) else 0
        return 1.0 if self._loud > 2 and not self.deaf else 0.0


class Frugal(LoudIsSpeech):
    """A detector with all optional methods."""

    def probabilities(self, windows: NDArray[np.int16]) -> list[float]:
        return [self.probability(window) for window in windows]

    def skip(self, window: NDArray[np.int16]) -> None: ...

    def glance(self, part: NDArray[np.int16]) -> float:
        return self.probability(part)


class Ear:
    def __init__(self, settings: HearingSettings | None = None, vad: VADStream | None = None) -> None:
        self.notices: list[Notice] = []
        self.told: list[float] = []
        """The clock time of each notice."""
        self.recorded: list[tuple[bytes, float, int]] = []
        self.interruptions: list[float] = []
        self.agent_talks = False
        self.now = 500.0
        self.timestamp = 2**32 - 4800  # it will wrap soon
        self.source = object()
        self._encoder = OpusEncoder()
        self._phase = 0
        utterances = Utterances(
            "host",
            "ada",
            settings or HearingSettings(),
            self._notice,
            agent_talking=lambda: self.agent_talks,
            barge_in=lambda who: self.interruptions.append(self.now),
        )
        self.hearing = InboundAudio(
            utterances, vad or LoudIsSpeech(), lambda *packet: self.recorded.append(packet)
        )

    def _notice(self, notice: Notice) -> None:
        self.notices.append(notice)
        self.told.append(self.now)

    def of(self, kind: type[N]) -> list[N]:
        return [n for n in self.notices if isinstance(n, kind)]

    def packet(self, payload: bytes, late: float = 0.0) -> None:
        self.now += 0.02
        self.hearing.packet(self.source, payload, self.timestamp & 0xFFFFFFFF, self.now + late)
        self.timestamp += 960

    def bring(self, pcm: NDArray[np.int16]) -> None:
        """Receive sound: mono int16 at 48 kHz."""
        for frame in pcm[: len(pcm) // 960 * 960].astype(np.int16).reshape(-1, 960):
            self.packet(self._encoder.encode(frame))

    def speak(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.02)):
            t = (np.arange(960) + self._phase) / 48_000
            self._phase += 960
            self.packet(self._encoder.encode((12_000 * np.sin(2 * np.pi * 400 * t)).astype(np.int16)))

    def be_quiet(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.02)):
            self.packet(silence_packet())

    def lose(self, seconds: float) -> None:
        """Lose packets; the sender's clock continues."""
        self.now += seconds
        self.timestamp += round(seconds * 48_000)


def test_an_utterance_has_a_start_audio_and_a_stop() -> None:
    ear = Ear()
    ear.be_quiet(1)
    spoke = ear.now
    ear.speak(1)
    fell_silent = ear.now
    ear.be_quiet(1)
    (started,), (stopped,) = ear.of(VoiceActivityStarted), ear.of(VoiceActivityStopped)
    assert started.time == pytest.approx(spoke, abs=0.04)
    assert ear.told[0] - started.time == pytest.approx(0.064, abs=0.03)
    assert stopped.time == pytest.approx(fell_silent, abs=0.04)
    assert 0.09 < ear.told[-1] - stopped.time < 0.16
    chunks = ear.of(SpeechAudio)
    assert chunks[0].time == pytest.approx(started.time - 0.4, abs=0.02)
    for a, b in pairwise(chunks):
        assert b.time == pytest.approx(a.time + len(a.pcm) / 16_000, abs=0.001)
    whole = np.concatenate([c.pcm for c in chunks])
    assert len(whole) / 16_000 == pytest.approx(0.4 + 1 + 0.13, abs=0.05)
    order = [type(n) for n in ear.notices]
    assert order == [VoiceActivityStarted, *[SpeechAudio] * len(chunks), VoiceActivityStopped]
    assert len(chunks) == pytest.approx(1.2 / 0.096, abs=2)  # a few windows each


def test_a_click_is_not_an_utterance() -> None:
    ear = Ear()
    ear.be_quiet(1)
    ear.speak(0.02)
    ear.be_quiet(1)
    assert ear.of(VoiceActivityStarted) == []


def test_no_audio_is_handed_over_twice() -> None:
    ear = Ear()
    ear.be_quiet(0.5)
    ear.speak(0.5)
    ear.be_quiet(0.3)
    ear.speak(0.5)
    ear.be_quiet(1)
    assert len(ear.of(VoiceActivityStarted)) == 2
    for a, b in pairwise(ear.of(SpeechAudio)):
        assert b.time >= a.time + len(a.pcm) / 16_000 - 0.001


def test_talking_over_an_agent_interrupts_it_in_time() -> None:
    ear = Ear()
    ear.agent_talks = True
    ear.be_quiet(1)
    spoke = ear.now
    ear.speak(0.5)
    assert ear.interruptions[0] - spoke == pytest.approx(0.2, abs=0.05)


@pytest.mark.parametrize("seconds", [0.1, 0.2, 0.5])
def test_interruption_time_counts_from_the_first_sound(
    seconds: float,
) -> None:
    ear = Ear(HearingSettings(interrupt_after=seconds), Late())
    ear.agent_talks = True
    ear.be_quiet(1)
    spoke = ear.now
    ear.speak(1)
    assert ear.interruptions[0] - spoke == pytest.approx(seconds, abs=0.04)


def test_sound_long_before_recognised_speech_does_not_count_towards_an_interruption() -> None:
    ear = Ear(HearingSettings(interrupt_after=0.2), detector := Late())
    ear.agent_talks = True
    ear.be_quiet(1)
    detector.deaf = True
    ear.speak(1)  # a machine makes noise
    detector.deaf = False
    spoke = ear.now
    ear.speak(1)
    assert 0.1 < ear.interruptions[0] - spoke < 0.25


def test_short_sounds_and_speech_before_the_agent_do_not_interrupt() -> None:
    ear = Ear()
    ear.agent_talks = True
    for _ in range(5):  # "mhm"
        ear.speak(0.1)
        ear.be_quiet(0.4)
    assert ear.interruptions == []
    ear.agent_talks = False
    ear.speak(1)
    ear.agent_talks = True
    ear.speak(0.1)
    assert ear.interruptions == []
    ear.speak(0.2)
    assert len(ear.interruptions) == 1


@pytest.mark.parametrize("detector", [LoudIsSpeech, Frugal])
def test_a_television_that_never_pauses_stops_interrupting(detector: type[VADStream]) -> None:
    ear = Ear(HearingSettings(max_utterance=2.0, interrupt_after=0.064), detector())
    ear.speak(3.0)
    ear.agent_talks = True
    for _ in range(3):
        ear.speak(1.0)
        ear.be_quiet(0.3)
    assert not ear.interruptions
    ear.be_quiet(0.5)  # after a real pause, a person speaks
    ear.speak(0.5)
    assert ear.interruptions


def test_a_gap_in_the_stream_becomes_silence_and_keeps_the_time() -> None:
    ear = Ear()
    ear.be_quiet(0.5)
    ear.speak(0.4)
    ear.lose(0.06)
    ear.speak(0.4)
    ear.be_quiet(0.5)
    assert len(ear.of(VoiceActivityStarted)) == 1
    whole = np.concatenate([c.pcm for c in ear.of(SpeechAudio)])
    assert len(whole) / 16_000 == pytest.approx(0.4 + 0.86 + 0.13, abs=0.05)


def test_a_microphone_turned_off_mid_word_ends_the_utterance() -> None:
    ear = Ear()
    ear.speak(0.5)
    ear.hearing.idle(ear.now + 0.1)
    assert ear.of(VoiceActivityStopped) == []
    ear.hearing.idle(ear.now + 1)
    assert len(ear.of(VoiceActivityStopped)) == 1
    ear.lose(60)
    ear.speak(0.5)
    ear.be_quiet(0.5)
    assert len(ear.of(VoiceActivityStarted)) == len(ear.of(VoiceActivityStopped)) == 2
    assert ear.of(VoiceActivityStarted)[1].time == pytest.approx(ear.now - 1.0, abs=0.05)


def test_a_new_connection_may_have_other_timestamps() -> None:
    ear = Ear()
    ear.be_quiet(0.5)
    ear.speak(0.3)
    ear.source, ear.timestamp = object(), 77
    ear.be_quiet(0.5)
    ear.speak(0.3)
    ear.be_quiet(0.5)
    assert len(ear.of(VoiceActivityStarted)) == len(ear.of(VoiceActivityStopped)) == 2


def test_recorded_packets_have_the_time_of_speech() -> None:
    ear = Ear()
    for n in range(200):
        ear.packet(silence_packet(), late=0.03 * (n % 3))
    times = [time for _, time, _ in ear.recorded]
    steps = [b - a for a, b in pairwise(times)]
    assert len(ear.recorded) == 200
    assert steps[5:] == pytest.approx([0.02] * 194, abs=1e-6)  # jitter is not in them
    assert times[-1] == pytest.approx(ear.now - 0.02, abs=1e-6)


def test_a_reconnected_microphone_has_the_right_times() -> None:
    """Its timestamps continue where they stopped, however long the pause was."""
    ear = Ear()
    ear.be_quiet(2)
    for pause in (10.0, 1.5):
        ear.now += pause
        spoke = ear.now
        ear.speak(0.5)
        fell_silent = ear.now
        ear.be_quiet(0.5)
        assert ear.of(VoiceActivityStarted)[-1].time == pytest.approx(spoke, abs=0.04)
        assert ear.of(VoiceActivityStopped)[-1].time == pytest.approx(fell_silent, abs=0.04)
        assert [time for _, time, _ in ear.recorded[-50:]] == pytest.approx(spoke + np.arange(50) * 0.02)
    assert len(ear.recorded) == 200
    assert len(ear.of(VoiceActivityStarted)) == 2


def test_delayed_packets_keep_their_times() -> None:
    """After a stall of the worker or of the network they arrive in a burst."""
    ear = Ear()
    ear.be_quiet(2)
    for n in range(75):
        ear.packet(silence_packet(), late=1.5 - n * 0.0199)
    ear.be_quiet(0.5)
    times = [time for _, time, _ in ear.recorded]
    assert [b - a for a, b in pairwise(times)] == pytest.approx([0.02] * 199, abs=1e-6)


def test_a_few_packets_after_a_pause_are_heard() -> None:
    ear = Ear()
    ear.be_quiet(1)
    ear.now += 5
    ear.speak(0.1)
    ear.hearing.idle(ear.now + 0.05)
    assert len(ear.recorded) == 50
    ear.hearing.idle(ear.now + 0.15)
    assert len(ear.recorded) == 55
    assert ear.recorded[-1][1] == pytest.approx(ear.now - 0.02)


class Plain:
    """The real detector, which is asked about every window separately."""

    def __init__(self) -> None:
        self.asked = 0
        self._stream = SileroVAD().stream()

    def probability(self, window: NDArray[np.int16]) -> float:
        self.asked += 1
        return self._stream.probability(window)


class Counted(Plain):
    """The real detector, with its calls counted."""

    def probabilities(self, windows: NDArray[np.int16]) -> list[float]:
        self.asked += 1
        return self._stream.probabilities(windows)  # type: ignore[attr-defined, no-any-return]

    def skip(self, window: NDArray[np.int16]) -> None:
        self._stream.skip(window)  # type: ignore[attr-defined]

    def glance(self, part: NDArray[np.int16]) -> float:
        return self._stream.glance(part)  # type: ignore[attr-defined, no-any-return]


@pytest.mark.needs("flite")
@pytest.mark.parametrize("noise", [0, 20, 100])
def test_asking_the_detector_less_often_gives_the_same_decisions(noise: float) -> None:
    pcm = np.concatenate(
        [np.zeros(96_000), speak("what is the weather in paris today", sample_rate=48_000), np.zeros(96_000)]
    )
    pcm = pcm + np.random.default_rng(1).normal(0, noise + 1e-9, len(pcm))
    ears, detectors = [], (Plain(), Counted())
    for detector in detectors:
        ear = Ear(vad=detector)
        ear.bring(pcm)
        ears.append(ear)
    plain, frugal = ears
    for kind in (VoiceActivityStarted, VoiceActivityStopped):
        times = [[n.time for n in ear.of(kind)] for ear in ears]
        assert times[1] == pytest.approx(times[0], abs=0.033)
    told = [ear.told[[type(n) for n in ear.notices].index(VoiceActivityStopped)] for ear in ears]
    assert told[1] == pytest.approx(told[0], abs=0.041)
    heard = [np.concatenate([n.pcm for n in ear.of(SpeechAudio)]) for ear in (plain, frugal)]
    assert len(heard[0]) == pytest.approx(len(heard[1]), abs=2 * 512)
    assert detectors[1].asked < 0.8 * detectors[0].asked


@pytest.mark.needs("flite")
def test_glancing_at_partial_windows_makes_interruptions_faster() -> None:
    spoken = speak("wait a moment please", sample_rate=48_000)
    soonest: dict[type[Plain], list[float]] = {Plain: [], Counted: []}
    for begin in range(96_000, 96_000 + 1536, 192):  # speech begins in every part of a window
        for detector, times in soonest.items():
            ear = Ear(HearingSettings(interrupt_after=0.064), detector())
            ear.agent_talks = True
            noise = np.random.default_rng(1).normal(0, 20, begin)
            ear.bring(noise)
            assert not ear.interruptions
            ear.bring(np.concatenate([noise[: begin % 960], spoken, noise]))
            times.append(ear.interruptions[0])
    assert all(a >= b for a, b in zip(soonest[Plain], soonest[Counted], strict=True))
    assert np.mean(soonest[Plain]) - np.mean(soonest[Counted]) > 0.005


def test_invalid_packets_are_ignored() -> None:
    ear = Ear()
    ear.be_quiet(0.2)
    ear.packet(b"\x03")
    ear.speak(0.3)
    ear.be_quiet(0.5)
    assert len(ear.of(VoiceActivityStopped)) == 1
