"""One agent's voice: queued audio becomes one paced stream of Opus packets.

Each frame is resampled and encoded once, one frame ahead of its slot; the packets fan
out to every peer. Nothing is sent while there is nothing to say. A speech that is held
keeps all it has, the frame that was ready included, and goes on with that one.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from enum import Enum

from voicebot.audio.frames import OPUS_RATE, SILENT_FRAME, Pcm, as_mono
from voicebot.audio.opus import OpusEncoder, silence_packet
from voicebot.audio.pacing import Pacer
from voicebot.clock import Clock
from voicebot.media.base import (
    HOLD_LIMIT,
    OnNotice,
    PlayoutAudible,
    PlayoutEnded,
    PlayoutHeld,
    PlayoutMark,
    PlayoutResumed,
)
from voicebot.media.queued_speech import Frame, QueuedSpeech

log = logging.getLogger(__name__)

MAX_QUEUED = 600 * OPUS_RATE
"""Samples one speech may queue: ten minutes; more is dropped and logged."""
FORGET_AFTER = 256
"""Ended speeches remembered, so that audio which comes too late is not begun anew."""
PREPARED = 3
"""Frames of a prepared speech that are encoded before it is to be heard: 60 ms."""

SendPacket = Callable[[bytes, int, float], None]
"""Called with an Opus packet, its pts (48 kHz) and the clock time of its slot."""


class _Tail(Enum):
    """One silent packet follows a speech, so that the decoder falls silent softly."""

    WHOLE = "whole"
    CUT = "cut"


class OutboundAudio:
    """Speeches of one agent, played in the order they were begun; held ones let the others pass."""

    def __init__(
        self,
        host_id: str,
        agent_id: str,
        *,
        clock: Clock,
        origin: float,
        send: SendPacket,
        notify: OnNotice,
        played: Callable[[float, Pcm], None] = lambda due, pcm: None,
    ) -> None:
        self.host_id = host_id
        self.agent_id = agent_id
        self._clock = clock
        self._send, self._played = send, played
        self._notify = notify
        self._loop = asyncio.get_running_loop()
        self._pacer = Pacer(origin)
        self._encoder = OpusEncoder()
        self._speeches: deque[QueuedSpeech] = deque()
        self._current: QueuedSpeech | None = None
        self._over: deque[str] = deque(maxlen=FORGET_AFTER)
        self._timer: asyncio.TimerHandle | None = None
        self._limits: dict[str, asyncio.TimerHandle] = {}
        """By speech held for a person: when that has been long enough."""
        self._tail: _Tail | None = None
        self._closed = False

    # ------------------------------------------------------------ commands

    def say(self, speech_id: str, index: int, pcm: Pcm, rate: int, held: bool = False) -> None:
        """Queue audio; a speech id not seen before begins a speech and, unless held, ends the one before.

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
            speech = QueuedSpeech(speech_id, held)
            if held:  # what is being said now must not get into its first frames
                speech.encoder = OpusEncoder()
            else:
                self._end_those_before(speech)
            self._speeches.append(speech)
        if speech.ended:
            log.warning("speech %s had been ended: its further audio is dropped", speech_id)
            return
        if speech.queued + len(pcm) * OPUS_RATE // rate > MAX_QUEUED:
            log.warning("speech %s has more than ten minutes queued: the rest is dropped", speech_id)
            return
        speech.add(index, pcm, rate)
        self._added(speech)

    def end(self, speech_id: str) -> None:
        """No more audio will come for this speech."""
        if self._closed or speech_id in self._over:
            return
        speech = self._find(speech_id)
        if speech is None:  # nothing was ever said
            self._ended(QueuedSpeech(speech_id), complete=True)
            return
        speech.end()
        self._added(speech)

    def hold(self, speech_id: str, by: str) -> None:
        """A person talks over this speech: send nothing more of it until `resume`."""
        speech = self._find(speech_id)
        if speech is None or speech.held or speech.exhausted:
            return
        speech.held_for = by
        self._hold(speech)
        self._limits[speech.speech_id] = self._loop.call_later(HOLD_LIMIT, self._drop, speech)
        self._notify(PlayoutHeld(*self._account(speech), by))

    def hold_for(self, by: str) -> None:
        """The same for every speech of the agent."""
        for speech in list(self._speeches):
            self.hold(speech.speech_id, by)

    def resume(self, speech_id: str) -> None:
        """Go on with a held speech where it stopped, or begin a prepared one."""
        speech = self._find(speech_id)
        if speech is None or not speech.held:
            return
        self._release(speech)
        speech.resuming = bool(speech.held_for)
        speech.held, speech.held_for = False, ""
        self._end_those_before(speech)
        self._go()

    def stop(self, speech_id: str) -> None:
        """Drop what is queued, at once."""
        if self._closed or speech_id in self._over:
            return
        self._drop(self._find(speech_id) or QueuedSpeech(speech_id))

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
        """Whether a speech is being heard."""
        return self._current is not None and self._current.sent > 0

    @property
    def late_frames(self) -> int:
        return self._pacer.late

    @property
    def queued_seconds(self) -> float:
        """Audio that waits to be sent."""
        return sum(speech.waiting_seconds for speech in self._speeches)

    # ------------------------------------------------------------ the 20 ms path

    def _added(self, speech: QueuedSpeech) -> None:
        """More of it can be sent, or got ready."""
        if not speech.held:
            self._go()
        elif speech.encoder is not None:
            while len(speech.ready) < PREPARED and speech.encode(speech.encoder):
                pass

    def _go(self) -> None:
        """Begin to send unless that is under way."""
        if self._timer is None:
            self._pacer.resume(self._clock())
            delay = self._pacer.due - self._clock()
            if delay <= 0:
                self._tick()  # the first packet leaves at once
            else:
                self._timer = self._loop.call_later(delay, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._pacer.catch_up(self._clock())
        if self._prepare():
            assert self._current is not None
            self._play(self._current, self._current.ready.popleft())
        elif self._tail is not None:
            # what the encoder still holds is the end of a whole speech, but not of one cut off
            cut, self._tail = self._tail is _Tail.CUT, None
            payload = silence_packet() if cut else self._encoder.encode(SILENT_FRAME)
            self._send(payload, self._pacer.pts, self._pacer.due)
        else:
            return  # silent until the next say() or resume()
        self._pacer.sent()
        self._prepare()
        self._timer = self._loop.call_later(max(0.0, self._pacer.due - self._clock()), self._tick)

    def _prepare(self) -> bool:
        """Have the next 20 ms ready; finishes speeches that have run out on the way."""
        while (speech := self._choose()) is not None:
            if speech.ready or speech.encode(self._encoder):
                return True
            if not speech.exhausted:
                return False
            if self._clock() < self._pacer.due:  # its last frame is still being heard
                return False
            self._speeches.remove(speech)
            self._current = None
            self._ended(speech, complete=True)
            self._tail = None if self._choose() is not None else _Tail.WHOLE
        return False

    def _choose(self) -> QueuedSpeech | None:
        """The one that is being heard, else the first that is not held."""
        if self._current is None:
            self._current = next((speech for speech in self._speeches if not speech.held), None)
            if self._current is not None and self._current.encoder is not None:
                self._encoder, self._current.encoder = self._current.encoder, None
        return self._current

    def _play(self, speech: QueuedSpeech, frame: Frame) -> None:
        due = self._pacer.due
        self._send(frame.payload, self._pacer.pts, due)
        self._played(due, frame.pcm)
        who = (self.host_id, self.agent_id, speech.speech_id)
        if speech.resuming:
            speech.resuming = False
            self._notify(PlayoutResumed(*who, due))
        end = frame.start + frame.count
        for span in speech.spans:
            if span.start < end and span.end > frame.start and span.index not in speech.marked:
                speech.marked.add(span.index)
                at = due + max(0, span.start - frame.start) / OPUS_RATE
                self._notify(PlayoutMark(*who, span.index, at))
        if frame.audible is not None and not speech.started:
            speech.started = True
            self._notify(PlayoutAudible(*who, due + frame.audible / OPUS_RATE))
        speech.sent = end

    # ------------------------------------------------------------ holds and endings

    def _find(self, speech_id: str) -> QueuedSpeech | None:
        return next((s for s in self._speeches if s.speech_id == speech_id), None)

    def _end_those_before(self, speech: QueuedSpeech) -> None:
        for before in self._speeches:
            if before is speech:
                break
            if not before.held:
                before.end()

    def _hold(self, speech: QueuedSpeech) -> None:
        speech.held = True
        if speech is self._current:
            # it goes on with the encoder it broke off with, whatever is said meanwhile
            speech.encoder, self._encoder = self._encoder, OpusEncoder()
            self._current = None
            self._fall_silent(speech)

    def _fall_silent(self, speech: QueuedSpeech) -> None:
        """What was being heard breaks off: softly, unless another one takes over."""
        self._tail = _Tail.CUT if speech.sent else None
        if self._tail is not None or self._choose() is not None:
            self._go()

    def _release(self, speech: QueuedSpeech) -> None:
        if (limit := self._limits.pop(speech.speech_id, None)) is not None:
            limit.cancel()

    def _drop(self, speech: QueuedSpeech) -> None:
        self._release(speech)
        if speech in self._speeches:
            self._speeches.remove(speech)
        self._ended(speech, complete=False)
        if speech is self._current:
            self._current = None
            self._fall_silent(speech)

    def _ended(self, speech: QueuedSpeech, *, complete: bool) -> None:
        self._over.append(speech.speech_id)
        self._notify(PlayoutEnded(*self._account(speech), complete=complete))

    def _account(
        self, speech: QueuedSpeech
    ) -> tuple[str, str, str, float, float, Mapping[int, tuple[float, float]]]:
        """Which speech it is, the time, and how much of it was sent."""
        sent = speech.sent / OPUS_RATE
        return self.host_id, self.agent_id, speech.speech_id, self._clock(), sent, speech.pieces()
