"""One agent's voice: queued audio becomes one paced stream of Opus packets.

Each frame is resampled and encoded once, one frame ahead of its slot; the packets fan
out to every peer. Nothing is sent while there is nothing to say.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from voicebot.audio.frames import (
    FRAME_SAMPLES,
    OPUS_RATE,
    SILENT_FRAME,
    Pcm,
    SampleQueue,
    as_mono,
)
from voicebot.audio.levels import first_audible
from voicebot.audio.opus import OpusEncoder, silence_packet
from voicebot.audio.pacing import Pacer
from voicebot.audio.resampling import Resampler
from voicebot.clock import Clock
from voicebot.media.base import OnNotice, PlayoutEnded, PlayoutMark, PlayoutStarted

log = logging.getLogger(__name__)

MAX_QUEUED = 600 * OPUS_RATE
"""Samples one speech may queue: ten minutes; more is dropped and logged."""
FORGET_AFTER = 256
"""Ended speeches remembered, so that audio which comes too late is not begun anew."""

SendPacket = Callable[[bytes, int, float], None]
"""Called with an Opus packet, its pts (48 kHz) and the clock time of its slot."""


class _Tail(Enum):
    """One silent packet follows a speech, so that the decoder falls silent softly."""

    WHOLE = "whole"
    CUT = "cut"


@dataclass
class _Span:
    """Consecutive audio of one piece, in output samples of its speech."""

    index: int
    start: int
    end: int


@dataclass
class _Speech:
    speech_id: str
    interruptible: bool
    queue: SampleQueue = field(default_factory=SampleQueue)
    spans: list[_Span] = field(default_factory=list)
    resampler: Resampler | None = None
    taken: int = 0
    """Output samples turned into frames."""
    sent: int = 0
    """Output samples sent."""
    queued: int = 0
    """Output samples promised by what was said so far."""
    base: int = 0
    """`queued` when the resampler began."""
    fed: int = 0
    """Input samples given to the resampler."""
    ended: bool = False
    started: bool = False
    marked: set[int] = field(default_factory=set)

    def add(self, index: int, pcm: Pcm, rate: int) -> None:
        if self.resampler is None or self.resampler.rate_in != rate:
            self.flush()
            self.resampler = Resampler(rate, OPUS_RATE)
            self.base, self.fed = self.queued, 0
        self.fed += len(pcm)
        end = self.base + round(self.fed * OPUS_RATE / rate)
        if self.spans and self.spans[-1].index == index:
            self.spans[-1].end = end
        else:
            self.spans.append(_Span(index, self.queued, end))
        self.queued = end
        self.queue.put(self.resampler.feed(pcm))

    def flush(self) -> None:
        if self.resampler is not None:
            self.queue.put(self.resampler.flush())
            self.resampler = None

    def pieces(self) -> Mapping[int, tuple[float, float]]:
        """Begun pieces: seconds played and seconds queued."""
        out: dict[int, tuple[float, float]] = {}
        for span in self.spans:
            if span.start >= self.sent:
                continue
            played, queued = out.get(span.index, (0.0, 0.0))
            out[span.index] = (
                played + (min(self.sent, span.end) - span.start) / OPUS_RATE,
                queued + (span.end - span.start) / OPUS_RATE,
            )
        return out


@dataclass(frozen=True, slots=True)
class _Frame:
    speech: _Speech
    payload: bytes
    start: int
    count: int
    audible: int | None


class Voice:
    """Speeches of one agent, played in the order they were begun."""

    def __init__(
        self, host_id: str, agent_id: str, *, clock: Clock, origin: float, send: SendPacket, notify: OnNotice
    ) -> None:
        self.host_id = host_id
        self.agent_id = agent_id
        self._clock = clock
        self._send = send
        self._notify = notify
        self._loop = asyncio.get_running_loop()
        self._pacer = Pacer(origin)
        self._encoder = OpusEncoder()
        self._speeches: deque[_Speech] = deque()
        self._over: deque[str] = deque(maxlen=FORGET_AFTER)
        self._ready: _Frame | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._tail: _Tail | None = None
        self._closed = False

    # ------------------------------------------------------------ commands

    def say(self, speech_id: str, index: int, pcm: Pcm, rate: int, interruptible: bool) -> None:
        """Queue audio; a speech id not seen before begins a speech and ends the one before.

        Raises:
            ValueError: it is not mono int16, or the rate is not positive.
        """
        if self._closed or speech_id in self._over:
            return
        pcm = as_mono(pcm)
        if rate <= 0:
            raise ValueError(f"sample rate must be positive, not {rate}")
        speech = self._find(speech_id)
        if speech is None:
            if self._speeches:
                self._end(self._speeches[-1])
            speech = _Speech(speech_id, interruptible)
            self._speeches.append(speech)
        if speech.ended:
            log.warning("speech %s had been ended: its further audio is dropped", speech_id)
            return
        if speech.queued + len(pcm) * OPUS_RATE // rate > MAX_QUEUED:
            log.warning("speech %s has more than ten minutes queued: the rest is dropped", speech_id)
            return
        speech.add(index, pcm, rate)
        self._go()

    def end(self, speech_id: str) -> None:
        """No more audio will come for this speech."""
        if self._closed or speech_id in self._over:
            return
        speech = self._find(speech_id)
        if speech is None:  # nothing was ever said
            self._ended(_Speech(speech_id, True), complete=True)
            return
        self._end(speech)
        self._go()

    def stop(self, speech_id: str) -> None:
        """Drop what is queued, at once."""
        if self._closed or speech_id in self._over:
            return
        self._drop(self._find(speech_id) or _Speech(speech_id, True))

    def interrupt(self, by: str) -> None:
        """A person talks over this agent: every interruptible speech stops."""
        for speech in [s for s in self._speeches if s.interruptible]:
            self._drop(speech, interrupted_by=by)

    def close(self) -> None:
        """Stop everything; the open speeches are reported as ended."""
        for speech in list(self._speeches):
            self._drop(speech)
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @property
    def talking(self) -> bool:
        """Whether a speech that may be interrupted is being heard."""
        return bool(self._speeches) and self._speeches[0].sent > 0 and self._speeches[0].interruptible

    @property
    def late_frames(self) -> int:
        return self._pacer.late

    @property
    def queued_seconds(self) -> float:
        """Audio that waits to be sent."""
        return sum(len(speech.queue) for speech in self._speeches) / OPUS_RATE

    # ------------------------------------------------------------ the 20 ms path

    def _go(self) -> None:
        """Begin to send unless that is under way."""
        if self._timer is None:
            self._pacer.resume(self._clock())
            self._schedule()

    def _schedule(self) -> None:
        delay = self._pacer.due - self._clock()
        if delay <= 0 and self._timer is None:
            self._tick()  # the first packet leaves at once
        else:
            self._timer = self._loop.call_later(max(0.0, delay), self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._pacer.catch_up(self._clock())
        frame = self._ready or self._next_frame()
        self._ready = None
        if frame is not None:
            self._play(frame)
        elif self._tail is not None:
            # what the encoder still holds is the end of a whole speech, but not of one cut off
            cut, self._tail = self._tail is _Tail.CUT, None
            payload = silence_packet() if cut else self._encoder.encode(SILENT_FRAME)
            self._send(payload, self._pacer.pts, self._pacer.due)
        else:
            return  # silent until the next say()
        self._pacer.sent()
        self._ready = self._next_frame()
        self._timer = self._loop.call_later(max(0.0, self._pacer.due - self._clock()), self._tick)

    def _next_frame(self) -> _Frame | None:
        """Encode the next 20 ms; finishes speeches that have run out on the way."""
        while self._speeches:
            speech = self._speeches[0]
            pcm = speech.queue.take(FRAME_SAMPLES) if self._available(speech) else None
            if pcm is not None:
                count = len(pcm)
                audible = None if speech.started else first_audible(pcm)
                if count < FRAME_SAMPLES:
                    padded = SILENT_FRAME.copy()
                    padded[:count] = pcm
                    pcm = padded
                start, speech.taken = speech.taken, speech.taken + count
                return _Frame(speech, self._encoder.encode(pcm), start, count, audible)
            if not speech.ended or speech.sent < speech.taken:
                return None
            if self._clock() < self._pacer.due:  # its last frame is still being heard
                return None
            self._speeches.popleft()
            self._ended(speech, complete=True)
            self._tail = None if self._speeches else _Tail.WHOLE
        return None

    def _available(self, speech: _Speech) -> bool:
        return len(speech.queue) >= FRAME_SAMPLES or (speech.ended and len(speech.queue) > 0)

    def _play(self, frame: _Frame) -> None:
        due, speech = self._pacer.due, frame.speech
        self._send(frame.payload, self._pacer.pts, due)
        end = frame.start + frame.count
        for span in speech.spans:
            if span.start < end and span.end > frame.start and span.index not in speech.marked:
                speech.marked.add(span.index)
                at = due + max(0, span.start - frame.start) / OPUS_RATE
                self._notify(PlayoutMark(self.host_id, self.agent_id, speech.speech_id, span.index, at))
        if frame.audible is not None and not speech.started:
            speech.started = True
            at = due + frame.audible / OPUS_RATE
            self._notify(PlayoutStarted(self.host_id, self.agent_id, speech.speech_id, at))
        speech.sent = end

    # ------------------------------------------------------------ endings

    def _find(self, speech_id: str) -> _Speech | None:
        return next((s for s in self._speeches if s.speech_id == speech_id), None)

    def _end(self, speech: _Speech) -> None:
        if not speech.ended:
            speech.ended = True
            speech.flush()

    def _drop(self, speech: _Speech, interrupted_by: str = "") -> None:
        was_current = bool(self._speeches) and self._speeches[0] is speech
        if speech in self._speeches:
            self._speeches.remove(speech)
        if was_current:
            self._ready = None
            self._tail = _Tail.CUT if speech.sent else None
        self._ended(speech, complete=False, interrupted_by=interrupted_by)
        if self._speeches or self._tail is not None:
            self._go()

    def _ended(self, speech: _Speech, *, complete: bool, interrupted_by: str = "") -> None:
        self._over.append(speech.speech_id)
        self._notify(
            PlayoutEnded(
                self.host_id,
                self.agent_id,
                speech.speech_id,
                self._clock(),
                speech.sent / OPUS_RATE,
                speech.pieces(),
                complete,
                interrupted_by,
            )
        )
