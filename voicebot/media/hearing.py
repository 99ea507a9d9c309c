"""One person's microphone: decoded once, cut into utterances, barge-in measured.

Fed with Opus packets in sequence; gives notices. No I/O and no clock of its own: times
come with the packets.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from voicebot.audio.frames import HEARING_RATE, OPUS_RATE, Pcm, SampleQueue
from voicebot.audio.opus import OpusDecoder, packet_samples
from voicebot.audio.resampling import Resampler
from voicebot.audio.rtp_clock import RtpClock, TimestampUnwrapper
from voicebot.media.base import (
    HearingSettings,
    OnNotice,
    SilenceReached,
    SpeechAudio,
    SpeechStarted,
    SpeechStopped,
)
from voicebot.vad.base import VAD_RATE, VAD_WINDOW, VADStream

WINDOW_SECONDS = VAD_WINDOW / VAD_RATE
LONGEST_GAP = OPUS_RATE
"""Missing samples (1 s) that are filled with silence; a longer gap is a pause."""
OVERLAP_PAUSE = 3
"""Windows without speech (96 ms) after which talking over an agent counts anew."""
LAPSE = 0.3
"""Seconds without packets that count as silence (a microphone was turned off mid-word)."""
STANDSTILL = 1.0
"""Seconds without packets after which the sender's audio clock may have stood still."""
SETTLE = 0.2
"""Seconds of packets that tell a clock that stood still from packets that were delayed."""
STEP = 0.1
"""Seconds by which every one of them must be late: more than the jitter of the least delayed."""

OnPacket = Callable[[bytes, float, int], None]
"""An Opus packet in sequence, the clock time of its first sample, and its 48 kHz samples."""


@dataclass(frozen=True, slots=True)
class _Packet:
    payload: bytes
    start: int
    """Unwrapped timestamp of the first sample."""
    samples: int
    arrival: float


class Hearing:
    """The ear for one participant.

    `agent_talking` tells whether an interruptible agent is being heard now; `barge_in` is
    called once a person has talked over it for `interrupt_after`; `on_packet` is the
    recorder's.
    """

    def __init__(
        self,
        host_id: str,
        participant_id: str,
        settings: HearingSettings,
        vad: VADStream,
        notify: OnNotice,
        *,
        agent_talking: Callable[[], bool],
        barge_in: Callable[[str], None],
        on_packet: OnPacket,
    ) -> None:
        self.host_id = host_id
        self.participant_id = participant_id
        self._settings = settings
        self._vad = vad
        self._notify = notify
        self._agent_talking = agent_talking
        self._barge_in = barge_in
        self._on_packet = on_packet
        self._queue = SampleQueue()
        self._source: object = None
        self._last_arrival = 0.0
        # utterances
        self._speaking = False
        self._on = 0
        self._off = 0
        self._pause = self._utterance = 0
        """Windows of silence, and since the utterance began."""
        self._over = 0
        self._over_pause = 0
        self._before: deque[tuple[float, Pcm]] = deque(
            maxlen=_windows(settings.preroll) + _windows(settings.start_after) + 1
        )
        self._speech_end = 0.0
        self._heard_until = 0.0
        self._awaited: float | None = None
        self._reset()

    def _reset(self) -> None:
        """Another stream: its own codec state and timestamps."""
        self._decoder = OpusDecoder()
        self._resampler = Resampler(OPUS_RATE, HEARING_RATE, "LQ")
        self._unwrap = TimestampUnwrapper()
        self._rtp = RtpClock()
        self._expected: int | None = None
        self._window_at = 0
        self._settling: list[_Packet] | None = None
        self._queue.clear()

    def packet(self, source: object, payload: bytes, timestamp: int, arrival: float) -> None:
        """The next packet; `source` names the connection it came on."""
        if source is not self._source:
            self.lapse()
            self._source = source
            self._reset()
        elif arrival - self._last_arrival > STANDSTILL and self._settling is None:
            self._settling = []
        self._last_arrival = arrival
        packet = _Packet(payload, self._unwrap.unwrap(timestamp), packet_samples(payload), arrival)
        if self._settling is None:
            self._take(packet)
            return
        self._settling.append(packet)
        if arrival - self._settling[0].arrival >= SETTLE:
            self._settle()

    def _settle(self) -> None:
        """Go on after a pause: were the packets on their way, or did the sender's clock stand still?

        A track that is taken off a connection and put back (a microphone unplugged) goes on
        with the next timestamp, so that all that follows is late by the length of the pause.
        """
        packets, self._settling = self._settling or [], None
        rtp = RtpClock()
        for packet in packets:
            rtp.observe(packet.start + packet.samples, packet.arrival)
        if rtp.offset > self._rtp.offset + STEP:
            self._rtp = rtp
            self.lapse()
        for packet in packets:
            self._take(packet)

    def _take(self, packet: _Packet) -> None:
        start, arrival = packet.start, packet.arrival
        pcm = self._decoder.decode(packet.payload)
        if not len(pcm):
            return
        gap = 0 if self._expected is None else start - self._expected
        if gap < 0:
            if -gap < LONGEST_GAP:  # overlaps what was heard already
                return
            gap = LONGEST_GAP + 1
            self._rtp = RtpClock()  # another count; one that jumped ahead needs no other clock
        if gap > LONGEST_GAP:
            self.lapse()
            self._queue.clear()
            self._resampler.flush()
            self._expected = None
        elif gap:
            self._feed(np.zeros(gap, np.int16), arrival)
        if self._expected is None:
            self._window_at = start
        self._expected = start + len(pcm)
        self._rtp.observe(self._expected, arrival)
        self._on_packet(packet.payload, self._rtp.time(start), len(pcm))
        self._feed(pcm, arrival)

    def idle(self, now: float) -> None:
        """Called now and then: packets that stay away end the utterance."""
        if self._settling and now - self._settling[0].arrival >= SETTLE:
            self._settle()
        if now - self._last_arrival > LAPSE:
            if self._speaking:
                self.lapse()
            self._heard_until = now
            self._tell_silence()

    def await_silence(self, until: float) -> None:
        self._awaited = None if self._speaking else until
        self._tell_silence()

    def _tell_silence(self) -> None:
        if self._awaited is not None and self._heard_until >= self._awaited and not self._on:
            at, self._awaited = self._awaited, None
            self._notify(SilenceReached(self.host_id, self.participant_id, at))

    def lapse(self) -> None:
        """The stream broke off or the person left: an utterance that was going on has ended."""
        if self._speaking:
            self._stop()
        self._on = self._over = 0
        self._before.clear()

    # ------------------------------------------------------------ windows

    def _feed(self, pcm: Pcm, now: float) -> None:
        self._queue.put(self._resampler.feed(pcm))
        while len(self._queue) >= VAD_WINDOW:
            window = self._queue.take(VAD_WINDOW)
            start = self._rtp.time(self._window_at) if self._expected is not None else now
            self._window_at += VAD_WINDOW * (OPUS_RATE // HEARING_RATE)
            self._window(start, window)

    def _window(self, start: float, window: Pcm) -> None:
        probability = self._vad.probability(window)
        settings = self._settings
        if speech := probability > settings.speech_threshold:
            self._on += 1
            self._off = 0
        elif probability < settings.silence_threshold:
            self._on = 0
            self._off += 1
        if probability >= settings.silence_threshold:
            self._speech_end = start + WINDOW_SECONDS
        if self._speaking:
            self._notify(SpeechAudio(self.host_id, self.participant_id, start, window))
            if self._off >= _windows(settings.stop_after):
                self._stop()
        else:
            self._before.append((start, window))
            if self._on >= (1 if self._awaited is not None else _windows(settings.start_after)):
                self._start()
        self._heard_until = start + WINDOW_SECONDS
        self._tell_silence()
        self._count_utterance(speech)
        self._talk_over(speech and self._utterance <= _windows(settings.max_utterance))

    def _count_utterance(self, speech: bool) -> None:
        self._pause = 0 if speech else self._pause + 1
        if self._pause >= _windows(self._settings.utterance_pause):
            self._utterance = 0
        elif speech or self._utterance:
            self._utterance += 1

    def _start(self) -> None:
        self._speaking = True
        self._awaited = None
        at = self._before[-min(self._on, len(self._before))][0]
        self._notify(SpeechStarted(self.host_id, self.participant_id, at))
        kept = [(t, pcm) for t, pcm in self._before if t >= at - self._settings.preroll - WINDOW_SECONDS / 2]
        pcm = np.concatenate([window for _, window in kept])
        self._notify(SpeechAudio(self.host_id, self.participant_id, kept[0][0], pcm))
        self._before.clear()

    def _stop(self) -> None:
        self._speaking = False
        self._on = self._off = 0
        self._notify(SpeechStopped(self.host_id, self.participant_id, self._speech_end))

    def _talk_over(self, speech: bool) -> None:
        if not self._agent_talking():
            self._over = 0
            return
        if speech:
            self._over += 1
            self._over_pause = 0
            if self._over >= _windows(self._settings.interrupt_after):
                self._over = 0
                self._barge_in(self.participant_id)
        else:
            self._over_pause += 1
            if self._over_pause > OVERLAP_PAUSE:
                self._over = 0


def _windows(seconds: float) -> int:
    """The nearest whole number of windows, at least one."""
    return max(1, round(seconds / WINDOW_SECONDS))
