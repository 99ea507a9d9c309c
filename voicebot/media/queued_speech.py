"""One speech that is queued for playout: its samples, its pieces and how much of it was sent."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from voicebot.audio.frames import FRAME_SAMPLES, OPUS_RATE, SILENT_FRAME, Pcm, SampleQueue, first_audible
from voicebot.audio.opus import OpusEncoder
from voicebot.audio.resampling import Resampler


@dataclass
class PieceSpan:
    """Consecutive audio of one piece, in output samples of its speech."""

    index: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Frame:
    """20 ms of a speech, encoded."""

    payload: bytes
    start: int
    """Its first output sample."""
    count: int
    """Samples of speech in it; the rest is padding."""
    audible: int | None
    """Index of the first audible sample of the whole speech, if it is in this frame."""
    pcm: Pcm
    """What was encoded: mono int16, 960 samples at 48 kHz."""


@dataclass
class QueuedSpeech:
    """A speech that `add` fills and `encode` turns into packets. Counts are output samples at 48 kHz."""

    speech_id: str
    held: bool = False
    """Whether sending is paused, or has not begun."""
    held_for: str = ""
    """The person who talked over it; empty if it is only prepared."""
    spans: list[PieceSpan] = field(default_factory=list)
    ready: deque[Frame] = field(default_factory=deque)
    """Frames that are encoded and not sent yet."""
    encoder: OpusEncoder | None = None
    """Its own encoder while it is held, because another speech may be heard."""
    sent: int = 0
    ended: bool = False
    started: bool = False
    """Whether any of it was audible."""
    resuming: bool = False
    """Whether the next frame is the first one after a hold for a person."""
    marked: set[int] = field(default_factory=set)
    queued: int = 0
    """Length of all audio so far; the resampler still holds some of it back."""
    _queue: SampleQueue = field(default_factory=SampleQueue)
    _resampler: Resampler | None = None
    _taken: int = 0
    """Samples that were turned into frames."""
    _base: int = 0
    """Value of `queued` when the resampler began."""
    _fed: int = 0
    """Input samples that were given to the resampler."""
    _heard: bool = False
    """Whether a frame with something audible was made."""

    def add(self, index: int, pcm: Pcm, rate: int) -> None:
        """Queue audio of piece `index`: mono int16 at `rate` Hz."""
        if self._resampler is None or self._resampler.rate_in != rate:
            self._flush()
            self._resampler = Resampler(rate, OPUS_RATE)
            self._base, self._fed = self.queued, 0
        self._fed += len(pcm)
        end = self._base + round(self._fed * OPUS_RATE / rate)
        if self.spans and self.spans[-1].index == index:
            self.spans[-1].end = end
        else:
            self.spans.append(PieceSpan(index, self.queued, end))
        self.queued = end
        self._queue.put(self._resampler.feed(pcm))

    def end(self) -> None:
        """Mark the speech as complete."""
        if not self.ended:
            self.ended = True
            self._flush()

    def _flush(self) -> None:
        if self._resampler is not None:
            self._queue.put(self._resampler.flush())
            self._resampler = None

    @property
    def waiting_seconds(self) -> float:
        """Seconds of audio that wait to be sent."""
        return (len(self._queue) + sum(frame.count for frame in self.ready)) / OPUS_RATE

    @property
    def exhausted(self) -> bool:
        """Whether it is complete and all of it was sent."""
        return self.ended and not self.ready and not len(self._queue)

    def encode(self, encoder: OpusEncoder) -> bool:
        """Encode the next frame; returns False if there is not enough audio."""
        if len(self._queue) < FRAME_SAMPLES and not (self.ended and len(self._queue)):
            return False
        pcm = self._queue.take(FRAME_SAMPLES)
        count = len(pcm)
        audible = None if self._heard else first_audible(pcm)
        self._heard = self._heard or audible is not None
        if count < FRAME_SAMPLES:
            padded = SILENT_FRAME.copy()
            padded[:count] = pcm
            pcm = padded
        self.ready.append(Frame(encoder.encode(pcm), self._taken, count, audible, pcm))
        self._taken += count
        return True

    def pieces(self) -> Mapping[int, tuple[float, float]]:
        """Maps each piece that has begun to its (seconds played, seconds queued)."""
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
