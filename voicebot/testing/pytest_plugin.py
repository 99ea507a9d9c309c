"""Virtual time for pytest-asyncio: `pytest_plugins = ["voicebot.testing.pytest_plugin"]`.

    @pytest.mark.virtual_time
    async def test_an_hour() -> None:
        await asyncio.sleep(3600)

The marker takes the options of `VirtualTimeLoop`, for example `virtual_time(io_grace=0.002)`. Async
fixtures of function scope run in the same virtual time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from voicebot.testing.virtual_time import VirtualTimeLoop


def pytest_configure(config: Any) -> None:
    config.addinivalue_line(
        "markers", "virtual_time(io_grace, limit, patience): run an async test on a VirtualTimeLoop"
    )


def pytest_asyncio_loop_factories(
    config: Any, item: Any
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    marker = item.get_closest_marker("virtual_time")
    if marker is None:
        return {"real_time": asyncio.new_event_loop}
    return {"virtual_time": partial(VirtualTimeLoop, *marker.args, **marker.kwargs)}
