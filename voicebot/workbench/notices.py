"""What went wrong or waited, and what to do about it."""

from __future__ import annotations

from voicebot.errors import VoicebotError
from voicebot.events import ErrorEvent, Event, LoopStall
from voicebot.workbench.feed import Feed, source


class NoticesPane(Feed):
    """Rows: {id, level: error|warning, text, hint, count}. The same twice counts up."""

    _esm = source("feed.js", "notices.js")
    _css = source("theme.css", "notices.css")
    limit = 20

    def __init__(self) -> None:
        super().__init__()
        self.on_page("dismiss", lambda message: self.drop(str(message.get("id"))))

    def on_event(self, event: Event) -> None:
        """Show errors and stalls; anything else is ignored."""
        if isinstance(event, LoopStall):
            self.stalled(event.seconds)
        elif isinstance(event, ErrorEvent):
            hint = str((event.model_extra or {}).get("hint", ""))
            self.add("error", event.message, hint)

    def stalled(self, seconds: float) -> None:
        """A cell kept the event loop from running for `seconds`."""
        self.add(
            "warning",
            f"This cell blocked the loop for {seconds:.1f} s; agents' audio went on, answers waited.",
            "Long work: put it in `await asyncio.to_thread(work)` and the agents go on answering.",
            key="stall",
        )

    def failed(self, what: str, error: BaseException) -> None:
        """Something asked for in the panel could not be done."""
        if isinstance(error, VoicebotError):
            self.add("error", f"{what}: {error.message}", error.hint)
        else:
            self.add("error", f"{what}: {type(error).__name__}: {error}", "")

    def add(self, level: str, text: str, hint: str, key: str = "") -> None:
        """Show a notice; one with the same `key` (or text) is replaced and counted."""
        row_id = key or text
        count = (self.row(row_id) or {}).get("count", 0) + 1
        self.drop(row_id)  # so that it comes last
        self.put({"id": row_id, "level": level, "text": text, "hint": hint, "count": count})
