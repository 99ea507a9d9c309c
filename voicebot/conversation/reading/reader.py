"""Reads conversation folders into pandas frames: `voicebot.load("data/conversations")`.

What cannot be read is left out, and `.problems` names it by file and line. Folders may come from anybody:
no link in them is followed, and nothing is written to them. Parsed conversations are kept in the user's
cache folder, and parsed again when the content of their files has changed.
"""

from __future__ import annotations

import io
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd
from pydantic import ValidationError

from voicebot.conversation.frames.columns import COLUMNS, Row
from voicebot.conversation.frames.rows import frame_of, rows_of
from voicebot.conversation.manifest import LARGEST_MANIFEST, Manifest
from voicebot.conversation.reading.cache import FrameCache, user_folder
from voicebot.conversation.reading.ogg import audio_rows
from voicebot.conversation.reading.problems import LoadProblem
from voicebot.errors import LogError
from voicebot.events import SCHEMA_VERSION, ConversationStarted, Event, TranscriptFinal, any_event
from voicebot.folders import Folder
from voicebot.settings import find_home

if TYPE_CHECKING:
    from voicebot.conversation.log import ConversationLog

LARGEST = 2**53
"""Larger numbers are damage: they are no times, and other languages' JSON rounds them."""
LARGEST_LOG = 1 << 30
LARGEST_LINE = 1 << 24
"""Bytes, far more than a conversation of a day needs. Larger files and lines are not read."""
MOST_PROBLEMS = 1000
"""Reading of a log stops after this many lines that are not events."""


@dataclass(frozen=True, eq=False)
class Conversations:
    """Pandas frames of one or many conversations. `voicebot.conversation.frames.columns` lists columns.

    Columns in `_s` are in seconds; those of moments count from the start of the conversation.
    """

    conversations: pd.DataFrame
    """One row per conversation."""
    participants: pd.DataFrame
    """One row per person or agent in a conversation."""
    turns: pd.DataFrame
    """One row per utterance, chat message or speech of an agent. `text` is what was heard or written."""
    words: pd.DataFrame
    """One row per recognised word, if the speech-to-text model reports when words were spoken."""
    events: pd.DataFrame
    """One row per event. `data` has the fields that only this type of event has, as JSON."""
    latency: pd.DataFrame
    """One row per measured answer of an agent; see `voicebot.conversation.frames.latency`."""
    speculation: pd.DataFrame
    """One row per answer that was prepared ahead, with what a discarded one cost."""
    speech: pd.DataFrame
    """One row per stretch of a person's speech that the voice activity detector found."""
    endpoints: pd.DataFrame
    """One row per decision about a pause."""
    audio: pd.DataFrame
    """One row per recording."""
    problems: tuple[LoadProblem, ...] = ()
    """Everything that could not be read."""

    @classmethod
    def of(cls, log: ConversationLog) -> Conversations:
        """Return the frames of a conversation that is still going on."""
        audio = audio_rows(Folder(log.folder))[0] if log.folder is not None else ()
        rows = rows_of(tuple(log.events), log.manifest, log.folder, audio)
        return cls(**{name: frame_of(name, some) for name, some in rows.items()}, problems=())

    def __len__(self) -> int:
        return len(self.conversations)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name}: {len(getattr(self, name))}" for name in COLUMNS)
        return f"<Conversations {sizes}, problems: {len(self.problems)}>"


def load(path: str | Path = "data/conversations", *, cache: bool | str | Path = True) -> Conversations:
    """Read conversations into pandas frames. Writes nothing to their folder, which may come from anybody.

    Args:
        path: A conversation's folder, a folder of those, or a data folder. A relative path that does not
            exist in the working folder (a notebook's is `notebooks/`) is looked up in its project.
        cache: True keeps parsed conversations, with all their words, in the user's cache folder; a path
            keeps them there; False keeps none. A cache that cannot be written is silently left out.

    Raises:
        LogError: the folder does not exist or cannot be read.
    """
    root = Path(path)
    if not root.is_dir():
        root = find_home() / path
    if not root.is_dir():
        raise LogError(
            f"There is no folder {str(path)!r} in {Path.cwd()} or in its project.",
            hint="Pass the folder of a conversation, or a folder that contains several: data/conversations.",
        )
    problems: list[LoadProblem] = []
    top = Folder(root.resolve())  # the folder itself may be a link
    try:
        if stat.S_ISDIR(top.mode("conversations")) and not top.mode("events.jsonl"):
            top = top.folder("conversations")
        folders = _folders(top, problems)
    except OSError as error:
        raise LogError(
            f"{top.path} cannot be read: {error.strerror}.",
            hint="Ask its owner for permission to read it.",
        ) from None
    store = FrameCache(top.path, None if not cache else user_folder() if cache is True else Path(cache))
    ids: set[str] = set()
    for folder in folders:
        try:
            source = Source.of(folder)
            key = source.key
            fresh = None
            conversation_id = store.known(folder.name, key)
            if conversation_id is None:
                fresh = source.parsed()
                conversation_id = fresh[1].conversation_id
            if conversation_id in ids:
                reason = f"is a copy of conversation {conversation_id}"
                problems.append(LoadProblem(str(folder.path), 0, reason))
                continue
            if fresh is None:
                store.keep(folder.name)
            else:
                events, manifest, found = fresh
                rows = rows_of(events, manifest, folder.path, source.audio, len(found))
                store.put(folder.name, key, conversation_id, rows, found)
            ids.add(conversation_id)
        except OSError as error:
            problems.append(LoadProblem.of(error))
        except (ValueError, OverflowError) as error:
            problems.append(LoadProblem(str(folder.path), 0, f"cannot be read: {error}"))
    frames, kept = store.frames()
    return Conversations(**frames, problems=(*problems, *kept))


class Source(NamedTuple):
    """The files of one conversation, read once, so that the key belongs to what is parsed."""

    folder: Folder
    events: bytes
    manifest: bytes
    """The content of the manifest; empty if it cannot be read."""
    audio: list[Row]
    problems: list[LoadProblem]

    @classmethod
    def of(cls, folder: Folder) -> Source:
        """Read the files of a conversation.

        Raises:
            OSError: the events cannot be read.
        """
        events = folder.read("events.jsonl", LARGEST_LOG)
        manifest = b""
        audio, problems = audio_rows(folder)
        try:
            manifest = folder.read("manifest.json", LARGEST_MANIFEST)
        except FileNotFoundError as error:
            problems.append(LoadProblem(str(error.filename), 0, "is missing; rebuilt from the events"))
        except OSError as error:
            reason = f"cannot be read, rebuilt from the events: {error.strerror}"
            problems.append(LoadProblem(str(error.filename), 0, reason))
        return cls(folder, events, manifest, audio, problems)

    @property
    def key(self) -> str:
        """A hash of the content."""
        rest = repr((self.audio, self.problems)).encode()
        parts = (blake2b(part).digest() for part in (self.events, self.manifest, rest))
        return blake2b(b"".join(parts)).hexdigest()

    def parsed(self) -> tuple[list[Event], Manifest, list[LoadProblem]]:
        """Return the events, the manifest, and their problems."""
        path = self.folder.path
        events, problems = _events(self.events, path / "events.jsonl")
        problems += self.problems
        manifest = self._manifest(events, problems)
        kept = []
        for event in events:
            if event.conversation_id in ("", manifest.conversation_id):
                kept.append(event)
            else:
                reason = f"event {event.seq} belongs to another conversation, {event.conversation_id!r}"
                problems.append(LoadProblem(str(path / "events.jsonl"), 0, reason))
        return kept, manifest, problems

    def _manifest(self, events: Sequence[Event], problems: list[LoadProblem]) -> Manifest:
        path = self.folder.path / "manifest.json"
        try:
            return Manifest.model_validate_json(self.manifest)
        except ValidationError as error:
            if not any(problem.path == str(path) for problem in problems):
                reason = f"cannot be read, rebuilt from the events: {str(error).splitlines()[0]}"
                problems.append(LoadProblem(str(path), 0, reason))
        first = next((e for e in events if isinstance(e, ConversationStarted)), None)
        return Manifest(conversation_id=(first.conversation_id if first else "") or self.folder.name)


def read_conversation(folder: Path) -> tuple[list[Event], Manifest, list[LoadProblem]]:
    """Return the events, the manifest, and the problems of one folder.

    Raises:
        OSError: the events cannot be read.
    """
    return Source.of(Folder(folder)).parsed()


def read_events(path: Path) -> tuple[list[Event], list[LoadProblem]]:
    """Return the events of a file in order, and a problem for each line that is not an event.

    Raises:
        OSError: the file cannot be read.
    """
    return _events(Folder(path.parent).read(path.name, LARGEST_LOG), path)


def _events(content: bytes, path: Path) -> tuple[list[Event], list[LoadProblem]]:
    events: list[Event] = []
    problems: list[LoadProblem] = []
    seen: set[int] = set()
    useless = 0
    for number, line in enumerate(io.BytesIO(content), 1):
        event, reason = _event(line)
        if event is not None and event.seq in seen:
            reason, event = f"event {event.seq} appears twice", None
        elif event is None and reason and not line.endswith(b"\n"):  # a complete file ends with one
            reason = "incomplete last line (the writer was interrupted)"
        if reason:
            problems.append(LoadProblem(str(path), number, reason))
        if event is not None:
            seen.add(event.seq)
            events.append(event)
            continue
        useless += 1
        if useless == MOST_PROBLEMS:
            reason = f"{useless} lines are not events; the rest is not read"
            problems.append(LoadProblem(str(path), 0, reason))
            break
    missing = (max(seen) + 1 - len(seen)) if seen else 0
    if missing:
        problems.append(LoadProblem(str(path), 0, f"{missing} events are missing in the sequence"))
    return events, problems


def _event(line: bytes) -> tuple[Event | None, str]:
    """Return the event of a line with a remark, or None with a reason; both may be ""."""
    remark = ""
    if not line.strip():
        return None, remark
    if len(line) > LARGEST_LINE:
        return None, f"not an event: longer than {LARGEST_LINE >> 20} MiB"
    try:
        event: Event = any_event.validate_json(line)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        try:
            event = Event.model_validate_json(line)
        except ValidationError:
            return None, f"not an event: {first['msg']}"
        remark = f"unknown kind of event {event.type!r}"
        if first["type"] != "union_tag_invalid":
            return None, f"damaged {event.type!r}: {'.'.join(map(str, first['loc'][1:]))}: {first['msg']}"
    if event.seq < 0 or event.t < 0 or not all(abs(n) < LARGEST for n in _numbers(event)):
        return None, "not an event: a number is out of range"
    if event.schema_version > SCHEMA_VERSION:
        remark = f"written by a newer version (schema {event.schema_version})"
    return event, remark


def _numbers(event: Event) -> Iterator[float]:
    """Yield the numbers that frames contain. Fields unknown to this version are not checked."""
    words = event.words if isinstance(event, TranscriptFinal) else ()
    for some in (event, *words):
        yield from (value for value in vars(some).values() if isinstance(value, int | float))


def _folders(top: Folder, problems: list[LoadProblem]) -> list[Folder]:
    """Return the conversations in a folder; the folder itself, if it is one."""
    if top.mode("events.jsonl"):
        return [top]
    found = []
    for name in top.names():
        folder = top.folder(name)
        try:
            str(folder.path).encode()  # frames hold only UTF-8
            mode = 0 if name.startswith(".") else top.mode(name)
            if stat.S_ISLNK(mode):
                problems.append(LoadProblem(str(folder.path), 0, "is a link and not followed"))
            elif not stat.S_ISDIR(mode):
                continue
            elif folder.mode("events.jsonl"):
                found.append(folder)
            else:
                problems.append(LoadProblem(str(folder.path), 0, "has no events.jsonl"))
        except UnicodeEncodeError:
            problems.append(LoadProblem.unnamed(str(folder.path)))
        except OSError as error:
            problems.append(LoadProblem.of(error))
    return found
