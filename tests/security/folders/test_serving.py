"""Hosts can download a conversation's own files and nothing else."""

from __future__ import annotations

import asyncio
import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.security.folders.hostile import PRIVATE, TRAPS, contents, record, released
from tests.support.waiting import GUARD
from voicebot.server.hosting import Hosting


def unpacked(content: bytes) -> str:
    """The contents of an archive, or the text if it is not one."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as zipped:
            content = b"".join(zipped.read(name) for name in zipped.namelist())
    except zipfile.BadZipFile:
        pass
    return content.decode("latin-1")


@pytest.mark.parametrize("owner", [True, False])
async def test_the_server_reads_only_a_conversations_own_files(
    hosting: Hosting, visit: Any, victim: Path, caplog: pytest.LogCaptureFixture, owner: bool
) -> None:
    ada = await visit(hosting, joined="Ada")
    if owner:
        hosting.moderate("demo").make_host(ada.me)
    log = hosting.agent_sessions["demo"].log
    assert log is not None
    assert log.folder is not None
    assert log.flush()
    base, root = "api/lobbies/demo/conversations", log.folder.parent
    for number, (name, trap) in enumerate(TRAPS.items()):
        for at, place in enumerate(("manifest.json", "events.jsonl", "audio")):
            folder = root / f"20990101T000000-{at:04}{number:04}"
            folder.mkdir()
            about = {"conversation_id": folder.name, "lobby_id": "demo", "wall_clock": "2099-01-01T00:00:00Z"}
            (folder / "manifest.json").write_text(json.dumps(about))
            (folder / "events.jsonl").touch()
            (folder / place).unlink(missing_ok=True)
            trap(folder / place, victim / "private" / place)
        trap(root / f"20990101T000000-9999{number:04}", victim / "private")
        (log.folder / "audio").mkdir(exist_ok=True)
        trap(log.folder / "audio" / f"{name}.ogg", victim / "private/audio/cy.ogg")
        trap(log.folder / name, victim / "photos")
    record(log.folder / f"audio/{ada.me}.ogg")
    os.utime(log.folder / f"audio/{ada.me}.ogg", (0, 0))  # before the first day that a zip knows
    for extra in ("notes.txt", ".env", "audio/..\\..\\evil.ogg", "audio/.hidden.ogg"):
        (log.folder / extra).write_text(PRIVATE)
    before = contents(victim)
    with released(root):
        async with asyncio.timeout(GUARD):
            listed = [c["id"] for c in (await ada.http.get(base)).json()]
            assert owner or listed == [log.conversation_id]
            archive = await ada.http.get(f"{base}/{log.conversation_id}.zip")
            for folder in root.iterdir():
                for tail in ("/events.jsonl", ".zip") if folder != log.folder else ():
                    answer = await ada.http.get(f"{base}/{folder.name}{tail}")
                    assert answer.status_code == 404 or (owner and folder.name in listed)
                    assert PRIVATE not in unpacked(answer.content)
    with zipfile.ZipFile(io.BytesIO(archive.content)) as zipped:
        assert zipped.testzip() is None
        inside = {name.removeprefix(f"{log.conversation_id}/") for name in zipped.namelist()}
        assert inside == {"manifest.json", "events.jsonl", f"audio/{ada.me}.ogg"}
    assert contents(victim) == before
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("place", ["events.jsonl", "audio"])
@pytest.mark.parametrize("trap", ["absolute", "fifo"])
async def test_a_download_always_ends(
    hosting: Hosting, visit: Any, victim: Path, trap: str, place: str
) -> None:
    """Even that of the running conversation."""
    ada = await visit(hosting, joined="Ada")
    hosting.moderate("demo").make_host(ada.me)
    log = hosting.agent_sessions["demo"].log
    assert log is not None
    assert log.folder is not None
    assert log.flush()
    path = log.folder / place
    path.unlink(missing_ok=True)
    TRAPS[trap](path, victim / "private" / place)
    before = contents(victim)
    base = f"api/lobbies/demo/conversations/{log.conversation_id}"
    with released(log.folder):
        async with asyncio.timeout(GUARD):
            events = await ada.http.get(f"{base}/events.jsonl")
            archive = await ada.http.get(f"{base}.zip")
    assert events.status_code == (404 if place == "events.jsonl" else 200)
    assert PRIVATE not in events.text
    with zipfile.ZipFile(io.BytesIO(archive.content)) as zipped:
        inside = {name.removeprefix(f"{log.conversation_id}/") for name in zipped.namelist()}
    assert inside == {"manifest.json", "events.jsonl"} - {place}
    assert contents(victim) == before
    path.unlink()
