"""The log of a server process: lines for people, or one JSON object per line for programs.

Every part logs through the standard library (`logging.getLogger(__name__)`); structlog renders. In
JSON each line has `time` (ISO, UTC), `level`, `logger`, `message`, the ids of the context it was logged
in (`request`, `session`, `lobby`, `participant`), and `exception` as data where there was one. What
is passed as `extra` is added: `logger.info("banned", extra={"by": handle})`.

Never logged, at any level: SDP, candidates, secrets, what people say and how they are called. Libraries
write what a server answers, and with it a key; `guard` and the formatters take out what is known as secret.

`configure` is for programs only. In a notebook the root logger is the user's and stays as it is.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from voicebot.redaction import redacted

if TYPE_CHECKING:
    from rich.console import Console

logger = logging.getLogger(__name__)

LogFormat = Literal["text", "json"]
Fields = MutableMapping[str, Any]
ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]

AUDIT = "voicebot.audit"
"""The logger of what hosts do to others: mute, kick, ban, report."""
SILENT = ("opentelemetry.exporter", "opentelemetry.sdk")
"""`voicebot.server.telemetry.tracing` says once that a collector is away, instead of these."""
EXCEPTION, SOURCE = "structured_exception", "source"
"""Fields of a log record: an exception as data, and the process it was logged in."""
_ORDINARY = frozenset(
    {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName", EXCEPTION, "color_message"}
)


def structured_exception(exc_info: ExcInfo) -> list[dict[str, Any]]:
    """An exception as data: types, messages, files and lines; never values of variables."""
    return _exception_as_data()(exc_info)


@cache
def _exception_as_data() -> Callable[[ExcInfo], list[dict[str, Any]]]:
    from structlog.tracebacks import ExceptionDictTransformer  # a tenth of the media worker's start

    return ExceptionDictTransformer(show_locals=False)


def configure(level: str, format: str, console: Console) -> None:
    """Send this process's log to `console` (stderr). Once per program; replaces what was set before."""
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
    """What nobody caught goes to the log, too: Python would print it with the secrets that are in it."""
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error or kind(), trace)
    elif not issubclass(kind, SystemExit):
        logger.critical("A defect of the program", exc_info=(kind, error or kind(), trace))


@cache
def guard() -> None:
    """From now on no record of this process's log holds a secret, whoever writes it and whoever reads it."""
    make, plain = logging.getLogRecordFactory(), logging.Formatter()

    def guarded(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        try:
            said = record.getMessage()
        except Exception:  # its handler will say so
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
    """`level` is for what this package says. Libraries would log traffic, cookies, candidates and rows of
    the store: of them there are warnings only, whatever the level.
    """
    logging.getLogger().setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[level]))
    logging.getLogger("voicebot").setLevel(level)
    for name in SILENT:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def bind(**ids: str) -> None:
    """Log these ids with everything that this task, and those it starts from now on, have to say."""
    from structlog.contextvars import bind_contextvars

    bind_contextvars(**ids)


def unbind(*names: str) -> None:
    """The task has no more to do with these."""
    from structlog.contextvars import unbind_contextvars

    unbind_contextvars(*names)


@contextmanager
def bound(**ids: str) -> Iterator[None]:
    """`bind`, until the end of the block."""
    from structlog.contextvars import bound_contextvars

    with bound_contextvars(**ids):
        yield


def extras(record: logging.LogRecord) -> dict[str, Any]:
    """What our own code passed as `extra`; that of libraries is no concern of the log's readers."""
    if not record.name.startswith("voicebot"):
        return {}
    return {name: value for name, value in vars(record).items() if name not in _ORDINARY}


class TextFormatter(logging.Formatter):
    """A line as ever, with `extra` fields behind it."""

    def format(self, record: logging.LogRecord) -> str:
        text = redacted(super().format(record))
        added = " ".join(f"{name}={value}" for name, value in extras(record).items() if name != SOURCE)
        if not added:
            return text
        first, newline, rest = text.partition("\n")
        return f"{first} [{redacted(added)}]{newline}{rest}"


def json_formatter() -> logging.Formatter:
    """One object per line."""
    import structlog
    from structlog.contextvars import merge_contextvars

    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[merge_contextvars],
        processors=[_fields, structlog.processors.JSONRenderer(default=str, ensure_ascii=False), _clean],
    )


def _clean(logger: object, method: str, line: Any) -> str:
    return redacted(str(line))


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
