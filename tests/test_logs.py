"""The log's two forms, the ids of its context, and what is never in it."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import secrets
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from voicebot import logs
from voicebot.media.process.plane import _log
from voicebot.redaction import keep

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def root() -> Iterator[None]:
    """The root logger and what `configure` changes elsewhere, put back afterwards."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    names = ("voicebot", *logs.SILENT)
    levels = {name: logging.getLogger(name).level for name in names}
    for handler in handlers:  # pytest's own would be closed
        root.removeHandler(handler)
    hooks = sys.excepthook, threading.excepthook
    yield
    sys.excepthook, threading.excepthook = hooks
    for handler in list(root.handlers):
        root.removeHandler(handler)
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(level)
    for name in names:
        logging.getLogger(name).setLevel(levels[name])


@pytest.fixture
def out(root: None) -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def written(out: io.StringIO) -> Lines:
    logs.configure("INFO", "json", Console(file=out))
    return lambda: [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_line_is_an_object_with_its_time_in_utc(written: Lines) -> None:
    logging.getLogger("voicebot.x").warning("%s of %d\nsecond line", "one", 2)
    [line] = written()
    assert line["message"] == "one of 2\nsecond line"
    assert (line["level"], line["logger"]) == ("warning", "voicebot.x")
    assert datetime.fromisoformat(line["time"]).utcoffset() == timedelta(0)


def test_an_exception_is_data_without_the_values_of_variables(written: Lines) -> None:
    def fail() -> None:
        password = "hunter2"
        try:
            raise KeyError(len(password))
        except KeyError as error:
            raise ValueError("wrong") from error

    try:
        fail()
    except ValueError:
        logging.getLogger("voicebot.x").exception("it failed")
    [line] = written()
    assert [part["exc_type"] for part in line["exception"]] == ["ValueError", "KeyError"]
    assert line["exception"][0]["exc_value"] == "wrong"
    assert line["exception"][0]["frames"][-1]["name"] == "fail"
    assert "hunter2" not in json.dumps(line)


@pytest.mark.parametrize("format", ["text", "json"])
def test_an_uncaught_exception_is_logged_without_a_secret(out: io.StringIO, format: str) -> None:
    secret = secrets.token_hex(8)
    keep(secret)
    logs.configure("INFO", format, Console(file=out, width=200))

    def fail() -> None:
        raise OSError(f"not with {secret}")

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    try:
        fail()
    except OSError as error:
        sys.excepthook(type(error), error, error.__traceback__)
    assert secret not in out.getvalue()
    assert out.getvalue().count("Uncaught exception") == 2
    assert out.getvalue().count("not with ***") == 2


async def test_ids_follow_a_task_and_those_it_starts(written: Lines) -> None:
    logger = logging.getLogger("voicebot.x")

    async def visitor(session: str, ready: asyncio.Barrier) -> None:
        logs.bind(session=session)
        await ready.wait()
        with logs.bound(lobby=f"lobby of {session}"):
            await asyncio.create_task(asyncio.to_thread(logger.info, session), name="inner")
        logs.unbind("session")
        logger.info("%s is gone", session)

    together = asyncio.Barrier(2)
    await asyncio.gather(visitor("s-1", together), visitor("s-2", together))
    told = [line for line in written() if "is gone" not in line["message"]]
    assert {(line["message"], line["session"], line["lobby"]) for line in told} == {
        ("s-1", "s-1", "lobby of s-1"),
        ("s-2", "s-2", "lobby of s-2"),
    }
    gone = [line for line in written() if "is gone" in line["message"]]
    assert len(gone) == 2
    assert all("session" not in line and "lobby" not in line for line in gone)


def test_audit_lines_have_fields(written: Lines) -> None:
    logging.getLogger(logs.AUDIT).info("kick", extra={"by": "s-1", "about": "s-2"})
    logging.getLogger("other.library").warning("odd", extra={"headers": "Cookie: secret"})
    kick, odd = written()
    assert (kick["logger"], kick["by"], kick["about"]) == ("voicebot.audit", "s-1", "s-2")
    assert "secret" not in json.dumps(odd)


def worker_record(level: int, message: str, **fields: object) -> logging.LogRecord:
    return logging.makeLogRecord(
        {
            "name": "voicebot.media.engine",
            "levelno": level,
            "levelname": logging.getLevelName(level),
            "msg": message,
            "created": 1e9,
            logs.SOURCE: "media worker",
            **fields,
        }
    )


def test_records_of_the_media_worker_look_the_same(written: Lines) -> None:
    exception = [{"exc_type": "OSError"}]
    traceback = {"exc_text": "Traceback ...", logs.EXCEPTION: exception}
    _log(worker_record(logging.ERROR, "100% lost", **traceback))
    _log(worker_record(logging.DEBUG, "left out"))
    [line] = written()
    assert line["message"] == "100% lost"
    assert line["source"] == "media worker"
    assert line["exception"] == exception
    assert line["time"] == "2001-09-09T01:46:40.000+00:00"


def test_a_text_line_ends_with_its_fields(out: io.StringIO) -> None:
    logs.configure("INFO", "text", Console(file=out, width=200))
    logging.getLogger(logs.AUDIT).info("kick", extra={"by": "s-1"})
    _log(worker_record(logging.ERROR, "lost", exc_text="Traceback: why"))
    said = out.getvalue()
    assert "voicebot.audit: kick [by=s-1]" in said
    assert "voicebot.media.engine: lost" in said
    assert "Traceback: why" in said


@pytest.mark.parametrize("format", ["text", "json"])
def test_no_level_makes_libraries_log_traffic(out: io.StringIO, format: str) -> None:
    logs.configure("DEBUG", format, Console(file=out))
    logging.getLogger("voicebot.x").debug("ours")
    for name in (
        "aiosqlite",
        "aioice",
        "aiortc",
        "httpx",
        "openai",
        "redis",
        "uvicorn",
        "websockets",
        "libav",
    ):
        logging.getLogger(name).debug("Cookie: secret")
        logging.getLogger(f"{name}.child").info("a=candidate:secret")
    assert "ours" in out.getvalue()
    assert "secret" not in out.getvalue()
