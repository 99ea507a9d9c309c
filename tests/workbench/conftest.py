"""A page that widgets talk to: records what they send and can answer, as Jupyter's comm would."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import comm
import pytest
from comm.base_comm import BaseComm
from ipywidgets import Widget


class Page:
    """All comms of a test, by comm id."""

    def __init__(self) -> None:
        self.comms: dict[str, BaseComm] = {}
        self.messages: list[tuple[str, str, dict[str, Any]]] = []

    def create_comm(self, **kwargs: Any) -> BaseComm:
        page = self

        class PageComm(BaseComm):  # type: ignore[misc]
            def publish_msg(
                self, msg_type: str, data: Any = None, metadata: Any = None, buffers: Any = None, **keys: Any
            ) -> None:
                page.comms[self.comm_id] = self
                page.messages.append((self.comm_id, msg_type, data or {}))

        return PageComm(**kwargs)

    def sent(self, widget: Widget) -> list[dict[str, Any]]:
        """The custom messages this widget sent, in order."""
        return [
            data["content"]
            for comm_id, kind, data in self.messages
            if comm_id == widget.comm.comm_id and kind == "comm_msg" and data.get("method") == "custom"
        ]

    def send(self, widget: Widget, content: dict[str, Any]) -> None:
        """A custom message from the page to the kernel."""
        self._deliver(widget, {"method": "custom", "content": content})

    def set(self, widget: Widget, **state: Any) -> None:
        """The page changed synced state, e.g. somebody chose in a dropdown."""
        self._deliver(widget, {"method": "update", "state": state, "buffer_paths": []})

    def _deliver(self, widget: Widget, data: dict[str, Any]) -> None:
        widget.comm.handle_msg({"content": {"comm_id": widget.comm.comm_id, "data": data}, "buffers": []})


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    page = Page()
    monkeypatch.setattr(comm, "create_comm", page.create_comm)
    yield page
    Widget.close_all()
