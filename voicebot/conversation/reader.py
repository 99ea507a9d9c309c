"""Conversation folders to pandas: `voicebot.load("data/conversations")`.

What cannot be read is named in `.problems` by file and line and left out; it never stops
the rest. Parsed conversations are kept as Parquet in a `.frames` folder and parsed anew
when their files have changed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from pydantic import ValidationError

from voicebot.conversation.cache import FrameCache
from voicebot.conversation.columns import COLUMNS
from voicebot.conversation.frames import rows_of
from voicebot.conversation.manifest import Manifest
from voicebot.conversation.problems import Problem
from voicebot.errors import LogError
from voicebot.events import SCHEMA_VERSION, ConversationStarted, Event, any_event
from voicebot.settings import find_home

if TYPE_CHECKING:
    from voicebot.conversation.log import ConversationLog

LARGEST = 2**53
"""Larger whole numbers are damage: they do not survive JSON in other languages."""


@dataclass(frozen=True, eq=False)
class Conversations:
    """The frames of one or many conversations; see `voicebot.conversation.frames.COLUMNS`."""

    conversations: pd.DataFrame
    participants: pd.DataFrame
    turns: pd.DataFrame
    words: pd.DataFrame
    events: pd.DataFrame
    latency: pd.DataFrame
    speculation: pd.DataFrame
    speech: pd.DataFrame
    endpoints: pd.DataFrame
    audio: pd.DataFrame
    problems: tuple[Problem, ...] = ()
    """Everything that could not be read."""

    @classmethod
    def of(cls, log: ConversationLog) -> Conversations:
        """The same frames of a conversation that is still going on."""
        frames = rows_of(tuple(log.events), log.manifest, log.folder).frames()
        return cls(**frames, problems=())

    def __len__(self) -> int:
        return len(self.conversations)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name}: {len(getattr(self, name))}" for name in COLUMNS)
        return f"<Conversations {sizes}, problems: {len(self.problems)}>"


def load(path: str | Path = "data/conversations", *, cache: bool = True) -> Conversations:
    """Read conversations into frames.

    Args:
        path: a conversation's folder, a folder of those, or a data folder. A relative one that is
            not in the working folder (a notebook's is `notebooks/`) is looked for in its project.
        cache: keep and use Parquet in `<path>/.frames`; silently off where it cannot be written.

    Raises:
        LogError: there is no such folder.
    """
    root = Path(path)
    if not root.is_dir():
        root = find_home() / path
    if not root.is_dir():
        raise LogError(
            f"There is no folder {str(path)!r} in {Path.cwd()} or in its project.",
            hint="Give the folder of one conversation, or the one that holds them: data/conversations.",
        )
    if (root / "conversations").is_dir() and not (root / "events.jsonl").exists():
        root = root / "conversations"
    problems: list[Problem] = []
    folders = _folders(root, problems)
    store = FrameCache(root if cache else None, folders)
    for folder in folders:
        if store.has(folder):
            continue
        try:
            events, manifest, found = read_conversation(folder)
            if manifest.conversation_id in store.ids:
                problems.append(
                    Problem(str(folder), 0, f"is a copy of conversation {manifest.conversation_id}")
                )
                continue
            store.put(folder, rows_of(events, manifest, folder, len(found)), found)
        except (OSError, ValueError, OverflowError) as error:
            problems.append(Problem(str(folder), 0, f"cannot be read: {error}"))
    frames, kept = store.frames()
    return Conversations(**frames, problems=(*problems, *kept))


def read_conversation(folder: Path) -> tuple[list[Event], Manifest, list[Problem]]:
    """The events and manifest of one folder, and what was wrong with them. Raises OSError."""
    events, problems = read_events(folder / "events.jsonl")
    manifest = _manifest(folder, events, problems)
    kept = []
    for event in events:
        if event.conversation_id in ("", manifest.conversation_id):
            kept.append(event)
        else:
            problems.append(
                Problem(
                    str(folder / "events.jsonl"),
                    0,
                    f"event {event.seq} belongs to another conversation, {event.conversation_id!r}",
                )
            )
    return kept, manifest, problems


def read_events(path: Path) -> tuple[list[Event], list[Problem]]:
    """Every line that is an event, in order, and a problem for each that is not. Raises OSError."""
    events: list[Event] = []
    problems: list[Problem] = []
    seen: set[int] = set()
    lines = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines, 1):
        torn = number == len(lines)  # a whole file ends with a newline
        if not line.strip():
            continue
        event, reason = _event(line)
        if event is None:
            reason = "torn last line (the writer was cut off)" if torn else reason
        elif event.seq in seen:
            reason = f"event {event.seq} is there twice"
        else:
            seen.add(event.seq)
            events.append(event)
        if reason:
            problems.append(Problem(str(path), number, reason))
    missing = (max(seen) + 1 - len(seen)) if seen else 0
    if missing:
        problems.append(Problem(str(path), 0, f"{missing} events are missing between the others"))
    return events, problems


def _event(line: bytes) -> tuple[Event | None, str]:
    """The event and "", an event with a remark, or None and why not."""
    remark = ""
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
    whole = [n for n in (event.seq, event.cause_seq or 0, event.sample or 0) if abs(n) >= LARGEST]
    if event.seq < 0 or whole or not (math.isfinite(event.t) and event.t >= 0):
        return None, "not an event: seq or t is out of range"
    if event.schema_version > SCHEMA_VERSION:
        remark = f"written by a newer version (schema {event.schema_version})"
    return event, remark


def _manifest(folder: Path, events: Sequence[Event], problems: list[Problem]) -> Manifest:
    path = folder / "manifest.json"
    first = next((e for e in events if isinstance(e, ConversationStarted)), None)
    known = (first.conversation_id if first else "") or folder.name
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        problems.append(Problem(str(path), 0, "is missing; rebuilt from the events"))
    except (OSError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        problems.append(Problem(str(path), 0, f"cannot be read, rebuilt from the events: {reason}"))
    else:
        return manifest
    return Manifest(conversation_id=known)


def _folders(root: Path, problems: list[Problem]) -> list[Path]:
    if (root / "events.jsonl").exists():
        return [root]
    found = []
    for folder in sorted(root.iterdir()):
        try:
            if not folder.is_dir() or folder.name.startswith("."):
                continue
            if (folder / "events.jsonl").exists():
                found.append(folder)
            else:
                problems.append(Problem(str(folder), 0, "has no events.jsonl"))
        except OSError as error:
            problems.append(Problem(str(folder), 0, f"cannot be read: {error}"))
    return found
