"""What a media plane reports, for tests that wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from tests.support.waiting import GUARD
from voicebot.media.base import Notice

N = TypeVar("N", bound=Notice)


class Notices:
    """The plane's notices, and a way to wait for one."""

    def __init__(self) -> None:
        self.all: list[Notice] = []
        self._new = asyncio.Event()

    def __call__(self, notice: Notice) -> None:
        self.all.append(notice)
        self._new.set()

    def of(self, kind: type[N]) -> list[N]:
        return [n for n in self.all if isinstance(n, kind)]

    async def wait(self, kind: type[N], where: Callable[[N], bool] = lambda n: True, count: int = 1) -> N:
        async with asyncio.timeout(GUARD):
            while True:
                found = [n for n in self.of(kind) if where(n)]
                if len(found) >= count:
                    return found[count - 1]
                self._new.clear()
                await self._new.wait()
