"""Parsed conversations as Parquet: derived, disposable, and never trusted over the JSONL.

`<root>/.frames/index.json` says which files, by size and time of change, the Parquet
files were made from. A new set is written beside the old one and becomes valid with the
one rename of the index, so that readers in other processes never see a mixture.
"""

from __future__ import annotations

import json
import logging
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from voicebot.conversation.columns import COLUMNS
from voicebot.conversation.frames import Rows, frame_of
from voicebot.conversation.problems import Problem

logger = logging.getLogger(__name__)

FORMAT = 3
"""Grows with every change of the columns or of how they are computed."""


class FrameCache:
    """What is known of `folders`; `root` None only holds what is put."""

    def __init__(self, root: Path | None, folders: Sequence[Path]) -> None:
        self._folder = None if root is None else root / ".frames"
        self._stamps = {folder.name: stamp(folder) for folder in folders}
        self._index: dict[str, dict[str, Any]] = {}
        self._frames: dict[str, pd.DataFrame] = {}
        self._changed = False
        self._fresh = Rows()
        if self._folder is not None and (self._folder / "index.json").exists():
            self._read(self._folder)
        self.ids = {i for entry in self._index.values() for i in entry["ids"]}
        """Conversations that are here."""
        self._kept = set(self.ids)

    def has(self, folder: Path) -> bool:
        """Whether the folder's conversation is here and unchanged."""
        return folder.name in self._index

    def put(self, folder: Path, rows: Rows, problems: Sequence[Problem]) -> None:
        """A conversation that has just been read."""
        ids = [row["conversation_id"] for row in rows.by_frame["conversations"]]
        self._index[folder.name] = {
            "stamp": self._stamps[folder.name],
            "ids": ids,
            "problems": [list(problem) for problem in problems],
        }
        self.ids.update(ids)
        self._changed = True
        for name, some in rows.by_frame.items():
            self._fresh.by_frame[name] += some

    def frames(self) -> tuple[dict[str, pd.DataFrame], list[Problem]]:
        """Everything; writes the cache when something has changed."""
        frames = {}
        for name in COLUMNS:
            frame = frame_of(name, self._fresh.by_frame[name])
            if self._kept:
                old = self._frames[name]
                old = old[old["conversation_id"].isin(self._kept)]
                frame = pd.concat([old, frame]) if len(frame) else old
            frames[name] = frame.reset_index(drop=True)
        if self._folder is not None and self._changed:
            try:
                self._write(self._folder, frames)
            except Exception:  # a cache that cannot be written costs time, nothing else
                logger.debug("No cache in %s", self._folder, exc_info=True)
        return frames, [Problem(*p) for name in sorted(self._index) for p in self._index[name]["problems"]]

    def _read(self, folder: Path) -> None:
        try:
            index = json.loads((folder / "index.json").read_text())
            made_for = (index["format"], index["columns"], index["root"])
            if made_for != (FORMAT, COLUMNS, str(folder)):
                return
            frames = {name: pd.read_parquet(folder / index["set"] / f"{name}.parquet") for name in COLUMNS}
            for name, frame in frames.items():
                frames[name] = frame.astype(COLUMNS[name])
            known = index["conversations"]
            self._index = {
                n: known[n] for n, at in self._stamps.items() if n in known and known[n]["stamp"] == at
            }
            self._changed = self._index.keys() != known.keys()
            self._frames = frames
        except Exception:  # a broken cache is rebuilt
            logger.debug("The cache in %s is unusable", folder, exc_info=True)

    def _write(self, folder: Path, frames: dict[str, pd.DataFrame]) -> None:
        name = secrets.token_hex(8)
        (folder / name).mkdir(parents=True)
        for frame_name, frame in frames.items():
            frame.to_parquet(folder / name / f"{frame_name}.parquet", index=False)
        content = {
            "format": FORMAT,
            "columns": COLUMNS,
            "root": str(folder),
            "set": name,
            "conversations": self._index,
        }
        partial = folder / f"{name}.json"
        partial.write_text(json.dumps(content))
        partial.replace(folder / "index.json")
        for other in folder.iterdir():
            if other.is_dir() and other.name != name:
                shutil.rmtree(other, ignore_errors=True)


def stamp(folder: Path) -> dict[str, list[int]]:
    """Size and time of change of everything the frames are made from."""
    try:
        return _stamp(folder)
    except OSError:  # reading it will say why
        return {}


def _stamp(folder: Path) -> dict[str, list[int]]:
    files = [folder / "events.jsonl", folder / "manifest.json", *sorted((folder / "audio").glob("*.ogg"))]
    stats = {path.name: path.stat() for path in files if path.exists()}
    return {name: [stat.st_size, stat.st_mtime_ns] for name, stat in stats.items()}
