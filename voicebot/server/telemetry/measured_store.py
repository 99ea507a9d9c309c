"""A store that reports the duration and the failures of its operations."""

from __future__ import annotations

from typing import Any, cast

from voicebot.server.telemetry.telemetry import Telemetry
from voicebot.store.base import Store
from voicebot.store.shared import SharedStore

NOT_MEASURED = {"abandon", "aclose", "read"}
"""`read` waits for entries, so its duration means nothing."""
OPERATIONS = {name for name in (*vars(Store), *vars(SharedStore)) if not name.startswith("_")} - NOT_MEASURED


def measured(store: Store, telemetry: Telemetry) -> Store:
    """Wrap `store` so that `telemetry` gets the duration and failures of its operations."""
    return cast(Store, _Measured(store, telemetry))


class _Measured:
    def __init__(self, store: Store, telemetry: Telemetry) -> None:
        self._store, self._telemetry = store, telemetry

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if name not in OPERATIONS:
            return found

        async def operation(*arguments: Any, **options: Any) -> Any:
            with self._telemetry.storing(name):
                return await found(*arguments, **options)

        setattr(self, name, operation)
        return operation
