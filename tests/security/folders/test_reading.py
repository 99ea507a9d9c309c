"""Reading a stranger's folder reads and changes nothing outside it, and trusts no forged cache."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import threading
from pathlib import Path

import pytest

from tests.conversation.example import write_example
from tests.security.folders.hostile import LINKS, PRIVATE, TRAPS, contents, record, returned
from voicebot import folders
from voicebot.conversation.frames.columns import COLUMNS
from voicebot.conversation.frames.rows import frame_of, rows_of
from voicebot.conversation.manifest import Manifest
from voicebot.conversation.reading.captions import srt, webvtt
from voicebot.conversation.reading.reader import LARGEST_LINE, MOST_PROBLEMS, Conversations, load, read_events
from voicebot.errors import LogError
from voicebot.folders import Folder, UnsafePath

PLACES = ("events.jsonl", "manifest.json", "audio", "audio/cy.ogg")
"""Paths in a conversation's folder where something other than the expected file can be."""


@pytest.fixture
def shared(tmp_path: Path, victim: Path) -> Path:
    """A stranger's folder beside the victim's, with a valid conversation in it."""
    root = tmp_path / "shared"
    assert write_example(root / "good", "good").close()
    record(root / "good/audio/ann.ogg")
    return root


@pytest.fixture(params=["held", "by path"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The two ways to open a file: relative to an open folder, and as on Windows."""
    monkeypatch.setattr(folders, "RELATIVE", request.param == "held")


def everything(loaded: Conversations) -> str:
    return "".join(getattr(loaded, name).to_csv() for name in COLUMNS) + str(loaded.problems)


def used(root: Path) -> Conversations:
    """Load the folder twice and make captions, which must leave no trace in it."""
    before = contents(root)
    returned(lambda: load(root), root)
    loaded = returned(lambda: load(root), root)
    for folder in root.iterdir():
        for captions in (webvtt, srt):
            if folder.is_symlink():
                continue  # whoever names it means it
            with contextlib.suppress(LogError):
                assert PRIVATE not in returned(functools.partial(captions, folder), root)
    assert contents(root) == before
    return loaded


# ---------------------------------------------------------------- loading and captions


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("place", PLACES)
def test_anything_but_a_regular_file_is_reported_and_skipped(shared: Path, victim: Path, place: str) -> None:
    traps = {name: trap for name, trap in TRAPS.items() if (name, place) != ("folder", "audio")}
    for name, trap in traps.items():
        assert write_example(shared / name, name).close()
        path = shared / name / place
        path.unlink(missing_ok=True)
        path.parent.mkdir(exist_ok=True)
        trap(path, victim / "private" / place)
    before = contents(victim)
    loaded = used(shared)
    assert contents(victim) == before
    assert PRIVATE not in everything(loaded)
    assert loaded.audio["participant_id"].tolist() == ["ann"]
    here = set(loaded.conversations["conversation_id"])
    assert here == ({"good"} if place == "events.jsonl" else {"good", *traps})
    for name in traps:
        [problem] = [p for p in loaded.problems if p.path.startswith(f"{shared / name}/")]
        assert problem.path == str(shared / name / place)
        kind = next(k for k, what in TRAPS.items() if what is traps[name])
        expected = {"fifo": "is a FIFO", "socket": "is a socket", "folder": "is a folder"}
        if kind in LINKS:
            assert "is a link and not followed" in problem.reason
        elif kind in expected:
            assert expected[kind] in problem.reason


@pytest.mark.usefixtures("way")
def test_linked_conversations_are_reported_and_skipped(shared: Path, victim: Path) -> None:
    for name, trap in TRAPS.items():
        trap(shared / name, victim / "private")
    (shared / "up").symlink_to("../..")
    before = contents(victim)
    loaded = used(shared)
    assert contents(victim) == before
    assert loaded.conversations["conversation_id"].tolist() == ["good"]
    named = {Path(p.path).name: p.reason for p in loaded.problems}
    assert {name for name, reason in named.items() if reason == "is a link and not followed"} >= {
        *LINKS,
        "up",
    }
    # neither is the folder that a data folder keeps them in
    data = shared.parent / "data"
    data.mkdir()
    (data / "conversations").symlink_to(victim)
    assert len(load(data)) == 0
    assert [p.reason for p in load(data).problems] == ["is a link and not followed"]


def test_the_given_folder_may_be_a_link(shared: Path) -> None:
    (shared.parent / "disk").symlink_to(shared)
    assert load(shared.parent / "disk").conversations["path"].tolist() == [str(shared / "good")]
    (shared.parent / "one").symlink_to(shared / "good")
    assert len(load(shared.parent / "one")) == 1
    assert "what is tea" in webvtt(shared.parent / "one")


@pytest.mark.parametrize("place", [".frames", ".frames/index.json", ".frames/0123456789abcdef", ".frames/x"])
@pytest.mark.parametrize("target", ["..", "../..", "../home", "/absolute"])
def test_reading_deletes_nothing(shared: Path, victim: Path, place: str, target: str) -> None:
    path = shared / place
    path.parent.mkdir(exist_ok=True)
    path.symlink_to(victim if target == "/absolute" else target)
    before = contents(shared.parent)
    for _ in range(2):
        assert len(load(shared).turns) == 4
        (shared / "good" / "events.jsonl").open("ab").close()
    assert contents(shared.parent) == before


def forge(root: Path, text: str) -> None:
    """A forged cache beside the logs, in the format of the first version, with matching times."""
    log = write_example(None, "good")
    rows = rows_of(tuple(log.events), Manifest(conversation_id="good"), root / "good")
    for row in rows["turns"]:
        row["text"] = text
    folder = root / ".frames"
    (folder / "0123456789abcdef").mkdir(parents=True)
    for name, some in rows.items():
        frame_of(name, some).to_parquet(folder / "0123456789abcdef" / f"{name}.parquet", index=False)
    files = [root / "good" / "events.jsonl", root / "good" / "manifest.json", root / "good/audio/ann.ogg"]
    stamp = {path.name: [path.stat().st_size, path.stat().st_mtime_ns] for path in files}
    entry = {"stamp": stamp, "ids": ["good"], "problems": []}
    index = {"format": 3, "columns": COLUMNS, "root": str(folder), "set": "0123456789abcdef"}
    (folder / "index.json").write_text(json.dumps(index | {"conversations": {"good": entry}}))


def test_a_forged_cache_is_ignored(shared: Path) -> None:
    forge(shared, "counterfeit")
    loaded = used(shared)
    assert set(loaded.turns["text"]) == set(load(shared, cache=False).turns["text"])
    assert "counterfeit" not in everything(loaded)


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [("good/events.jsonl", b"A drink", b"A drunk"), ("good/manifest.json", b"Kitchen", b"Kitchan")],
)
def test_the_cache_is_keyed_by_content(shared: Path, file: str, old: bytes, new: bytes) -> None:
    path = shared / file
    load(shared)
    at = path.stat()
    path.write_bytes(path.read_bytes().replace(old, new))
    os.utime(path, ns=(at.st_atime_ns, at.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (at.st_size, at.st_mtime_ns)
    loaded, anew = load(shared), load(shared, cache=False)
    assert everything(loaded) == everything(anew)
    assert new.decode() in everything(loaded)


def test_a_replaced_recording_is_measured_again(shared: Path) -> None:
    path = shared / "good/audio/ann.ogg"
    before = load(shared).audio["duration_s"].tolist()
    at = path.stat()
    page = path.read_bytes()
    last = page.rindex(b"OggS")
    path.write_bytes(page[: last + 6] + (480_000).to_bytes(8, "little") + page[last + 14 :])
    os.utime(path, ns=(at.st_atime_ns, at.st_mtime_ns))
    after = load(shared).audio["duration_s"].tolist()
    assert before != after == load(shared, cache=False).audio["duration_s"].tolist()


def test_a_cache_of_another_user_is_ignored(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    load(shared, cache=cache)
    before = contents(cache)
    path = shared / "good/events.jsonl"
    [file] = cache.iterdir()
    me = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: me + 1)  # the same files are somebody else's
    with path.open("ab") as more:
        more.write(b"{torn")
    assert len(load(shared, cache=cache).problems) == 1
    assert contents(cache) == before
    assert file.exists()


def test_a_read_only_folder_can_be_read(shared: Path) -> None:
    for folder in (shared / "good/audio", shared / "good", shared):
        folder.chmod(0o555)
    try:
        assert len(used(shared).turns) == 4
    finally:
        for folder in (shared, shared / "good", shared / "good/audio"):
            folder.chmod(0o755)


def test_undecodable_names_are_reported_and_skipped(shared: Path) -> None:
    odd = os.fsencode(shared) + b"/\xff\xfe"
    shutil.copytree(os.fsencode(shared / "good"), odd)
    os.rename(odd + b"/audio/ann.ogg", os.fsencode(shared / "good/audio") + b"/\xff.ogg")
    loaded = used(shared)
    assert loaded.conversations["conversation_id"].tolist() == ["good"]
    assert loaded.audio["participant_id"].tolist() == ["ann"]
    assert [p.reason for p in loaded.problems] == ["cannot be read: its name is not UTF-8"] * 2
    assert str(loaded.problems).encode()


# ---------------------------------------------------------------- too much of it


@pytest.mark.parametrize("place", ["events.jsonl", "manifest.json"])
def test_an_endless_file_is_not_read(shared: Path, place: str) -> None:
    assert write_example(shared / "bad", "bad").close()
    os.truncate(shared / "bad" / place, 1 << 42)  # takes no room on the disk
    loaded = returned(lambda: load(shared), shared)
    [problem] = loaded.problems
    assert problem.path == str(shared / "bad" / place)
    assert "larger than" in problem.reason
    assert "good" in set(loaded.conversations["conversation_id"])


def test_an_endless_line_is_not_an_event(shared: Path) -> None:
    path = shared / "good" / "events.jsonl"
    whole = path.read_bytes()
    path.write_bytes(b'{"text": "' + b"x" * LARGEST_LINE + b'"}\n' + whole)
    loaded = load(shared)
    assert len(loaded.events) == whole.count(b"\n")
    [problem] = loaded.problems
    assert (problem.line, "longer than" in problem.reason) == (1, True)


@pytest.mark.parametrize("line", [b"\n", b"x\n", b'{"type": "user.chat", "seq": 0, "t": 1, "text": "x"}\n'])
def test_reading_a_log_of_garbage_stops_early(shared: Path, line: bytes) -> None:
    path = shared / "good" / "events.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + line * 50 * MOST_PROBLEMS)
    loaded = load(shared)
    assert len(loaded.events) == whole.count(b"\n")
    assert len(loaded.problems) <= MOST_PROBLEMS + 1
    assert "the rest is not read" in loaded.problems[-1].reason


@pytest.mark.parametrize("number", ["NaN", "1e999", "-1e999", "1e308", "9" * 30, "9" * 5000])
@pytest.mark.parametrize(
    "fields",
    [
        '"type": "transcript.final", "utterance_id": "u", "text": "hi", "start_t": {0}, "end_t": 1',
        '"type": "transcript.final", "utterance_id": "u", "text": "hi", "end_t": 1, '
        '"words": [{{"text": "hi", "start": 0, "end": {0}}}]',
        '"type": "vad.speech_stopped", "duration_s": {0}',
        '"type": "speculation.cancelled", "reason": "", "seconds": 1, "written": {0}',
    ],
)
def test_an_impossible_number_is_reported_as_damage(shared: Path, fields: str, number: str) -> None:
    folder = shared / "odd"
    folder.mkdir()
    said = '{"type": "user.chat", "seq": 0, "t": 1, "text": "hello"}\n'
    (folder / "events.jsonl").write_text(f'{said}{{{fields.format(number)}, "seq": 1, "t": 1}}\n')
    for cache in (False, True, True):
        loaded = load(shared, cache=cache)
        assert set(loaded.conversations["conversation_id"]) == {"good", "odd"}
        assert [p.line for p in loaded.problems if p.path == str(folder / "events.jsonl")] == [2]
    for captions in (webvtt, srt):
        assert "hello" in captions(folder)


# ---------------------------------------------------------------- the door itself


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc/passwd", "../home/private", "good/"])
def test_a_name_cannot_be_a_path(shared: Path, name: str) -> None:
    for call in (
        lambda: Folder(shared).open(name),
        lambda: Folder(shared).mode(name),
        lambda: Folder(shared).folder(name).names(),
        lambda: Folder(shared).folder(name).open("events.jsonl"),
    ):
        with pytest.raises(UnsafePath):
            call()


def test_a_link_swapped_in_during_the_check_is_not_followed(shared: Path, victim: Path) -> None:
    path, spare = shared / "good" / "events.jsonl", shared / "spare"
    honest, stop = path.read_bytes(), threading.Event()

    def swap() -> None:
        while not stop.is_set():
            spare.symlink_to(victim / "private" / "events.jsonl")
            spare.replace(path)
            spare.write_bytes(honest)
            spare.replace(path)

    swapping = threading.Thread(target=swap)
    swapping.start()
    seen = []
    try:
        for _ in range(500):
            with contextlib.suppress(OSError):
                seen += read_events(path)[0]
    finally:
        stop.set()
        swapping.join()
    assert PRIVATE not in str(seen)
