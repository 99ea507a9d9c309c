"""One person's microphone: decoded once, cut into utterances, barge-in measured.

Fed with Opus packets in sequence; gives notices. No I/O and no clock of its own: times
come with the packets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, cast

import numpy as np

from voicebot.audio.echo import EchoGate
from voicebot.audio.frames import HEARING_RATE, OPUS_RATE, Pcm, SampleQueue
from voicebot.audio.noise_floor import Energies, energies
from voicebot.audio.opus import OpusDecoder, packet_samples
from voicebot.audio.rtp_clock import RtpClock, TimestampUnwrapper
from voicebot.media.base import HearingSettings, OnNotice
from voicebot.media.utterances import TOGETHER, Utterances
from voicebot.vad.base import VAD_WINDOW, FrugalVADStream, VADStream

STRIDE = OPUS_RATE // HEARING_RATE
"""Timestamps per sample that is heard."""
LONGEST_GAP = OPUS_RATE
"""Missing samples (1 s) that are filled with silence; a longer gap is a pause."""
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


class _Packet(NamedTuple):
    payload: bytes
    start: int
    """Unwrapped timestamp of the first sample."""
    samples: int
    arrival: float


class InboundAudio:
    """The ear for one participant.

    `agent_talking` tells whether an agent is being heard now; `barge_in` is
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
        echo: EchoGate | None = None,
    ) -> None:
        self._vad = vad
        self._frugal = cast(FrugalVADStream, vad) if _is_frugal(vad) else None
        self._unjudged: list[tuple[float, Pcm, Energies]] = []
        """Windows of speech going on that the detector has not seen, with their begin and energies."""
        self._on_packet = on_packet
        self._queue = SampleQueue()
        self._source: object = None
        self._last_arrival = 0.0
        self._utterances = Utterances(
            host_id,
            participant_id,
            settings,
            notify,
            agent_talking=agent_talking,
            barge_in=barge_in,
            echo=echo,
        )
        self._reset()

    def _reset(self) -> None:
        """Another stream: its own codec state and timestamps."""
        self._decoder = OpusDecoder(HEARING_RATE)
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
            self._expected = None
        elif gap:
            self._feed(np.zeros(gap // STRIDE, np.int16), arrival)
        if self._expected is None:
            self._window_at = start
        self._expected = start + packet.samples
        self._rtp.observe(self._expected, arrival)
        self._on_packet(packet.payload, self._rtp.time(start), packet.samples)
        self._feed(pcm, arrival)

    @property
    def echo_seconds(self) -> float:
        """Of agents' own voices in this microphone."""
        return self._utterances.echo_seconds

    def idle(self, now: float) -> None:
        """Called now and then: packets that stay away end the utterance."""
        if self._settling and now - self._settling[0].arrival >= SETTLE:
            self._settle()
        if now - self._last_arrival > LAPSE:
            if self._unjudged:
                self._judge()
            self._utterances.absent(now)

    def await_silence(self, until: float) -> None:
        """See `voicebot.media.base.AwaitSilence`."""
        self._utterances.await_silence(until)
        self._tell_silence()

    def lapse(self) -> None:
        """The stream broke off or the person left: an utterance that was going on has ended."""
        if self._unjudged:
            self._judge()
        self._utterances.lapse()

    def close(self) -> None:
        """Nothing more will come."""
        self.lapse()
        self._utterances.close()

    # ------------------------------------------------------------ windows

    def _feed(self, pcm: Pcm, now: float) -> None:
        self._queue.put(pcm)
        while len(self._queue) >= VAD_WINDOW:
            window = self._queue.take(VAD_WINDOW)
            start = self._rtp.time(self._window_at) if self._expected is not None else now
            self._window_at += VAD_WINDOW * STRIDE
            power = energies(window)
            if self._frugal is None:
                self._utterances.window(start, window, power, self._vad.probability(window))
            elif not self._unjudged and self._utterances.surely_silent(power):
                self._frugal.skip(window)
                self._utterances.window(start, window, power, 0.0)
            else:
                self._unjudged.append((start, window, power))
                if len(self._unjudged) >= TOGETHER or not self._utterances.can_wait(power):
                    self._judge()
        if self._utterances.waiting:
            self._tell_silence()
        if self._frugal is not None and not self._unjudged:
            part = self._queue.peek()
            if self._utterances.may_interrupt(part):
                self._utterances.glanced(self._frugal.glance(part))

    def _judge(self) -> None:
        """Ask the detector about the windows it has not seen."""
        unjudged, self._unjudged = self._unjudged, []
        if len(unjudged) == 1:
            chances = [self._vad.probability(unjudged[0][1])]
        elif self._frugal is not None:
            chances = self._frugal.probabilities(np.stack([window for _, window, _ in unjudged]))
        for (start, window, power), chance in zip(unjudged, chances, strict=True):
            self._utterances.window(start, window, power, chance)

    def _tell_silence(self) -> None:
        if self._expected is None:  # nothing was heard yet, or not for a second: `idle` tells
            return
        part = self._queue.peek()
        until = self._rtp.time(self._window_at) + len(part) / HEARING_RATE
        self._utterances.heard(until, part)


def _is_frugal(vad: VADStream) -> bool:
    return all(callable(getattr(vad, name, None)) for name in ("probabilities", "skip", "glance"))
