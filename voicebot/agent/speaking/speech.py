"""One speech of one agent: what was planned, what was synthesized, and what was heard."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from voicebot.turn.heard import Heard, Piece, heard, word_ends


@dataclass
class SpokenPiece:
    """A sentence of a speech and how far it has come."""

    text: str
    silent: bool = False
    """Whether it has no audio and is only shown as a caption."""
    queued_s: float = 0.0
    """Seconds of audio that the media plane has received."""
    synthesized: bool = False
    marked: bool = False
    """Whether its first sample has been sent."""
    words: list[tuple[str, float]] = field(default_factory=list)
    """Words with the second at which each ends in the synthesized audio, if the TTS reports them."""
    cut_s: float = 0.0
    """Seconds of leading silence that were removed from that audio."""


@dataclass
class Speech:
    """One speech. The synthesizer adds its pieces, and the end of playout closes it."""

    speech_id: str
    agent_id: str
    turn_id: str
    utterance_id: str
    pieces: list[SpokenPiece] = field(default_factory=list)
    said: bool = False
    """Whether the media plane has received any audio."""
    started: float | None = None
    """Clock time of the first audible sample."""
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    result: Heard | None = None

    @property
    def planned(self) -> str:
        """The text of all pieces, joined by spaces."""
        return " ".join(piece.text for piece in self.pieces)

    def shown(self) -> str:
        """The caption during playout: the sentences that have begun."""
        last = max((i for i, piece in enumerate(self.pieces) if piece.marked), default=-1)
        return " ".join(piece.text for piece in self.pieces[: last + 1])

    def passed(self) -> dict[int, tuple[float, float]]:
        """The pieces that were certainly played to the end, because a later one has begun."""
        marked = [i for i, piece in enumerate(self.pieces) if piece.marked]
        return {i: (self.pieces[i].queued_s, self.pieces[i].queued_s) for i in marked[:-1]}

    def close(self, played: Mapping[int, tuple[float, float]], complete: bool) -> Heard:
        """Decide what was heard. `played` maps pieces to (seconds played, seconds queued).

        A silent piece counts as heard, because it was shown, unless the speech ended before it.
        """
        pieces: list[Piece] = []
        for index, piece in enumerate(self.pieces):
            seconds, queued = played.get(index, (0.0, piece.queued_s))
            if piece.silent and (complete or index < max(played, default=-1)):
                seconds = queued = 1.0
            elif complete and piece.synthesized:
                seconds = queued = max(queued, 1e-3)
            whole = piece.synthesized or piece.silent
            timed = [(word, end - piece.cut_s) for word, end in piece.words]
            ends = word_ends(piece.text, timed, complete=whole)
            pieces.append(Piece(piece.text, seconds, queued, whole, ends))
        self.result = heard(pieces)
        self.closed.set()
        return self.result
