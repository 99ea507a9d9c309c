"""One person's microphone: its packets are decoded once and given to the voice activity detector.

It receives Opus packets in sequence, and its `Utterances` give the notices. It does no I/O and has no
clock: times come with the packets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from voicebot.audio.frames import HEARING_RATE, OPUS_RATE, Pcm, SampleQueue
from voicebot.audio.noise_floor import Energies, energies
from voicebot.audio.opus import OpusDecoder, packet_samples
from voicebot.audio.rtp_clock import RtpClock, TimestampUnwrapper
from voicebot.media.utterances import TOGETHER, Utterances
from voicebot.vad.base import VAD_WINDOW, FrugalVADStream, VADStream

STRIDE = OPUS_RATE // HEARING_RATE
"""RTP timestamps (48 kHz) per sample at `HEARING_RATE`."""
LONGEST_GAP = OPUS_RATE
"""The longest gap, in 48 kHz samples (1 s), that is filled with silence. A longer one ends the utterance."""
LAPSE = 0.3
"""Seconds without packets that count as silence, for example because the microphone was turned off."""
STANDSTILL = 1.0
"""Seconds without packets after which the sender's audio clock may have stopped."""
SETTLE = 0.2
"""Seconds of packets needed to tell a stopped clock from delayed packets."""
STEP = 0.1
"""Seconds by which all of these packets must be late if the clock stopped; more than usual jitter."""

OnPacket = Callable[[bytes, float, int], None]
"""Takes an Opus packet, the clock time of its first sample, and its length in 48 kHz samples."""


class _Packet(NamedTuple):
    payload: bytes
    start: int
    """Unwrapped RTP timestamp of the first sample."""
    samples: int
    arrival: float


class InboundAudio:
    """The microphone of one participant."""

    def __init__(self, utterances: Utterances, vad: VADStream, on_packet: OnPacket) -> None:
        """`on_packet` gets every packet, for the recording."""
        self.utterances = utterances
        self._vad = vad
        self._frugal = vad if isinstance(vad, FrugalVADStream) else None
        self._unjudged: list[tuple[float, Pcm, Energies]] = []
        """Windows of ongoing speech that the detector has not seen, with their times and energies."""
        self._on_packet = on_packet
        self._queue = SampleQueue()
        self._source: object = None
        self._last_arrival = 0.0
        self._reset()

    def _reset(self) -> None:
        """Begin another stream, with its own codec state and timestamps."""
        self._decoder = OpusDecoder(HEARING_RATE)
        self._unwrap = TimestampUnwrapper()
        self._rtp = RtpClock()
        self._expected: int | None = None
        self._window_at = 0
        self._settling: list[_Packet] | None = None
        self._queue.clear()

    def packet(self, source: object, payload: bytes, timestamp: int, arrival: float) -> None:
        """Take a packet with its RTP timestamp and clock time of arrival. `source` is its connection."""
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
        """Decide after a pause whether the packets were delayed or the sender's clock had stopped.

        A track that is removed from a connection and put back (a microphone was unplugged) continues
        with the next timestamp, so everything after it is late by the length of the pause.
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
            if -gap < LONGEST_GAP:  # it overlaps what was heard already
                return
            gap = LONGEST_GAP + 1
            self._rtp = RtpClock()  # the timestamps began again; after a jump ahead the clock is still right
        if gap > LONGEST_GAP:
            self.lapse()
            self._queue.clear()
            self._expected = None
        elif gap:
            self._feed(np.zeros(gap // STRIDE, np.int16), arrival)
        if self._expected is None:
            self._window_at = start
        self._expected = start + packet.samples
        self._rtp.observe(self._expected, arrival)
        self._on_packet(packet.payload, self._rtp.time(start), packet.samples)
        self._feed(pcm, arrival)

    def idle(self, now: float) -> None:
        """End the utterance if no more packets come. Called regularly, with clock time `now`."""
        if self._settling and now - self._settling[0].arrival >= SETTLE:
            self._settle()
        if now - self._last_arrival > LAPSE:
            if self._unjudged:
                self._judge()
            self.utterances.absent(now)

    def await_silence(self, until: float) -> None:
        """Report when the person has been silent until this clock time (see `AwaitSilence`)."""
        self.utterances.await_silence(until)
        self._tell_silence()

    def lapse(self) -> None:
        """End the current utterance, because the stream broke off or the person left."""
        if self._unjudged:
            self._judge()
        self.utterances.lapse()

    def close(self) -> None:
        """End the current utterance and answer an awaited silence."""
        self.lapse()
        self.utterances.close()

    def _feed(self, pcm: Pcm, now: float) -> None:
        self._queue.put(pcm)
        while len(self._queue) >= VAD_WINDOW:
            window = self._queue.take(VAD_WINDOW)
            start = self._rtp.time(self._window_at) if self._expected is not None else now
            self._window_at += VAD_WINDOW * STRIDE
            power = energies(window)
            if self._frugal is None:
                self.utterances.window(start, window, power, self._vad.probability(window))
            elif not self._unjudged and self.utterances.surely_silent(power):
                self._frugal.skip(window)
                self.utterances.window(start, window, power, 0.0)
            else:
                self._unjudged.append((start, window, power))
                if len(self._unjudged) >= TOGETHER or not self.utterances.can_wait(power):
                    self._judge()
        if self.utterances.waiting:
            self._tell_silence()
        if self._frugal is not None and not self._unjudged:
            part = self._queue.peek()
            if self.utterances.may_interrupt(part):
                self.utterances.glanced(self._frugal.glance(part))

    def _judge(self) -> None:
        """Ask the detector about the windows that it has not seen."""
        unjudged, self._unjudged = self._unjudged, []
        if len(unjudged) == 1:
            chances = [self._vad.probability(unjudged[0][1])]
        elif self._frugal is not None:
            chances = self._frugal.probabilities(np.stack([window for _, window, _ in unjudged]))
        for (start, window, power), chance in zip(unjudged, chances, strict=True):
            self.utterances.window(start, window, power, chance)

    def _tell_silence(self) -> None:
        if self._expected is None:  # there was no audio yet, or not for a second: `idle` reports it
            return
        part = self._queue.peek()
        until = self._rtp.time(self._window_at) + len(part) / HEARING_RATE
        self.utterances.heard(until, part)
