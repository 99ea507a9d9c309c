"""Captions of a conversation as WebVTT (W3C) or SubRip, to play beside its recording."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from voicebot.conversation.frames.columns import Row
from voicebot.conversation.frames.rows import rows_of
from voicebot.conversation.log import ConversationLog
from voicebot.conversation.reading.markup import in_srt, in_tags
from voicebot.conversation.reading.reader import read_conversation
from voicebot.errors import LogError

LONGEST_CUE = 84
"""Characters: two lines of 42, a common guideline for subtitles."""
SHORTEST_SHOWN = 0.7
"""Shortest time in seconds that a cue is shown, so that it can be read."""
READING_SPEED = 15.0
"""Characters per second, for text that was not spoken."""


@dataclass(frozen=True)
class Cue:
    """One caption. Times are in seconds since the conversation began."""

    start: float
    end: float
    speaker: str
    text: str


def webvtt(source: ConversationLog | str | Path) -> str:
    """Return the captions of a live log, or of a conversation's folder, as WebVTT.

    Raises:
        LogError: the folder cannot be read.
    """
    blocks = ["WEBVTT"]
    for n, cue in enumerate(cues(source), 1):
        times = f"{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}"
        blocks.append(f"{n}\n{times}\n<v {in_tags(cue.speaker)}>{in_tags(cue.text)}</v>")
    return "\n\n".join(blocks) + "\n"


def srt(source: ConversationLog | str | Path) -> str:
    """Return the captions as SubRip, with the speaker's name before the text.

    Raises:
        LogError: the folder cannot be read.
    """
    blocks = [
        f"{n}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n{in_srt(f'{cue.speaker}: {cue.text}')}\n"
        for n, cue in enumerate(cues(source), 1)
    ]
    return "\n".join(blocks)


def cues(source: ConversationLog | str | Path) -> list[Cue]:
    """Return what was heard or shown as captions, in order of time and cut into readable pieces.

    Raises:
        LogError: the folder cannot be read.
    """
    if isinstance(source, ConversationLog):
        rows = rows_of(tuple(source.events), source.manifest)
    else:
        try:
            events, manifest, _ = read_conversation(Path(source))
        except OSError as error:
            raise LogError(
                f"{str(source)!r} cannot be read as a conversation: {error}.",
                hint="Pass a folder that contains an events.jsonl.",
            ) from error
        rows = rows_of(events, manifest)
    words: dict[str | None, list[Row]] = {}
    for word in rows["words"]:
        words.setdefault(word["utterance_id"], []).append(word)
    found = [cue for turn in rows["turns"] for cue in _cut(turn, words.get(turn.get("utterance_id"), []))]
    return sorted(found, key=lambda cue: (cue.start, cue.end))


def _cut(turn: Row, words: Sequence[Row]) -> Iterator[Cue]:
    """Cut a turn into cues, timed by its words, or else by their number of characters."""
    text = " ".join(str(turn["text"]).split())
    if not text:
        return
    start = turn["start_s"]
    spoken = (turn["end_s"] or 0.0) > start
    end = max(turn["end_s"] if spoken else start + len(text) / READING_SPEED, start + SHORTEST_SHOWN)
    speaker = " ".join(str(turn.get("name") or turn["participant_id"] or "?").split())
    pieces = _pieces(text)
    timed = len(words) == len(text.split())
    whole = sum(map(len, pieces))
    said = characters = 0
    for piece in pieces:
        last = said + len(piece.split())
        if timed:
            begin, finish = words[said]["start_s"], words[last - 1]["end_s"]
        else:
            begin = start + (end - start) * characters / whole
            finish = start + (end - start) * (characters + len(piece)) / whole
        said, characters = last, characters + len(piece)
        yield Cue(begin, max(finish, begin + SHORTEST_SHOWN), speaker, piece)


def _pieces(text: str) -> list[str]:
    pieces: list[str] = []
    line = ""
    for word in text.split():
        if line and (len(line) + 1 + len(word) > LONGEST_CUE or re.search(r"[.!?]$", line)):
            pieces.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return [*pieces, line]


def _clock(seconds: float, point: str) -> str:
    milliseconds = round(max(0.0, seconds) * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}{point}{rest % 1000:03}"
