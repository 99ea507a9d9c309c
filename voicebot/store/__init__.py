"""The store of sessions, lobbies, bans and reports, which survive a restart of the server."""

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
    """Open the store that STORE names. The data folder must exist.

    A second server on the same data folder gets a store in memory, and logs a warning.

    Raises:
        StoreError: the store cannot be used; the hint says what to do.
    """
    if settings.store == "memory":
        return MemoryStore()
    lock = FolderLock(settings.data_dir)
    try:
        alone = lock.take()
    except OSError as error:
        raise StoreError(
            f"The data folder {settings.data_dir} cannot be locked: {error.strerror or error}.",
            hint="Set DATA_DIR to a writable folder, or set STORE=memory.",
        ) from None
    try:
        if settings.store == "sqlite":
            from voicebot.store.sqlite import FILE, SqliteStore

            if alone:
                return await SqliteStore.open(settings.data_dir / FILE, lock=lock)
            logger.warning(
                "Another server uses the data folder %s. This one keeps lobbies and sessions in memory, and "
                "forgets them when it stops. Stop the other server, or set another DATA_DIR.",
                settings.data_dir,
            )
            return MemoryStore()
        from voicebot.store.redis import RedisStore

        return await RedisStore.open(settings.store, lock)
    except BaseException:
        lock.release()
        raise
