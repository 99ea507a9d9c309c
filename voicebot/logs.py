"""The log of a server process, as text for people or as one JSON object per line for programs.

All modules use the standard library (`logging.getLogger(__name__)`), and structlog formats. A JSON line has
`time` (ISO 8601, UTC), `level`, `logger`, `message`, the ids of its context (`request`, `session`, `lobby`,
`participant`), `exception` as data, and the fields passed as `extra`, such as
`logger.info("banned", extra={"by": handle})`.

No level logs SDP, ICE candidates, secrets, names or what people say. Libraries log the answers of servers,
which may contain a key; `guard` and the formatters remove known secrets.

`configure` is for programs only. In a notebook, the root logger belongs to the user.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from types import TracebackType
from typing import TYPE_CHECKING, Any

from voicebot.redaction import redacted

if TYPE_CHECKING:
    from rich.console import Console

logger = logging.getLogger(__name__)

Fields = MutableMapping[str, Any]
ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]

AUDIT = "voicebot.audit"
"""The logger for what hosts do to others: mute, kick, ban, report."""
SILENT = ("opentelemetry.exporter", "opentelemetry.sdk")
"""Loggers that repeat that a collector is unreachable; `voicebot.server.telemetry.tracing` logs it once."""
EXCEPTION, SOURCE = "structured_exception", "source"
"""Fields of a log record: an exception as data, and the process that logged it."""
_ORDINARY = frozenset(
    {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName", EXCEPTION, "color_message"}
)


def structured_exception(exc_info: ExcInfo) -> list[dict[str, Any]]:
    """Return an exception as data: types, messages, files and lines, but no values of variables."""
    from structlog.tracebacks import ExceptionDictTransformer  # slow: a tenth of the media worker's start

    return ExceptionDictTransformer(show_locals=False)(exc_info)


def configure(level: str, format: str, console: Console) -> None:
    """Send the log of this process to `console` (stderr), replacing any earlier configuration."""
    from rich.logging import RichHandler

    handler: logging.Handler
    if format == "json":
        handler = logging.StreamHandler(console.file)
        handler.setFormatter(json_formatter())
    else:
        handler = RichHandler(console=console, show_path=False, rich_tracebacks=False)
        handler.setFormatter(TextFormatter("%(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler], force=True)
    set_levels(level)
    sys.excepthook = _on_defect
    threading.excepthook = lambda args: _on_defect(args.exc_type, args.exc_value, args.exc_traceback)


def _on_defect(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    """Log an uncaught exception. Python would print it with its secrets."""
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error or kind(), trace)
    elif not issubclass(kind, SystemExit):
        logger.critical("Uncaught exception", exc_info=(kind, error or kind(), trace))


@cache
def guard() -> None:
    """From now on, remove known secrets from every log record of this process."""
    make, plain = logging.getLogRecordFactory(), logging.Formatter()

    def guarded(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        try:
            said = record.getMessage()
        except Exception:  # the handler will report it
            return record
        if (clean := redacted(said)) != said:
            record.msg, record.args = clean, ()
        if record.exc_info and record.exc_info[0] is not None:
            trace = plain.formatException(record.exc_info)
            if (clean := redacted(trace)) != trace:
                record.exc_text = clean
        return record

    logging.setLogRecordFactory(guarded)


def set_levels(level: str) -> None:
    """Set the level of this package. Libraries log only warnings, whatever the level.

    They would otherwise log traffic, cookies, candidates and rows of the store.
    """
    logging.getLogger().setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[level]))
    logging.getLogger("voicebot").setLevel(level)
    for name in SILENT:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def bind(**ids: str) -> None:
    """Add these ids to all log lines of this task and of the tasks that it starts from now on."""
    from structlog.contextvars import bind_contextvars

    bind_contextvars(**ids)


def unbind(*names: str) -> None:
    """Remove these ids from the log lines of this task."""
    from structlog.contextvars import unbind_contextvars

    unbind_contextvars(*names)


@contextmanager
def bound(**ids: str) -> Iterator[None]:
    """Add these ids, as `bind` does, until the end of the block."""
    from structlog.contextvars import bound_contextvars

    with bound_contextvars(**ids):
        yield


def extras(record: logging.LogRecord) -> dict[str, Any]:
    """Return the fields that this package passed as `extra`, and none of a library."""
    if not record.name.startswith("voicebot"):
        return {}
    return {name: value for name, value in vars(record).items() if name not in _ORDINARY}


class TextFormatter(logging.Formatter):
    """A line of text, with the `extra` fields at its end."""

    def format(self, record: logging.LogRecord) -> str:
        text = redacted(super().format(record))
        added = " ".join(f"{name}={value}" for name, value in extras(record).items() if name != SOURCE)
        if not added:
            return text
        first, newline, rest = text.partition("\n")
        return f"{first} [{redacted(added)}]{newline}{rest}"


def json_formatter() -> logging.Formatter:
    """Make the formatter of JSON lines."""
    import structlog
    from structlog.contextvars import merge_contextvars

    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[merge_contextvars],
        processors=[
            _fields,
            structlog.processors.JSONRenderer(default=str, ensure_ascii=False),
            lambda logger, method, line: redacted(str(line)),
        ],
    )


def _fields(logger: object, method: str, event: Fields) -> Fields:
    record: logging.LogRecord = event.pop("_record")
    event.pop("_from_structlog")
    exc_info = event.pop("exc_info", None)
    line: Fields = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "message": event.pop("event"),
        **event,
        **extras(record),
    }
    if (exception := getattr(record, EXCEPTION, None)) is not None:
        line["exception"] = exception
    elif exc_info and exc_info[1] is not None:
        kind, error, trace = exc_info
        line["exception"] = structured_exception((kind, error, trace))
    return line
