"""What the media worker does with one agent's speeches, on the loop's clock and without sound."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from voicebot.media.base import (
    HOLD_LIMIT,
    OnNotice,
    PlayoutAudible,
    PlayoutEnded,
    PlayoutHeld,
    PlayoutMark,
    PlayoutResumed,
)


@dataclass
class _Piece:
    index: int
    seconds: float
    played: float = 0.0


@dataclass
class Speech:
    """One agent's speech as far as it was played."""

    host_id: str
    agent_id: str
    speech_id: str
    pcm: list[NDArray[np.int16]] = field(default_factory=list)
    sample_rate: int = 0
    started: float | None = None
    """Clock time of its first sample, None before that."""
    flowing: float = 0.0
    """Clock time since which it is heard without a hold."""
    held: bool = False
    held_for: str = ""
    """The person it is held for."""
    complete: bool = False
    """No more audio will come."""
    ended: PlayoutEnded | None = None
    _pieces: list[_Piece] = field(default_factory=list)
    _resuming: bool = False
    _limit: asyncio.TimerHandle | None = None

    @property
    def played(self) -> float:
        """Seconds that were heard, those of a piece that is being played not counted."""
        return sum(piece.played for piece in self._pieces)

    def pieces(self) -> Mapping[int, tuple[float, float]]:
        """As in `PlayoutEnded`."""
        out: dict[int, tuple[float, float]] = {}
        for index in {piece.index: None for piece in self._pieces if piece.played}:
            parts = [piece for piece in self._pieces if piece.index == index]
            out[index] = (sum(p.played for p in parts), sum(p.seconds for p in parts))
        return out


class Player:
    """The speeches of one agent, played in the order they were begun; held ones let the others pass."""

    def __init__(self, notify: OnNotice, loop: asyncio.AbstractEventLoop) -> None:
        self._notify = notify
        self._loop = loop
        self._speeches: list[Speech] = []
        self._current: Speech | None = None
        self._piece: _Piece | None = None
        """What is being played since `_began`."""
        self._began = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def current(self) -> Speech | None:
        """The speech that is being heard."""
        return self._current if self._current is not None and self._current.started is not None else None

    def begin(self, speech: Speech) -> None:
        """A new speech ends the ones before, unless it is only prepared."""
        if not speech.held:
            self._end_all()
        self._speeches.append(speech)

    def say(self, speech: Speech, index: int, seconds: float) -> None:
        speech._pieces.append(_Piece(index, seconds))
        self._go()

    def end(self, speech: Speech) -> None:
        speech.complete = True
        self._go()

    def hold(self, speech: Speech, by: str) -> None:
        if speech.held or speech.ended is not None:
            return
        self._pause(speech)
        speech.held, speech.held_for = True, by
        speech._limit = self._loop.call_later(HOLD_LIMIT, self.stop, speech)
        who = (speech.host_id, speech.agent_id, speech.speech_id)
        self._notify(PlayoutHeld(*who, self._loop.time(), speech.played, speech.pieces(), by))
        self._go()

    def hold_for(self, by: str) -> None:
        """A person talks over this agent."""
        for speech in [s for s in self._speeches if not s.held]:
            self.hold(speech, by)

    def resume(self, speech: Speech) -> None:
        if not speech.held or speech.ended is not None:
            return
        self._forget_limit(speech)
        speech._resuming = bool(speech.held_for)
        speech.held, speech.held_for = False, ""
        self._end_all(before=speech)
        self._go()

    def stop(self, speech: Speech) -> None:
        if speech.ended is None:
            self._pause(speech)
            self._over(speech, complete=False)
            self._go()

    def close(self) -> None:
        """Every open speech ends here."""
        for speech in list(self._speeches):
            if speech.ended is None:
                self._pause(speech)
                self._over(speech, complete=False)

    # ------------------------------------------------------------ inside

    def _end_all(self, before: Speech | None = None) -> None:
        for speech in self._speeches:
            if speech is before:
                break
            if not speech.held:
                speech.complete = True

    def _go(self) -> None:
        """Play on with what is next, unless something is being played."""
        while self._piece is None:
            if self._current is None:
                self._current = next((speech for speech in self._speeches if not speech.held), None)
            speech = self._current
            if speech is None:
                return
            piece = next((p for p in speech._pieces if p.played < p.seconds), None)
            if piece is not None:
                self._play(speech, piece)
            elif speech.complete:
                self._over(speech, complete=True)
            else:
                return

    def _play(self, speech: Speech, piece: _Piece) -> None:
        now = self._loop.time()
        who = (speech.host_id, speech.agent_id, speech.speech_id)
        if speech.started is None:
            speech.started = speech.flowing = now
            self._notify(PlayoutAudible(*who, time=now))
        if speech._resuming:
            speech._resuming, speech.flowing = False, now
            self._notify(PlayoutResumed(*who, time=now))
        if piece.index not in {p.index for p in speech._pieces if p.played}:
            self._notify(PlayoutMark(*who, index=piece.index, time=now))
        self._piece, self._began = piece, now
        self._timer = self._loop.call_at(now + piece.seconds - piece.played, self._played)

    def _played(self) -> None:
        assert self._piece is not None
        self._piece.played, self._piece = self._piece.seconds, None
        self._go()

    def _pause(self, speech: Speech) -> None:
        """Nothing more of it is sent now."""
        if speech is not self._current:
            return
        if self._piece is not None and self._timer is not None:
            self._timer.cancel()
            played = self._piece.played + self._loop.time() - self._began
            self._piece.played = min(self._piece.seconds, played)
        self._current = self._piece = None

    def _over(self, speech: Speech, *, complete: bool) -> None:
        self._forget_limit(speech)
        self._speeches.remove(speech)
        if speech is self._current:
            self._current = None
        speech.ended = PlayoutEnded(
            speech.host_id,
            speech.agent_id,
            speech.speech_id,
            time=self._loop.time(),
            played=speech.played,
            pieces=speech.pieces(),
            complete=complete,
            interrupted_by=speech.held_for,
        )
        self._notify(speech.ended)

    def _forget_limit(self, speech: Speech) -> None:
        if speech._limit is not None:
            speech._limit.cancel()
            speech._limit = None
