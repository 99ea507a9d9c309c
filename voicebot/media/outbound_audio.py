"""One agent's voice: queued audio becomes one paced stream of Opus packets.

Each frame is resampled and encoded once, one frame before its slot, and the packet goes to every
peer. Nothing is sent during silence. A held speech keeps its audio, including the frame that was
ready, and continues with that frame.
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
from voicebot.media import base as media
from voicebot.media.base import HOLD_LIMIT, OnNotice, SpeechCommand
from voicebot.media.queued_speech import Frame, QueuedSpeech

log = logging.getLogger(__name__)

MAX_QUEUED = 600 * OPUS_RATE
"""Samples that one speech may queue (ten minutes). More is dropped and logged."""
FORGET_AFTER = 256
"""Number of ended speeches that are remembered, so that late audio does not begin one again."""
PREPARED = 3
"""Frames of a prepared speech (60 ms) that are encoded in advance."""

SendPacket = Callable[[bytes, int, float], None]
"""Takes an Opus packet, its pts (48 kHz) and the clock time of its slot."""


class _Tail(Enum):
    """One silent packet follows a speech, so that the decoder fades out instead of clicking."""

    WHOLE = "whole"
    CUT = "cut"


class OutboundAudio:
    """The speeches of one agent, played in the order in which they began; held ones let the others pass."""

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
        """`played` takes the clock time and the samples (960 at 48 kHz) of each frame that is sent."""
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
        """The timers that end speeches which are held for too long."""
        self._tail: _Tail | None = None
        self._closed = False

    # ------------------------------------------------------------ commands

    def carry_out(self, command: SpeechCommand) -> None:
        """Carry out a command for one speech. Audio that cannot be played ends its speech."""
        match command:
            case media.QueueAudio(_, _, speech_id, index, pcm, rate, held):
                try:
                    self.say(speech_id, index, pcm, rate, held)
                except ValueError as error:
                    log.error("audio of speech %s cannot be played: %s", speech_id, error)
                    self.stop(speech_id)  # otherwise it would count as heard
            case media.EndSpeech(_, _, speech_id):
                self.end(speech_id)
            case media.HoldSpeech(_, _, speech_id, by):
                self.hold(speech_id, by)
            case media.ResumeSpeech(_, _, speech_id):
                self.resume(speech_id)
            case media.StopSpeech(_, _, speech_id):
                self.stop(speech_id)

    def say(self, speech_id: str, index: int, pcm: Pcm, rate: int, held: bool = False) -> None:
        """Queue audio (mono int16 at `rate` Hz) of piece `index`.

        An unknown speech id begins a speech. Unless it is held, that ends the speeches before it.

        Raises:
            ValueError: the audio is not mono int16, or the rate is not positive.
        """
        if self._is_over(speech_id):
            return
        pcm = as_mono(pcm)
        if rate <= 0:
            raise ValueError(f"sample rate must be positive, not {rate}")
        speech = self._find(speech_id)
        if speech is None:
            speech = QueuedSpeech(speech_id, held)
            if held:  # the speech that is playing must not leak into its first frames
                speech.encoder = OpusEncoder()
            else:
                self._end_those_before(speech)
            self._speeches.append(speech)
        if speech.ended:
            log.warning("speech %s has already ended: the rest of its audio is dropped", speech_id)
            return
        if speech.queued + len(pcm) * OPUS_RATE // rate > MAX_QUEUED:
            log.warning("speech %s has more than ten minutes queued: the rest is dropped", speech_id)
            return
        speech.add(index, pcm, rate)
        self._added(speech)

    def end(self, speech_id: str) -> None:
        """Mark a speech as complete: no more audio will be queued for it."""
        if self._is_over(speech_id):
            return
        speech = self._find(speech_id)
        if speech is None:  # it never had any audio
            self._ended(QueuedSpeech(speech_id), complete=True)
            return
        speech.end()
        self._added(speech)

    def hold(self, speech_id: str, by: str) -> None:
        """Send nothing more of a speech until `resume`, because person `by` talks over it."""
        speech = self._find(speech_id)
        if speech is None or speech.held or speech.exhausted:
            return
        speech.held, speech.held_for = True, by
        if speech is self._current:
            # it will continue with its own encoder state
            speech.encoder, self._encoder = self._encoder, OpusEncoder()
            self._break_off(speech)
        self._limits[speech_id] = self._loop.call_later(HOLD_LIMIT, self._drop, speech)
        self._notify(media.PlayoutHeld(*self._account(speech), by))

    def hold_all(self, by: str) -> None:
        """Hold every speech of the agent."""
        for speech in list(self._speeches):
            self.hold(speech.speech_id, by)

    def resume(self, speech_id: str) -> None:
        """Continue a held speech where it stopped, or begin a prepared one."""
        speech = self._find(speech_id)
        if speech is None or not speech.held:
            return
        self._cancel_limit(speech)
        speech.resuming = bool(speech.held_for)
        speech.held, speech.held_for = False, ""
        self._end_those_before(speech)
        self._go()

    def stop(self, speech_id: str) -> None:
        """Drop the queued audio of a speech at once."""
        if not self._is_over(speech_id):
            self._drop(self._find(speech_id) or QueuedSpeech(speech_id))

    def close(self) -> None:
        """Stop everything. The open speeches are reported as ended."""
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
        """The number of slots that were missed."""
        return self._pacer.late

    @property
    def queued_seconds(self) -> float:
        """Seconds of audio that wait to be sent."""
        return sum(speech.waiting_seconds for speech in self._speeches)

    # ------------------------------------------------------------ the 20 ms path

    def _added(self, speech: QueuedSpeech) -> None:
        """Send or prepare what was queued."""
        if not speech.held:
            self._go()
        elif speech.encoder is not None:
            while len(speech.ready) < PREPARED and speech.encode(speech.encoder):
                pass

    def _go(self) -> None:
        """Begin to send, unless that is under way."""
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
            # the encoder's delay holds the end of a whole speech; after a cut it must not be heard
            cut, self._tail = self._tail is _Tail.CUT, None
            payload = silence_packet() if cut else self._encoder.encode(SILENT_FRAME)
            self._send(payload, self._pacer.pts, self._pacer.due)
        else:
            return  # silent until the next say() or resume()
        self._pacer.sent()
        self._prepare()
        self._timer = self._loop.call_later(max(0.0, self._pacer.due - self._clock()), self._tick)

    def _prepare(self) -> bool:
        """Encode the next 20 ms; ends speeches that have run out."""
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
        """The speech that is being heard, else the first one that is not held."""
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
            self._notify(media.PlayoutResumed(*who, due))
        end = frame.start + frame.count
        for span in speech.spans:
            if span.start < end and span.end > frame.start and span.index not in speech.marked:
                speech.marked.add(span.index)
                at = due + max(0, span.start - frame.start) / OPUS_RATE
                self._notify(media.PlayoutMark(*who, span.index, at))
        if frame.audible is not None and not speech.started:
            speech.started = True
            self._notify(media.PlayoutAudible(*who, due + frame.audible / OPUS_RATE))
        speech.sent = end

    # ------------------------------------------------------------ holds and endings

    def _is_over(self, speech_id: str) -> bool:
        return self._closed or speech_id in self._over

    def _find(self, speech_id: str) -> QueuedSpeech | None:
        return next((s for s in self._speeches if s.speech_id == speech_id), None)

    def _end_those_before(self, speech: QueuedSpeech) -> None:
        for before in self._speeches:
            if before is speech:
                break
            if not before.held:
                before.end()

    def _break_off(self, speech: QueuedSpeech) -> None:
        """The speech that is being heard stops: with a fade, unless another one takes over."""
        self._current = None
        self._tail = _Tail.CUT if speech.sent else None
        if self._tail is not None or self._choose() is not None:
            self._go()

    def _cancel_limit(self, speech: QueuedSpeech) -> None:
        if (limit := self._limits.pop(speech.speech_id, None)) is not None:
            limit.cancel()

    def _drop(self, speech: QueuedSpeech) -> None:
        self._cancel_limit(speech)
        if speech in self._speeches:
            self._speeches.remove(speech)
        self._ended(speech, complete=False)
        if speech is self._current:
            self._break_off(speech)

    def _ended(self, speech: QueuedSpeech, *, complete: bool) -> None:
        self._over.append(speech.speech_id)
        self._notify(media.PlayoutEnded(*self._account(speech), complete=complete))

    def _account(
        self, speech: QueuedSpeech
    ) -> tuple[str, str, str, float, float, Mapping[int, tuple[float, float]]]:
        """Host, agent, speech, the time, the seconds played, and the pieces as in `PlayoutEnded`."""
        sent = speech.sent / OPUS_RATE
        return self.host_id, self.agent_id, speech.speech_id, self._clock(), sent, speech.pieces()
