"""Logs, recordings and the store write only to their own files."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.security.folders.hostile import TRAPS, contents, record, released, returned
from tests.support.waiting import GUARD
from voicebot.audio.ogg import OggOpusWriter, read_packets
from voicebot.conversation.log import ConversationLog
from voicebot.errors import StoreError
from voicebot.events import ParticipantJoined, UserChat
from voicebot.folders import UnsafePath
from voicebot.settings import load_settings
from voicebot.store import open_store


@pytest.mark.parametrize("trap", [name for name in TRAPS if name not in ("endless", "device")])
@pytest.mark.parametrize("place", ["events.jsonl", ".manifest.json.part"])
def test_the_log_does_not_write_through_links(tmp_path: Path, victim: Path, place: str, trap: str) -> None:
    log = ConversationLog("c", tmp_path / "c")
    log.emit(UserChat(text="one", participant_id="ann"))
    assert log.flush()
    (tmp_path / "c" / place).unlink(missing_ok=True)
    TRAPS[trap](tmp_path / "c" / place, victim / "private" / "events.jsonl")
    before = contents(victim)
    log.emit(ParticipantJoined(participant_id="ann", name="Ann", kind="human"))
    with released(tmp_path / "c"):
        assert not log.flush(20)
        assert contents(victim) == before
        path = tmp_path / "c" / place
        path.rmdir() if trap == "folder" else path.unlink()
        assert log.close(20)  # and goes on as soon as that is gone
    text = (tmp_path / "c" / "events.jsonl").read_text()
    assert '"one"' in text
    assert '"Ann"' in text


@pytest.mark.parametrize("trap", [name for name in TRAPS if name not in ("endless", "device")])
@pytest.mark.parametrize("place", ["audio/ann.ogg", "audio/ann.ogg.part", "audio"])
def test_recordings_are_not_written_through_links(
    tmp_path: Path, victim: Path, place: str, trap: str
) -> None:
    path = tmp_path / "c/audio/ann.ogg"
    if place == "audio/ann.ogg.part":
        record(path)
    if (place, trap) == ("audio", "folder"):
        return
    (tmp_path / "c" / place).parent.mkdir(parents=True, exist_ok=True)
    TRAPS[trap](tmp_path / "c" / place, victim / "private" / "audio" / ("cy.ogg" if place != "audio" else ""))
    before = contents(victim)
    with pytest.raises(UnsafePath):
        returned(lambda: OggOpusWriter(path), tmp_path)
    assert contents(victim) == before
    if place != "audio/ann.ogg.part":  # the log gives it another name, if any
        log = ConversationLog("c", None)
        log.folder = tmp_path / "c"
        assert place == "audio" or log.audio_path("ann") == tmp_path / "c/audio/ann~2.ogg"


@pytest.mark.parametrize("id", ["../../home/photos/one", "/etc/cron", "..", ".hidden", "a\0b", "a~2", "ä\n"])
def test_an_id_cannot_choose_the_path_of_a_recording(tmp_path: Path, id: str) -> None:
    log = ConversationLog("c", tmp_path / "c")
    path = log.audio_path(id)
    assert log.close()
    assert path is not None
    assert path.parent == tmp_path / "c" / "audio"
    assert not path.name.startswith(".")
    assert path.name.count("~") == 0


def test_a_playlist_is_not_read_as_a_recording(tmp_path: Path) -> None:
    """libavformat would open the files that it names, even through a link."""
    (tmp_path / "home").mkdir()
    record(tmp_path / "home/cy.ogg")
    audio = tmp_path / "c/audio"
    audio.mkdir(parents=True)
    (audio / "out").symlink_to(tmp_path / "home")
    path = audio / "ann.ogg"
    path.write_text("ffconcat version 1.0\nfile out/cy.ogg\n")
    assert read_packets(path) == []
    with path.open("rb") as file:
        assert read_packets(file) == []
    assert read_packets(audio / "out/cy.ogg")


@pytest.mark.parametrize("file", ["voicebot.lock", "voicebot.sqlite"])
@pytest.mark.parametrize("trap", ["absolute", "dangling", "loop", "fifo", "folder"])
async def test_the_store_opens_only_its_own_files(tmp_path: Path, victim: Path, file: str, trap: str) -> None:
    data = tmp_path / "data"
    data.mkdir()
    TRAPS[trap](data / file, victim / "photos" / "one.png")
    before = contents(victim)

    async def opened() -> None:
        store = await open_store(load_settings(None, data_dir=data))
        await store.aclose()  # one that is open would keep the tests from ending

    with pytest.raises(StoreError), released(data):
        await asyncio.wait_for(opened(), GUARD)
    assert contents(victim) == before
