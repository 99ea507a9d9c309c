"""LocalAgreement-2: which words of a changing hypothesis are stable.

Whisper decodes a window, not a stream: decoding a growing window again and again gives hypotheses whose ends
change. The common beginning of two hypotheses in a row is committed and stays.
Source: Machacek, Dabre and Bojar (2023), "Turning Whisper into Real-Time Transcription System".
"""

from __future__ import annotations

from collections.abc import Sequence

from voicebot.stt.base import TimedWord

SENTENCE_ENDS = (".", "?", "!", "…", "。", "？", "！", "।", "؟")  # noqa: RUF001


class Agreement:
    """The committed words of one utterance, followed by those that may still change.

    Words have times within the utterance and keep their leading blanks, as Whisper gives them.
    """

    def __init__(self) -> None:
        self.committed: list[TimedWord] = []
        self.tentative: list[TimedWord] = []

    @property
    def words(self) -> list[TimedWord]:
        """The committed words, then those that may still change."""
        return self.committed + self.tentative

    def insert(self, hypothesis: Sequence[TimedWord]) -> None:
        """Add the newest hypothesis; it may begin anywhere before the end of the committed words."""
        new = self._beyond_committed(hypothesis)
        agreed = 0
        for before, now in zip(self.tentative, new, strict=False):
            if _bare(before.text) != _bare(now.text):
                break
            agreed += 1
        self.committed += new[:agreed]
        self.tentative = new[agreed:]

    def settle(self, hypothesis: Sequence[TimedWord]) -> None:
        """Commit the whole hypothesis: its audio will not be decoded again."""
        self.committed += self._beyond_committed(hypothesis)
        self.tentative = []

    def boundary(self, after: int, *, sentences: bool = True) -> int:
        """The number of committed words up to the last end of a sentence; `after` if there is none after it.

        Without `sentences`, the end of any word will do.
        """
        for count in range(len(self.committed), after, -1):
            if not sentences or self.committed[count - 1].text.rstrip().endswith(SENTENCE_ENDS):
                return count
        return after

    def _beyond_committed(self, hypothesis: Sequence[TimedWord]) -> list[TimedWord]:
        if not self.committed:
            return list(hypothesis)
        last = self.committed[-1]
        new = list(hypothesis)
        # word times differ a little between decodes
        while new and (
            (new[0].start + new[0].end) / 2 <= last.end
            or (new[0].start < last.end and _bare(new[0].text) == _bare(last.text))
        ):
            del new[0]
        return new


def _bare(word: str) -> str:
    """A word without case and punctuation, which change between decodes."""
    return "".join(c for c in word.casefold() if c.isalnum()) or word.strip()
