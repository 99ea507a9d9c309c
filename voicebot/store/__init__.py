"""Sessions, lobbies, bans and reports: what a server keeps beyond its own life."""

from __future__ import annotations

import logging

from voicebot.errors import StoreError
from voicebot.settings import Settings
from voicebot.store.base import Store
from voicebot.store.exclusive import FolderLock
from voicebot.store.memory import MemoryStore

__all__ = ["Store", "open_store"]

logger = logging.getLogger(__name__)


async def open_store(settings: Settings) -> Store:
    """The store that STORE names, ready to use; the data folder has to be there.

    A second server on the same data folder keeps its own in memory, with a warning.

    Raises:
        StoreError: it cannot be used; the hint says what to do.
    """
    if settings.store == "memory":
        return MemoryStore()
    lock = FolderLock(settings.data_dir)
    try:
        alone = lock.take()
    except OSError as error:
        raise StoreError(
            f"The data folder {settings.data_dir} cannot be locked: {error.strerror or error}.",
            hint="Set DATA_DIR to a folder you may write to, or STORE=memory.",
        ) from None
    try:
        if settings.store == "sqlite":
            from voicebot.store.sqlite import FILE, SqliteStore

            if alone:
                return await SqliteStore.open(settings.data_dir / FILE, lock=lock)
            logger.warning(
                "Another server uses the data folder %s: this one keeps its lobbies and sessions in memory, "
                "and forgets them when it ends. Stop the other one, or give this one a DATA_DIR of its own.",
                settings.data_dir,
            )
            return MemoryStore()
        from voicebot.store.redis import RedisStore

        return await RedisStore.open(settings.store, lock)
    except BaseException:
        lock.release()
        raise
