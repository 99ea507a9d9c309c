"""One uninterrupted speech of one agent: what was planned, what was said, what was heard."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from voicebot.turn import Heard, Piece, heard, word_ends


@dataclass
class SpokenPiece:
    """A sentence and what became of it."""

    text: str
    silent: bool = False
    """No audio could be made; it is shown as a caption only."""
    queued_s: float = 0.0
    synthesized: bool = False
    marked: bool = False
    """Its first sample has been sent."""
    words: list[tuple[str, float]] = field(default_factory=list)
    """What the voice tells of its words: each with the second of its audio at which it ends."""
    cut_s: float = 0.0
    """Seconds of silence that were left out at the beginning of that audio."""


@dataclass
class Speech:
    """Filled by the voice while it speaks, closed by the media plane's notice at the end."""

    speech_id: str
    agent_id: str
    turn_id: str
    utterance_id: str
    pieces: list[SpokenPiece] = field(default_factory=list)
    said: bool = False
    """Some audio was handed to the media plane."""
    started: float | None = None
    """Clock time of the first audible sample."""
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    result: Heard | None = None

    @property
    def planned(self) -> str:
        return " ".join(piece.text for piece in self.pieces)

    def shown(self) -> str:
        """The caption while it is spoken: the sentences begun so far."""
        last = max((i for i, piece in enumerate(self.pieces) if piece.marked), default=-1)
        return " ".join(piece.text for piece in self.pieces[: last + 1])

    def passed(self) -> dict[int, tuple[float, float]]:
        """The pieces that were surely played whole, since a later one was announced."""
        marked = [i for i, piece in enumerate(self.pieces) if piece.marked]
        return {i: (self.pieces[i].queued_s, self.pieces[i].queued_s) for i in marked[:-1]}

    def close(self, played: Mapping[int, tuple[float, float]], complete: bool) -> Heard:
        """Decide what was heard from (seconds played, seconds queued) of each piece.

        Silent pieces count as received (they were shown) unless the speech broke off before them.
        """
        pieces: list[Piece] = []
        for index, piece in enumerate(self.pieces):
            seconds, queued = played.get(index, (0.0, piece.queued_s))
            if piece.silent and (complete or index < max(played, default=-1)):
                seconds = queued = 1.0
            elif complete and piece.synthesized:
                seconds = queued = max(queued, 1e-3)
            whole = piece.synthesized or piece.silent
            told = [(word, end - piece.cut_s) for word, end in piece.words]
            ends = word_ends(piece.text, told, complete=whole)
            pieces.append(Piece(piece.text, seconds, queued, whole, ends))
        self.result = heard(pieces)
        self.closed.set()
        return self.result
