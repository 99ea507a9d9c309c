"""The base of live panes, which keep a bounded number of rows and send changes to the page.

The page's part is `static/feed.js`. The protocol has three custom messages:

    page -> kernel   {"type": "hello"}                       a view opened, or saw a gap
    kernel -> page   {"type": "rows", "seq", "rows", "gone"} what changed since `seq - 1`
    kernel -> page   {"type": "all", "seq", "rows"}          everything kept (the backlog)

and those that a pane adds, such as {"type": "remove", "id"}. Rows are dicts with an "id". A row that is
sent again replaces the older one, so a lost or repeated message does no harm. Rows are not synced widget
state, so a saved notebook stays small.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget

Row = dict[str, Any]
_STATIC = Path(__file__).parent / "static"


def source(*names: str) -> str:
    """Return the text of files in `static`, one after the other."""
    return "\n".join((_STATIC / name).read_text("utf-8") for name in names)


class Feed(anywidget.AnyWidget):
    """The base of live panes. Create a pane on the event loop that it belongs to.

    Call `put` and `drop` on the thread of that loop. They take microseconds, because changes are sent at most
    once in `interval` seconds, in one message.
    """

    limit = 500
    """Number of rows kept, here and in the page. The oldest are dropped first."""
    interval = 0.05
    """Seconds between two messages to the page."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._rows: dict[str, Row] = {}
        self._changed: dict[str, None] = {}
        self._gone: dict[str, None] = {}
        self._seq = 0
        self._timer: asyncio.TimerHandle | None = None
        self._handlers: dict[str, Callable[[Row], None]] = {}
        try:
            self._loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            self._loop = None
        self.on_msg(self._received)

    @property
    def rows(self) -> list[Row]:
        """The rows, oldest first."""
        return list(self._rows.values())

    def row(self, row_id: str) -> Row | None:
        """Return the row with that id, or None if it is not kept."""
        return self._rows.get(row_id)

    def put(self, row: Row) -> None:
        """Add a row, or replace the one with the same id in its place."""
        row_id = str(row["id"])
        self._rows[row_id] = row
        self._changed[row_id] = None
        self._gone.pop(row_id, None)
        while len(self._rows) > self.limit:
            self.drop(next(iter(self._rows)))
        self._later()

    def drop(self, row_id: str) -> None:
        """Remove a row. Unknown ids are ignored."""
        if self._rows.pop(row_id, None) is not None:
            self._changed.pop(row_id, None)
            self._gone[row_id] = None
            self._later()

    def on_page(self, kind: str, handler: Callable[[Row], None]) -> None:
        """Call `handler` on the loop with the page's messages of this type."""
        self._handlers[kind] = handler

    def flush(self) -> None:
        """Send all changes now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._changed and not self._gone:
            return
        rows, gone = [self._rows[i] for i in self._changed], list(self._gone)
        self._changed, self._gone = {}, {}
        self._seq += 1
        self.send({"type": "rows", "seq": self._seq, "rows": rows, "gone": gone})

    def _later(self) -> None:
        if self._timer is not None:
            return
        if self._loop is None or self._loop.is_closed():  # nothing would send it later
            self.flush()
        else:
            self._timer = self._loop.call_later(self.interval, self.flush)

    def _received(self, _: object, content: object, __: object) -> None:
        if not isinstance(content, dict):
            return
        kind = content.get("type")
        if kind == "hello":
            # list() in one step: this may run on another thread than put()
            self.send({"type": "all", "seq": self._seq, "rows": list(self._rows.values())})
        elif isinstance(kind, str) and kind in self._handlers:
            # ipykernel may deliver this on another thread, with another loop
            if self._loop is None:
                self._handlers[kind](content)
            elif not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._handlers[kind], content)
