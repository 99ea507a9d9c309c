from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.support.waiting import GUARD
from voicebot.conversation.log import ConversationLog, new_conversation
from voicebot.events import ErrorEvent, Event, ParticipantJoined, UserChat, any_event


def lines(folder: Path) -> list[Event]:
    return [any_event.validate_json(line) for line in (folder / "events.jsonl").read_bytes().splitlines()]


def test_events_are_stamped_in_order_and_on_the_conversation_clock(tmp_path: Path) -> None:
    now = 100.0
    log = ConversationLog("c1", tmp_path / "c1", clock=lambda: now)
    first = log.emit(UserChat(text="one"))
    now = 102.5
    second = log.emit(UserChat(text="two", cause_seq=first.seq))
    past = log.emit(UserChat(text="heard earlier", t=log.at(101.0)))
    assert [(e.seq, e.t, e.conversation_id) for e in log.events] == [
        (0, 0, "c1"),
        (1, 2.5, "c1"),
        (2, 1, "c1"),
    ]
    assert (second.cause_seq, past.seq) == (0, 2)
    assert log.at(99.0) == 0
    assert log.close()
    assert lines(tmp_path / "c1") == list(log.events)


def test_subscribers_get_events_in_order_even_if_one_of_them_emits() -> None:
    log = ConversationLog("c", None)
    seen: list[int] = []

    def echo(event: Event) -> None:
        if isinstance(event, UserChat) and event.text == "ping":
            log.emit(UserChat(text="pong"))

    log.emit(UserChat(text="before"))
    log.subscribe(echo)
    unsubscribe = log.subscribe(lambda e: seen.append(e.seq), replay=True)
    log.emit(UserChat(text="ping"))
    assert seen == [0, 1, 2]
    unsubscribe()
    log.emit(UserChat(text="after"))
    assert seen == [0, 1, 2]


def test_a_failing_subscriber_does_not_affect_others(caplog: pytest.LogCaptureFixture) -> None:
    log = ConversationLog("c", None)
    seen: list[str] = []
    log.subscribe(lambda e: [][0])
    log.subscribe(lambda e: seen.append(e.type))
    log.emit(UserChat(text="x"))
    assert seen == ["user.chat"]
    assert "A subscriber of c failed on user.chat" in caplog.text


def test_emitting_from_many_threads_loses_nothing(tmp_path: Path) -> None:
    log = ConversationLog("c", tmp_path / "c")
    seen: list[int] = []
    log.subscribe(lambda e: seen.append(e.seq))
    threads = [
        threading.Thread(target=lambda: [log.emit(UserChat(text="x")) for _ in range(200)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert log.close()
    assert seen == list(range(800))
    assert [e.seq for e in lines(tmp_path / "c")] == list(range(800))


def test_events_are_on_disk_without_flush_or_close_when_the_process_is_killed(tmp_path: Path) -> None:
    program = (
        "import pathlib, signal, sys\n"
        "from voicebot.conversation.log import ConversationLog\n"
        "from voicebot.events import UserChat\n"
        "log = ConversationLog('c', pathlib.Path(sys.argv[1]))\n"
        "for n in range(50): log.emit(UserChat(text=str(n)))\n"
        "signal.pause()\n"
    )
    path = tmp_path / "events.jsonl"
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)]) as child:
        while not (path.exists() and path.read_bytes().count(b"\n") == 50):
            assert child.poll() is None
        child.send_signal(signal.SIGKILL)
    assert [e.text for e in lines(tmp_path) if isinstance(e, UserChat)] == [str(n) for n in range(50)]


def test_a_folder_deleted_during_a_conversation_is_rewritten_completely(tmp_path: Path) -> None:
    folder = tmp_path / "c"
    log = ConversationLog("c", folder)
    log.emit(ParticipantJoined(participant_id="ann", name="Ann", kind="human"))
    assert log.flush()
    shutil.rmtree(folder)
    log.emit(UserChat(text="after that"))
    assert log.close()
    assert lines(folder) == list(log.events)
    assert len(log.events) == 2
    assert "Ann" in (folder / "manifest.json").read_text()


def test_a_shortened_file_is_rewritten_after_the_next_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voicebot.conversation.writer.RETRY_EVERY", 0.02)
    log = ConversationLog("c", tmp_path)
    log.emit(UserChat(text="one"))
    assert log.flush()
    os.truncate(tmp_path / "events.jsonl", 3)
    (tmp_path / ".manifest.json.part").mkdir()  # no manifest can be written while this is here
    log.emit(ParticipantJoined(participant_id="ann", name="Ann", kind="human"))
    assert not log.flush()
    (tmp_path / ".manifest.json.part").rmdir()
    while not log.flush():
        assert not log.closed
    log.emit(UserChat(text="two"))
    assert log.close()
    assert lines(tmp_path) == list(log.events)


def test_another_conversation_in_the_folder_is_never_touched(tmp_path: Path) -> None:
    first = ConversationLog("first", tmp_path)
    first.emit(UserChat(text="precious"))
    assert first.close()
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    second = ConversationLog("second", tmp_path)
    second.emit(UserChat(text="new"))
    assert not second.close()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    second.emit(UserChat(text="goes on"))
    [trouble] = [e for e in second.events if isinstance(e, ErrorEvent)]
    assert "choose another folder" in trouble.message


def test_a_steady_stream_of_events_is_synced_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    synced: list[float] = []
    fsync = os.fsync

    def watched(fd: int) -> None:
        synced.append(now)
        fsync(fd)

    monkeypatch.setattr("voicebot.conversation.writer.monotonic", lambda: now)
    monkeypatch.setattr("voicebot.conversation.writer.SYNC_EVERY", 1000.0)
    monkeypatch.setattr(os, "fsync", watched)
    log = ConversationLog("c", tmp_path)
    for _ in range(11):
        log.emit(UserChat(text="x"))
        assert log.flush()
        now += 150.0
    assert synced == [1050.0]
    log.close()


def test_a_log_that_was_never_closed_is_complete_after_a_normal_exit(tmp_path: Path) -> None:
    program = (
        "import pathlib, sys\n"
        "from voicebot.conversation.log import ConversationLog\n"
        "from voicebot.events import UserChat\n"
        "log = ConversationLog('c', pathlib.Path(sys.argv[1]))\n"
        "for n in range(500): log.emit(UserChat(text=str(n)))\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, timeout=60)
    assert len(lines(tmp_path)) == 500


def test_an_unwritable_folder_causes_one_error_event_and_the_log_continues_in_memory(tmp_path: Path) -> None:
    in_the_way = tmp_path / "data"
    in_the_way.write_text("a file where a folder should be")
    log = new_conversation(in_the_way, "lobby")
    assert not log.flush()
    for n in range(5):
        log.emit(UserChat(text=str(n)))
        log.flush()
    errors = [e for e in log.events if isinstance(e, ErrorEvent)]
    assert len(errors) == 1
    assert errors[0].code == "store"
    assert str(in_the_way) in errors[0].message
    assert sum(isinstance(e, UserChat) for e in log.events) == 5
    assert not log.close()


async def test_the_error_of_the_disk_arrives_on_the_loop_by_itself(tmp_path: Path) -> None:
    (tmp_path / "conversations").write_text("in the way")
    arrived = asyncio.Event()
    log = new_conversation(tmp_path, "lobby")
    log.subscribe(lambda e: arrived.set() if isinstance(e, ErrorEvent) else None, replay=True)
    await asyncio.wait_for(arrived.wait(), GUARD)
    log.close()


FULL_FOR_A_WHILE = """
import pathlib, resource, signal, sys
from voicebot.conversation import writer
from voicebot.conversation.log import ConversationLog
from voicebot.events import UserChat, any_event

folder = pathlib.Path(sys.argv[1])
writer.RETRY_EVERY = 0.02
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write then fails with EFBIG, after a short one
old = resource.getrlimit(resource.RLIMIT_FSIZE)
log = ConversationLog("c", folder)
log.emit(UserChat(text="fits"))
assert log.flush()
size = (folder / "events.jsonl").stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, old[1]))
log.emit(UserChat(text="x" * 500))
assert not log.flush()
log.emit(UserChat(text="while it is full"))
resource.setrlimit(resource.RLIMIT_FSIZE, old)
while not log.flush():
    pass
assert log.close()
written = [any_event.validate_json(line) for line in (folder / "events.jsonl").read_bytes().splitlines()]
assert written == list(log.events)
assert [e.type for e in log.events] == ["user.chat", "user.chat", "error", "user.chat"]
"""


def test_a_disk_that_was_full_for_a_while_leaves_no_gap(tmp_path: Path) -> None:
    """In a process of its own: the limit holds for everything that a process writes."""
    done = subprocess.run(
        [sys.executable, "-c", FULL_FOR_A_WHILE, str(tmp_path)], timeout=60, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_the_loop_never_waits_for_a_disk_that_hangs(tmp_path: Path) -> None:
    """A FIFO nobody reads stands for a file system that does not answer."""
    log = ConversationLog("c", tmp_path)
    assert log.flush()
    (tmp_path / "events.jsonl").unlink()
    os.mkfifo(tmp_path / "events.jsonl")
    for n in range(100):
        log.emit(UserChat(text=str(n)))
    assert sum(isinstance(event, UserChat) for event in log.events) == 100  # and one that tells of the disk
    assert not log.flush(timeout=0.05)
    reader = os.open(tmp_path / "events.jsonl", os.O_RDONLY | os.O_NONBLOCK)  # let the thread go
    log.close()
    os.close(reader)


def test_strange_values_do_not_stop_the_log(tmp_path: Path) -> None:
    log = ConversationLog("c", tmp_path)
    log.emit(UserChat(text="lone surrogate \ud800"))
    log.emit(Event(type="plugin.event", payload=object(), number=float("nan")))  # type: ignore[call-arg]
    log.emit(UserChat(text="goes on"))
    assert log.close()
    loaded = [json.loads(line) for line in (tmp_path / "events.jsonl").read_bytes().splitlines()]
    assert [e["type"] for e in loaded] == ["user.chat", "plugin.event", "user.chat"]
    assert "object" in loaded[1]["payload"]


def test_events_after_the_end_stay_in_memory(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    log = ConversationLog("c", tmp_path)
    log.close()
    log.close()
    assert log.emit(UserChat(text="late")).seq == 0
    assert "came after the end" in caplog.text


def test_recordings_of_one_person_never_overwrite_each_other(tmp_path: Path) -> None:
    log = ConversationLog("c", tmp_path)
    paths = [log.audio_path(name) for name in ("ann", "ann", "../etc/passwd", "..")]
    assert [p.name for p in paths if p] == ["ann.ogg", "ann~2.ogg", "_etc_passwd.ogg", "unnamed.ogg"]
    assert all(p and p.parent == tmp_path / "audio" for p in paths)
    assert ConversationLog("memory", None).audio_path("ann") is None
    log.close()


def test_a_new_conversation_begins_with_its_wall_clock(tmp_path: Path) -> None:
    log = new_conversation(tmp_path, "lob", "Kitchen", models={"stt": "pocketsphinx"}, seeds={"voice": 3})
    log.emit(ParticipantJoined(participant_id="ann", name="Ann", kind="human"))
    assert log.close()
    first = lines(tmp_path / "conversations" / log.conversation_id)[0]
    assert (first.type, first.t, first.seq) == ("conversation.started", 0, 0)
    assert first.wall_clock == log.wall_clock.isoformat()  # type: ignore[attr-defined]
