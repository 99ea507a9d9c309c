"""What went wrong or waited, and what to do about it."""

from __future__ import annotations

from voicebot.conversation.stall import culprit
from voicebot.errors import VoicebotError, one_line
from voicebot.events import ErrorEvent, Event, LoopStall
from voicebot.workbench.panes.feed import Feed, source


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
            self.stalled(event.seconds, event.where)
        elif isinstance(event, ErrorEvent):
            self.add("error", event.message, "")

    def stalled(self, seconds: float, where: str = "") -> None:
        """The event loop did not run for `seconds`; `where` is what was seen running (`LoopStall.where`)."""
        meanwhile = "agents' audio went on, answers waited."
        who = culprit(where)
        if who == "voicebot":
            text = f"The loop was busy for {seconds:.1f} s with AI Voicebot's own work; {meanwhile}"
            hint = "It happens while models load and on a busy machine; no cell of yours is the cause."
        elif who == "unseen":
            text = f"Something blocked the loop for {seconds:.1f} s and could not be seen; {meanwhile}"
            hint = (
                "If a cell was running: C code such as pandas, regex or json lets nothing else run; "
                "put it in a process (concurrent.futures.ProcessPoolExecutor)."
            )
        else:
            code = "This cell" if who == "cell" else where
            text = f"{code} blocked the loop for {seconds:.1f} s; {meanwhile}"
            hint = "Long work: put it in `await asyncio.to_thread(work)` and the agents go on answering."
        self.add("warning", text, hint, key=f"stall {who}")

    def failed(self, what: str, error: BaseException) -> None:
        """Something asked for in the panel could not be done."""
        if isinstance(error, VoicebotError):
            self.add("error", f"{what}: {error.message}", error.hint)
        else:
            self.add("error", f"{what}: {type(error).__name__}: {one_line(error)}", "")

    def add(self, level: str, text: str, hint: str, key: str = "") -> None:
        """Show a notice; one with the same `key` (or text) is replaced and counted."""
        row_id = key or text
        count = (self.row(row_id) or {}).get("count", 0) + 1
        self.drop(row_id)  # so that it comes last
        self.put({"id": row_id, "level": level, "text": text, "hint": hint, "count": count})
