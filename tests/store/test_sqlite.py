"""What only the file does: killed writers, damage, versions, a full disk, two servers on one folder."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from voicebot.errors import StoreError
from voicebot.settings import Settings
from voicebot.store import open_store, sqlite
from voicebot.store.base import LobbyRecord, ReportRecord, SessionRecord
from voicebot.store.memory import MemoryStore
from voicebot.store.sqlite import FILE, MIGRATIONS, SqliteStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / FILE


@pytest.fixture
def damaged(path: Path) -> bytes:
    """A file that is none of SQLite's; returns what is in it."""
    path.write_bytes(b"this is no database, " * 500)
    return path.read_bytes()


@pytest.fixture
def newer(path: Path) -> bytes:
    """A file of a version to come; returns what is in it."""
    ask(path, f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    return path.read_bytes()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(_env_file=None, data_dir=tmp_path)  # type: ignore[call-arg]


def ask(path: Path, sql: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    try:
        rows = connection.execute(sql).fetchall()
        connection.commit()
        return rows
    finally:
        connection.close()


def content(path: Path) -> bytes:
    return path.read_bytes()


async def test_the_file_uses_write_ahead_logging_so_that_others_can_read(path: Path) -> None:
    store = await SqliteStore.open(path)
    await store.put_report(ReportRecord("r-1", "a", "c", "s", "p", "Bob", "noise", 1.0))
    assert ask(path, "PRAGMA journal_mode") == [("wal",)]
    assert ask(path, "SELECT id FROM reports") == [("r-1",)]
    await store.aclose()
    with pytest.raises(StoreError, match="closed"):
        await store.lobbies()


WRITER = """
import asyncio, sys
from pathlib import Path
from voicebot.store.base import LobbyRecord
from voicebot.store.sqlite import SqliteStore

async def main():
    store = await SqliteStore.open(Path(sys.argv[1]))
    for n in range(1_000_000):
        await store.put_lobby(LobbyRecord(f"lobby-{n}", "x" * 500, n))
        print(n, flush=True)

asyncio.run(main())
"""


async def test_written_records_survive_a_kill(path: Path) -> None:
    writer = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITER, str(path), stdout=subprocess.PIPE
    )
    assert writer.stdout is not None
    for _ in range(200):
        last = int(await writer.stdout.readline())
    writer.kill()
    await writer.communicate()
    store = await SqliteStore.open(path)
    found = await store.lobbies()
    assert [record.id for record in found[: last + 1]] == [f"lobby-{n}" for n in range(last + 1)]
    assert all(record.name == "x" * 500 for record in found)
    await store.aclose()


async def test_a_damaged_file_is_set_aside(
    path: Path, damaged: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    store = await SqliteStore.open(path)
    assert await store.lobbies() == []
    await store.put_lobby(LobbyRecord("a", "A"))
    await store.aclose()
    [aside] = path.parent.glob(f"{FILE}.corrupt-*")
    assert content(aside) == damaged
    assert aside.name in caplog.text
    store = await SqliteStore.open(path)
    assert await store.lobbies() == [LobbyRecord("a", "A")]
    await store.aclose()


async def test_damage_inside_the_file_is_found_when_it_is_opened(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = await SqliteStore.open(path)
    for n in range(200):
        await store.put_lobby(LobbyRecord(f"lobby-{n}", "x" * 300))
    await store.aclose()
    with path.open("r+b") as file:
        file.seek(3 * 4096)
        file.write(b"\xff" * 4096 * 8)
    store = await SqliteStore.open(path)
    assert await store.lobbies() == []
    await store.aclose()
    assert "damaged" in caplog.text
    assert len(list(path.parent.glob(f"{FILE}.corrupt-*"))) == 1


async def test_a_file_of_a_newer_version_is_left_alone(path: Path, newer: bytes) -> None:
    with pytest.raises(StoreError, match="newer version") as caught:
        await SqliteStore.open(path)
    assert "DATA_DIR" in caught.value.hint
    assert content(path) == newer


async def test_a_file_of_an_older_version_is_migrated(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = await SqliteStore.open(path)
    await store.put_lobby(LobbyRecord("a", "A"))
    await store.aclose()
    step = "ALTER TABLE lobbies ADD COLUMN colour TEXT DEFAULT 'blue'"
    monkeypatch.setattr(sqlite, "MIGRATIONS", (*MIGRATIONS, step))
    store = await SqliteStore.open(path)
    assert await store.lobbies() == [LobbyRecord("a", "A")]
    await store.aclose()
    assert ask(path, "SELECT colour FROM lobbies") == [("blue",)]
    assert ask(path, "PRAGMA user_version") == [(len(MIGRATIONS) + 1,)]


async def test_a_failed_migration_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = await SqliteStore.open(path)
    await store.put_lobby(LobbyRecord("a", "A"))
    await store.aclose()
    with monkeypatch.context() as patch:
        patch.setattr(sqlite, "MIGRATIONS", (*MIGRATIONS, "DELETE FROM lobbies; SELECT * FROM nowhere"))
        with pytest.raises(StoreError, match="nowhere"):
            await SqliteStore.open(path)
    store = await SqliteStore.open(path)
    assert await store.lobbies() == [LobbyRecord("a", "A")]
    await store.aclose()


async def test_a_full_disk_is_an_error_and_the_store_recovers(path: Path) -> None:
    store = await SqliteStore.open(path)
    await store.put_lobby(LobbyRecord("a", "A"))
    await store._run("PRAGMA max_page_count = 1")  # no smaller than it is now
    with pytest.raises(StoreError, match="full") as caught:
        await store.put_lobby(LobbyRecord("large", "x" * 1_000_000))
    assert "make room" in caught.value.hint
    assert caught.value.retryable
    assert (await store.lobbies())[0] == LobbyRecord("a", "A")
    await store._run("PRAGMA max_page_count = 100000")
    await store.put_lobby(LobbyRecord("b", "B"))
    assert (await store.lobbies())[-1] == LobbyRecord("b", "B")
    await store.aclose()


async def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=FILE) as caught:
        await SqliteStore.open(tmp_path / "gone" / FILE)
    assert "DATA_DIR" in caught.value.hint


async def test_an_unreadable_record_does_not_affect_the_others(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = await SqliteStore.open(path)
    for id in ("a", "b", "c"):
        await store.put_lobby(LobbyRecord(id, id.upper()))
    await store.put_session(SessionRecord("k", "s-1", 4e9))
    await store.aclose()
    ask(path, "UPDATE lobbies SET record = '{\"id\": 5}' WHERE id = 'b'")
    ask(path, "UPDATE sessions SET record = 'torn'")
    store = await SqliteStore.open(path)
    assert [record.id for record in await store.lobbies()] == ["a", "c"]
    assert await store.get_session("k") is None
    await store.aclose()
    assert caplog.text.count("left out") == 2


async def test_fields_of_a_later_version_are_ignored(path: Path) -> None:
    store = await SqliteStore.open(path)
    await store.put_lobby(LobbyRecord("a", "A"))
    ask(path, """UPDATE lobbies SET record = '{"id": "a", "name": "B", "mood": "fine"}'""")
    assert await store.lobbies() == [LobbyRecord("a", "B")]
    await store.aclose()


async def test_a_cancelled_caller_leaves_the_store_working(path: Path) -> None:
    store = await SqliteStore.open(path)
    for n in range(20):
        task = asyncio.create_task(store.put_lobby(LobbyRecord(f"lobby-{n}", "A")))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await store.put_lobby(LobbyRecord("after", "A"))
    assert "after" in [record.id for record in await store.lobbies()]
    await store.aclose()


# ---------------------------------------------------------------- open_store


async def test_the_setting_chooses_the_store(settings: Settings, tmp_path: Path) -> None:
    store = await open_store(settings)
    assert isinstance(store, SqliteStore)
    assert (tmp_path / FILE).exists()
    await store.aclose()
    assert isinstance(await open_store(settings.model_copy(update={"store": "memory"})), MemoryStore)


async def test_a_second_server_on_the_same_folder_uses_a_store_in_memory(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    first = await open_store(settings)
    second = await open_store(settings)
    assert isinstance(second, MemoryStore)
    assert "Another server uses the data folder" in caplog.text
    assert "DATA_DIR" in caplog.text
    await second.aclose()
    await first.aclose()
    third = await open_store(settings)
    assert isinstance(third, SqliteStore)
    assert third.owner == first.owner
    await third.aclose()


HOLDER = """
import asyncio, sys
from voicebot.settings import Settings
from voicebot.store import open_store

async def main():
    await open_store(Settings(_env_file=None, data_dir=sys.argv[1]))
    print("open", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_the_folder_is_unlocked_once_its_server_is_killed(settings: Settings) -> None:
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, str(settings.data_dir), stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert await holder.stdout.readline() == b"open\n"
    assert isinstance(await open_store(settings), MemoryStore)
    holder.kill()
    await holder.communicate()
    store = await open_store(settings)
    assert isinstance(store, SqliteStore)
    await store.aclose()


async def test_a_failed_open_leaves_the_folder_unlocked(settings: Settings, path: Path) -> None:
    ask(path, "PRAGMA user_version = 999")
    for _ in range(2):
        with pytest.raises(StoreError, match="newer"):
            await open_store(settings)


async def test_a_missing_folder_is_named(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="gone") as caught:
        await open_store(settings.model_copy(update={"data_dir": tmp_path / "gone"}))
    assert "DATA_DIR" in caught.value.hint
