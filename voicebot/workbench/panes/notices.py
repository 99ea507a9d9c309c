"""The pane of notices: what went wrong or was blocked, and what to do about it."""

from __future__ import annotations

from voicebot.conversation.stall import culprit
from voicebot.errors import VoicebotError, one_line
from voicebot.events import ErrorEvent, Event, LoopStall
from voicebot.workbench.panes.feed import Feed, source


class NoticesPane(Feed):
    """Rows: {id, level: error|warning, text, hint, count}. A repeated notice counts up."""

    _esm = source("feed.js", "notices.js")
    _css = source("theme.css", "notices.css")
    limit = 20

    def __init__(self) -> None:
        super().__init__()
        self.on_page("dismiss", lambda message: self.drop(str(message.get("id"))))

    def on_event(self, event: Event) -> None:
        """Show errors and stalls; anything else is ignored."""
        if isinstance(event, LoopStall):
            self.stalled(event.seconds, event.where)
        elif isinstance(event, ErrorEvent):
            self.add("error", event.message, "")

    def stalled(self, seconds: float, where: str = "") -> None:
        """Show that the event loop was blocked for `seconds` by the code `where` (see `LoopStall`)."""
        meanwhile = "agents went on speaking, but new answers waited."
        who = culprit(where)
        if who == "voicebot":
            text = f"AI Voicebot's own work blocked the event loop for {seconds:.1f} s; {meanwhile}"
            hint = "This happens while models load, or on a busy machine. No cell of yours is the cause."
        elif who == "unseen":
            text = f"Unknown code blocked the event loop for {seconds:.1f} s; {meanwhile}"
            hint = (
                "If a cell was running, C code (as in pandas, regex or json) may have held the interpreter: "
                "run it in a process (concurrent.futures.ProcessPoolExecutor)."
            )
        else:
            code = "This cell" if who == "cell" else where
            text = f"{code} blocked the event loop for {seconds:.1f} s; {meanwhile}"
            hint = "Run long work with `await asyncio.to_thread(work)`, and agents keep answering."
        self.add("warning", text, hint, key=f"stall {who}")

    def failed(self, what: str, error: BaseException) -> None:
        """Show that something requested in the panel failed."""
        if isinstance(error, VoicebotError):
            self.add("error", f"{what}: {error.message}", error.hint)
        else:
            self.add("error", f"{what}: {type(error).__name__}: {one_line(error)}", "")

    def add(self, level: str, text: str, hint: str, key: str = "") -> None:
        """Show a notice. It replaces one with the same `key` (or text), and counts up."""
        row_id = key or text
        count = (self.row(row_id) or {}).get("count", 0) + 1
        self.drop(row_id)  # so that it comes last
        self.put({"id": row_id, "level": level, "text": text, "hint": hint, "count": count})
