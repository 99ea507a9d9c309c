"""The cache of parsed conversations, in the user's own cache folder and never beside the logs.

Logs may come from anybody, who could pack a matching cache with them. So no file in the folder of the logs
counts as a cache, and each conversation is found by a hash of its content. Each loaded folder has one file,
a zip of Parquet files, which is replaced as a whole: readers in other processes never see a mixture.
"""

from __future__ import annotations

import io
import json
import logging
import os
import re
import tempfile
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pandas as pd
import platformdirs

from voicebot.conversation.frames.columns import COLUMNS, Rows
from voicebot.conversation.frames.rows import frame_of
from voicebot.conversation.reading.problems import LoadProblem
from voicebot.folders import open_file

logger = logging.getLogger(__name__)

FORMAT = 4
"""Increase this with every change of the columns, or of how they are computed."""
KEPT = 50
"""Number of loaded folders that are kept, most recently used first."""
OURS = re.compile(r"frames-[0-9a-f]{32}(\.zip|-\w+\.part)")


def user_folder() -> Path | None:
    """Return the default folder of caches; `XDG_CACHE_HOME` moves it.

    None without a home folder, or if that variable is a relative path, which could lead to a folder of logs.
    """
    folder = platformdirs.user_cache_path("voicebot", appauthor=False) / "frames"
    return folder if folder.is_absolute() else None


class FrameCache:
    """The cache of the conversations in `root`, kept in `folder`. Without a `folder`, nothing is kept."""

    def __init__(self, root: Path, folder: Path | None) -> None:
        name = blake2b(os.fsencode(root), digest_size=16).hexdigest()
        self._root = root
        self._file = None if folder is None else folder / f"frames-{name}.zip"
        self._known: dict[str, dict[str, Any]] = {}
        self._index: dict[str, dict[str, Any]] = {}
        self._frames: dict[str, pd.DataFrame] = {}
        self._kept: set[str] = set()
        self._fresh: Rows = {name: [] for name in COLUMNS}
        if self._file is not None:
            self._read(self._file)

    def known(self, name: str, key: str) -> str | None:
        """Return the id of the conversation in the folder `name`, or None if its content has changed."""
        entry = self._known.get(name)
        return entry["id"] if entry is not None and entry["key"] == key else None

    def keep(self, name: str) -> None:
        """Carry over the cached rows of a conversation whose content has not changed."""
        self._index[name] = self._known[name]
        self._kept.add(self._known[name]["id"])

    def put(
        self, name: str, key: str, conversation_id: str, rows: Rows, problems: Sequence[LoadProblem]
    ) -> None:
        """Add the rows of a conversation that has just been read."""
        self._index[name] = {"key": key, "id": conversation_id, "problems": [list(p) for p in problems]}
        for frame, some in rows.items():
            self._fresh[frame] += some

    def frames(self) -> tuple[dict[str, pd.DataFrame], list[LoadProblem]]:
        """Return the frames and problems of all conversations, and write the cache if it has changed."""
        frames = {}
        for name in COLUMNS:
            frame = frame_of(name, self._fresh[name])
            if self._kept:
                old = self._frames[name]
                old = old[old["conversation_id"].isin(self._kept)]
                frame = pd.concat([old, frame]) if len(frame) else old
            frames[name] = frame.reset_index(drop=True)
        if self._file is not None:
            try:
                self._save(self._file, frames)
            except Exception:  # without a cache, only the next load is slower
                logger.debug("No cache in %s", self._file, exc_info=True)
        return frames, [
            LoadProblem(*p) for name in sorted(self._index) for p in self._index[name]["problems"]
        ]

    def _read(self, path: Path) -> None:
        try:
            with os.fdopen(open_file(path, os.O_RDONLY), "rb") as file, zipfile.ZipFile(file) as archive:
                if not _own(os.fstat(file.fileno())):
                    return
                index = json.loads(archive.read("index.json"))
                if (index["format"], index["columns"], index["root"]) != (FORMAT, COLUMNS, str(self._root)):
                    return
                for name, columns in COLUMNS.items():
                    parquet = io.BytesIO(archive.read(f"{name}.parquet"))
                    self._frames[name] = pd.read_parquet(parquet).astype(columns)
            self._known = index["conversations"]
        except FileNotFoundError:
            pass
        except Exception:  # a broken cache is rebuilt
            logger.debug("The cache %s is unusable", path, exc_info=True)

    def _save(self, path: Path, frames: dict[str, pd.DataFrame]) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _own(path.parent.stat()):
            raise PermissionError("The cache folder belongs to another user")
        if self._index != self._known:
            self._write(path, frames)
        elif self._index:
            os.utime(path)
        _forget(path.parent)

    def _write(self, path: Path, frames: dict[str, pd.DataFrame]) -> None:
        index = {"format": FORMAT, "columns": COLUMNS, "root": str(self._root), "conversations": self._index}
        handle, partial = tempfile.mkstemp(prefix=f"{path.stem}-", suffix=".part", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file, zipfile.ZipFile(file, "w") as archive:
                archive.comment = os.fsencode(self._root)
                archive.writestr("index.json", json.dumps(index))
                for name, frame in frames.items():
                    archive.writestr(f"{name}.parquet", frame.to_parquet(index=False))
            os.replace(partial, path)
        except BaseException:
            os.unlink(partial)
            raise


def _own(found: os.stat_result) -> bool:
    """Tell whether this user owns a file. Files of others are not trusted."""
    return not hasattr(os, "geteuid") or found.st_uid == os.geteuid()


def _forget(folder: Path) -> None:
    """Delete the caches that were unused for longest, and those of folders that no longer exist."""
    ours = [path for path in folder.iterdir() if OURS.fullmatch(path.name)]
    ours.sort(key=lambda path: path.lstat().st_mtime, reverse=True)
    for rank, path in enumerate(ours):
        with suppress(OSError, zipfile.BadZipFile):
            if rank >= KEPT or (path.suffix == ".zip" and not _root_of(path).is_dir()):
                path.unlink()


def _root_of(path: Path) -> Path:
    with os.fdopen(open_file(path, os.O_RDONLY), "rb") as file, zipfile.ZipFile(file) as archive:
        return Path(os.fsdecode(archive.comment))
