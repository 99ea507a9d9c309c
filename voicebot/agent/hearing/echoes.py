"""The recent speech of agents, to recognise its echo from a loudspeaker."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

from voicebot.agent.speaking.speech import Speech, SpokenPiece
from voicebot.events import Word
from voicebot.stt.base import TimedWord
from voicebot.turn.echo import Echo, PlayedSentence, detect_echo

KEPT = 64
"""How many sentences are kept: more than agents speak while one person speaks without a pause."""


@dataclass
class _Sentence:
    speech: Speech
    piece: SpokenPiece
    start: float
    stopped: float | None = None

    def played(self) -> PlayedSentence:
        end = self.start + self.piece.queued_s if self.piece.synthesized else float("inf")
        if self.stopped is not None:
            end = min(end, self.stopped)
        words, begin = [], self.start
        for text, until in self.piece.words:
            until += self.start - self.piece.cut_s
            words.append(Word(text=text, start=begin, end=until))
            begin = until
        return PlayedSentence(self.piece.text, self.start, end, words)


class Echoes:
    """The sentences of all agents of a conversation, in the order people heard them, with clock times."""

    def __init__(self) -> None:
        self._sentences: deque[_Sentence] = deque(maxlen=KEPT)

    def began(self, speech: Speech, piece: SpokenPiece, time: float) -> None:
        """Add a sentence whose first sample was sent at clock time `time`."""
        self._sentences.append(_Sentence(speech, piece, time))

    def stopped(self, speech: Speech, time: float) -> None:
        """Note that a speech was held or has ended at clock time `time`."""
        for sentence in self._sentences:
            if sentence.speech is speech and sentence.stopped is None:
                sentence.stopped = time

    def went_on(self, speech: Speech, time: float) -> None:
        """Note that a held speech continues at clock time `time`."""
        last = next((s for s in reversed(self._sentences) if s.speech is speech), None)
        if last is not None and last.stopped is not None:
            begun = time - (last.stopped - last.start)
            self._sentences.append(replace(last, start=begun, stopped=None))

    def own_voice(self, text: str, start: float, end: float, words: Sequence[Word] = ()) -> Echo:
        """Find the agents' own words in an utterance that lasted from `start` to `end` (clock times)."""
        return detect_echo(text, start, end, [sentence.played() for sentence in self._sentences], words)


def remaining_words(words: Sequence[TimedWord], text: str) -> list[TimedWord]:
    """The words that are still in `text`."""
    matcher = SequenceMatcher(None, [word.text for word in words], text.split(), autojunk=False)
    return [words[block.a + at] for block in matcher.get_matching_blocks() for at in range(block.size)]
