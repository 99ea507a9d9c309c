from __future__ import annotations

import errno
import io
import json
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conversation.example import write_example
from voicebot.conversation.frames.columns import COLUMNS
from voicebot.conversation.frames.latency import PARTS
from voicebot.conversation.log import ConversationLog
from voicebot.conversation.reading.captions import srt
from voicebot.conversation.reading.reader import Conversations, load, read_events
from voicebot.errors import LogError
from voicebot.events import (
    AddresseeDecided,
    AgentStateEvent,
    LatencyMeasured,
    LLMStarted,
    ModelSwapped,
    ParticipantJoined,
    ParticipantUpdateEvent,
    SpeechStarted,
    TranscriptFinal,
    TTSStarted,
    UserChat,
)

GOLDEN = Path(__file__).parents[2] / "data" / "golden-conversation"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "conversations"
    assert write_example(root / "golden").close()
    return root


def check_dtypes(loaded: Conversations) -> None:
    for name, columns in COLUMNS.items():
        frame = getattr(loaded, name)
        assert list(frame.columns) == list(columns)
        assert {c: str(dtype) for c, dtype in frame.dtypes.items()} == columns, name


def test_the_golden_example_is_what_the_log_writes(root: Path) -> None:
    """After a wanted change of the format: delete tests/data/golden-conversation, run again, commit."""
    if not GOLDEN.exists():
        shutil.copytree(root / "golden", GOLDEN)
        pytest.fail("The golden example was missing and has been written; look at it and commit it.")
    for name in ("events.jsonl", "manifest.json"):
        assert (root / "golden" / name).read_text() == (GOLDEN / name).read_text(), name


def test_every_frame_of_the_golden_example() -> None:
    loaded = load(GOLDEN, cache=False)
    check_dtypes(loaded)
    assert loaded.problems == ()
    [conversation] = loaded.conversations.to_dict("records")
    assert conversation["lobby_name"] == "Kitchen"
    assert conversation["started_at"] == pd.Timestamp("2026-03-01 12:30", tz="UTC")
    assert conversation["duration_s"] == 10.0
    assert conversation["ended"]
    assert (conversation["humans"], conversation["agents"], conversation["turns"]) == (1, 1, 4)
    assert conversation["stt_model"] == "pocketsphinx"

    people = loaded.participants.set_index("participant_id")
    assert people.loc["ann", ["name", "kind", "left_s", "consent"]].tolist() == [
        "Ann & Co",
        "human",
        10.0,
        "recording",
    ]
    assert people.loc["ann", "speech_s"] == pytest.approx(2.0)
    assert people.loc["bo", "speech_s"] == pytest.approx(2.8)

    turns = loaded.turns
    assert turns["text"].tolist() == ["what is tea", "A drink. A warm one.", "and what is milk", "A drink."]
    assert turns["name"].tolist() == ["Ann & Co", "Bo", "Ann & Co", "Bo"]
    assert turns["interrupted"].tolist() == [False, False, False, True]
    assert turns["planned_text"].tolist()[3] == "A drink. A warm one."
    assert turns["turn_id"].tolist() == ["t1", "t1", "t2", "t2"]

    assert loaded.words["word"].tolist() == ["what", "is", "tea", "and", "what", "is", "milk"]
    assert loaded.words["position"].tolist() == [0, 1, 2, 0, 1, 2, 3]
    assert loaded.speech["duration_s"].tolist() == [1.0, 1.0]
    endpoints = loaded.endpoints
    assert endpoints["outcome"].tolist() == ["predicted", "confirmed"] * 2
    assert endpoints["delay_s"].tolist() == [0.5] * 4
    assert set(endpoints["reason"]) == {"it may be complete: 0.5 s"}
    assert endpoints["text"].tolist()[1] == "what is tea"
    assert endpoints["probability"].isna().all()
    latency = loaded.latency
    assert latency["e2e_latency_s"].tolist() == pytest.approx([1.2, 1.2])
    assert latency[[f"{part}_s" for part in PARTS]].sum(axis=1).tolist() == pytest.approx([1.2, 1.2])
    joined = latency.merge(turns[turns["kind"] == "agent"], on=["conversation_id", "turn_id", "speech_id"])
    assert len(joined) == 2
    assert len(loaded.events) == conversation["events"]
    chat = json.loads(loaded.events.loc[loaded.events["type"] == "llm.finished", "data"].iloc[0])
    assert chat["text"] == "A drink. A warm one."


def test_live_and_loaded_are_the_same(root: Path) -> None:
    log = write_example(None)
    live, loaded = Conversations.of(log), load(root)
    for name in COLUMNS:
        left, right = getattr(live, name), getattr(loaded, name)
        if name == "conversations":
            left, right = left.drop(columns="path"), right.drop(columns="path")
        pd.testing.assert_frame_equal(left, right)


def test_load_takes_a_data_folder_a_folder_of_conversations_or_a_single_one(root: Path) -> None:
    for path in (root.parent, root, root / "golden", str(root)):
        assert load(path).conversations["conversation_id"].tolist() == ["golden"]
    assert len(load(root)) == 1
    assert "turns: 4" in repr(load(root))


def test_a_notebook_finds_the_conversations_of_its_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env.example").touch()
    assert write_example(tmp_path / "data" / "conversations" / "golden").close()
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    assert load("data/conversations").conversations["conversation_id"].tolist() == ["golden"]
    assert len(load()) == 1
    assert write_example(tmp_path / "notebooks" / "data" / "conversations" / "own", "own").close()
    assert load().conversations["conversation_id"].tolist() == ["own"]


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="data/conversations"):
        load(tmp_path / "nowhere")


def test_a_folder_without_read_permission_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(folder: object) -> list[str]:  # to root nothing is forbidden
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path))

    monkeypatch.setattr(os, "listdir", refuse)
    with pytest.raises(LogError, match="cannot be read: Permission denied"):
        load(tmp_path)


def test_an_empty_folder_gives_empty_frames_with_their_columns(tmp_path: Path) -> None:
    loaded = load(tmp_path)
    check_dtypes(loaded)
    assert len(loaded) == 0
    assert loaded.problems == ()


def test_a_torn_last_line_is_reported_and_the_rest_is_there(root: Path) -> None:
    path = root / "golden" / "events.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    loaded = load(root)
    assert len(loaded.events) == whole.count(b"\n") - 1
    [problem] = loaded.problems
    assert problem.line == whole.count(b"\n")
    assert "incomplete" in problem.reason
    assert str(problem).startswith(f"{path}:{problem.line}: ")
    assert loaded.conversations["problems"].tolist() == [1]


def test_a_last_line_that_only_lacks_its_newline_counts(root: Path) -> None:
    path = root / "golden" / "events.jsonl"
    path.write_bytes(path.read_bytes()[:-1])
    loaded = load(root)
    assert loaded.problems == ()
    assert loaded.conversations["ended"].all()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{not json", "not an event"),
        (b'"a string"', "not an event"),
        (b"\xff\xfe\x00", "not an event"),
        (b'{"type": "user.chat", "seq": 999, "t": 1}', "damaged 'user.chat': text"),
        (b'{"type": "user.chat", "seq": -4, "t": 1, "text": "x"}', "out of range"),
        (b'{"type": "user.chat", "seq": 999, "t": NaN, "text": "x"}', "out of range"),
        (b'{"type": "user.chat", "seq": 99999999999999999999, "t": 1, "text": "x"}', ""),
        (b'{"type": "user.chat", "seq": 0, "t": 1, "text": "x"}', "twice"),
        (
            b'{"conversation_id": "other", "type": "user.chat", "seq": 42, "t": 1, "text": "x"}',
            "another conv",
        ),
        (b"[" * 5000, "not an event"),
    ],
)
def test_a_line_that_is_no_event_is_named_and_left_out(root: Path, line: bytes, reason: str) -> None:
    path = root / "golden" / "events.jsonl"
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([*lines[:3], line, *lines[3:]]) + b"\n")
    loaded = load(root)
    assert len(loaded.events) == len(lines)
    named = [p for p in loaded.problems if reason in p.reason]
    assert named
    assert any(p.line == 4 for p in loaded.problems) or "another" in reason


def test_events_of_plugins_and_newer_versions_are_kept_with_a_remark(root: Path) -> None:
    path = root / "golden" / "events.jsonl"
    count = path.read_bytes().count(b"\n")
    with path.open("ab") as file:
        file.write(b'{"type": "smile.seen", "seq": %d, "t": 10.5, "width": 3}\n' % count)
        file.write(
            b'{"schema_version": 9, "type": "user.chat", "seq": %d, "t": 11, "text": "x"}\n' % (count + 1)
        )
    loaded = load(root)
    assert json.loads(loaded.events.iloc[-2]["data"]) == {"width": 3}
    assert [p.reason for p in loaded.problems] == [
        "unknown kind of event 'smile.seen'",
        "written by a newer version (schema 9)",
    ]


def test_an_older_log_with_a_track_id_in_every_event_gives_the_same_frames(root: Path) -> None:
    path = root / "golden" / "events.jsonl"
    path.write_text(path.read_text().replace('"sample":', '"track_id":null,"sample":'))
    older, newer = load(root / "golden", cache=False), load(GOLDEN, cache=False)
    assert older.problems == ()
    pd.testing.assert_frame_equal(older.events, newer.events)


def test_missing_events_are_counted(root: Path) -> None:
    path = root / "golden" / "events.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:5] + lines[7:]))
    assert [p.reason for p in load(root).problems] == ["2 events are missing in the sequence"]


def test_one_bad_conversation_does_not_stop_the_others(root: Path) -> None:
    (root / "empty").mkdir()
    (root / "folder-for-a-file" / "events.jsonl").mkdir(parents=True)
    shutil.copytree(root / "golden", root / "golden-copy")
    (root / "no-manifest").mkdir()
    (root / "no-manifest" / "events.jsonl").write_text(
        '{"type": "user.chat", "seq": 0, "t": 1, "text": "hi"}\n'
    )
    (root / "bad-manifest").mkdir()
    (root / "bad-manifest" / "manifest.json").write_text("{}")
    (root / "bad-manifest" / "events.jsonl").write_text("")
    (root / "a-file").write_text("not a conversation")
    loaded = load(root)
    assert sorted(loaded.conversations["conversation_id"]) == ["bad-manifest", "golden", "no-manifest"]
    reasons = {Path(p.path).relative_to(root).parts[0]: p.reason for p in loaded.problems}
    assert reasons["empty"] == "has no events.jsonl"
    assert "cannot be read" in reasons["folder-for-a-file"]
    assert reasons["golden-copy"] == "is a copy of conversation golden"
    assert "rebuilt from the events" in reasons["no-manifest"]
    assert "rebuilt from the events" in reasons["bad-manifest"]
    assert "a-file" not in reasons


@pytest.mark.parametrize(
    "entry", [{"consent": 5}, {"joined_t": "soon"}, {"name": ["Ann"]}, {"left_t": {}}, None, "Ann"]
)
def test_an_invalid_manifest_is_rebuilt_from_the_events(root: Path, entry: object) -> None:
    write_example(root / "second", "second").close()
    path = root / "golden" / "manifest.json"
    manifest = json.loads(path.read_bytes())
    whole = manifest["participants"]["ann"]
    manifest["participants"]["ann"] = whole | entry if isinstance(entry, dict) else entry
    path.write_text(json.dumps(manifest))
    loaded = load(root)
    assert loaded.conversations["conversation_id"].tolist() == ["golden", "second"]
    people = loaded.participants
    assert people[people["participant_id"] == "ann"]["name"].tolist() == ["Ann & Co"] * 2
    [problem] = loaded.problems
    assert "rebuilt from the events" in problem.reason


def test_the_latest_name_is_used_for_every_turn(root: Path) -> None:
    log = write_example(None)
    log.emit(ParticipantUpdateEvent(participant_id="ann", changes={"muted": True}))
    log.emit(ParticipantUpdateEvent(participant_id="ann", changes={"name": "Anne"}))
    live = Conversations.of(log)
    assert live.turns["name"].tolist() == ["Anne", "Bo", "Anne", "Bo"]
    assert live.participants.set_index("participant_id").loc["ann", ["name", "joined_s"]].tolist() == [
        "Anne",
        0.1,
    ]


def test_each_answer_has_the_models_that_made_it() -> None:
    log = write_example(None)
    log.emit(ModelSwapped(role="llm", old="offline", new="openai:gpt"))
    log.emit(ModelSwapped(role="tts", old="espeak", new="flite:slt"))
    turn = {"turn_id": "t9", "t": 11.0}
    log.emit(
        TranscriptFinal(participant_id="ann", utterance_id="u9", text="and now", stt_model="new", **turn)
    )
    log.emit(LLMStarted(participant_id="bo", speech_id="s9", model="openai:gpt", **turn))
    log.emit(LLMStarted(participant_id="cy", speech_id="s10", model="another", **turn))
    log.emit(TTSStarted(participant_id="bo", speech_id="s9", model="flite:slt", characters=3, **turn))
    log.emit(LatencyMeasured(participant_id="bo", speech_id="s9", e2e_latency=1.0, **turn))
    found = Conversations.of(log)
    assert found.latency[["stt_model", "llm_model", "tts_model"]].to_numpy().tolist() == [
        ["pocketsphinx", "offline", "espeak"],
        ["pocketsphinx", "offline", "espeak"],
        ["new", "openai:gpt", "flite:slt"],
    ]
    assert found.conversations["llm_model"].tolist() == ["offline"]


def test_turns_include_typed_and_shown_text_but_no_noise() -> None:
    log = write_example(None)
    ann, bo = {"participant_id": "ann"}, {"participant_id": "bo", "turn_id": "t9"}
    log.emit(TranscriptFinal(**ann, t=11.0, utterance_id="u8", text=" ", start_t=10.5, end_t=10.9))
    typed = log.emit(UserChat(**ann, t=12.0, text="and cocoa?"))
    log.emit(AgentStateEvent(participant_id="bo", t=12.0, state="thinking", cause_seq=typed.seq))
    log.emit(
        AddresseeDecided(
            **ann, t=12.1, turn_id="t9", participant_ids=["bo"], confidence=1.0, cause_seq=typed.seq
        )
    )
    log.emit(  # the voice failed: no playout, only text
        TranscriptFinal(**bo, t=13, speech_id="s9", utterance_id="u9", text="Sweet.", start_t=13, end_t=13)
    )
    found = Conversations.of(log)
    new = found.turns.iloc[4:]
    assert new[["name", "turn_id", "text", "start_s", "end_s", "typed", "complete"]].to_numpy().tolist() == [
        ["Ann & Co", "t9", "and cocoa?", 12.0, 12.0, True, True],
        ["Bo", "t9", "Sweet.", 13.0, 13.0, False, True],
    ]
    assert not found.turns.iloc[:4]["typed"].any()
    assert found.conversations["turns"].tolist() == [6]
    assert "and cocoa?" in srt(log)
    assert "00:00:13,000 --> 00:00:13,700\nBo: Sweet." in srt(log)


def test_an_answer_that_was_heard_and_has_a_caption_is_one_turn() -> None:
    log = write_example(None)
    log.emit(
        TranscriptFinal(
            participant_id="bo",
            turn_id="t1",
            speech_id="s1",
            utterance_id="u7",
            text="A drink.",
            language="en",
        )
    )
    turns = Conversations.of(log).turns
    assert turns["text"].tolist()[1] == "A drink. A warm one."
    assert turns["language"].tolist()[1] == "en"
    assert len(turns) == 4


def test_a_conversation_that_broke_off_has_open_ends(tmp_path: Path) -> None:
    log = write_example(tmp_path / "c")
    log.emit(SpeechStarted(participant_id="ann", turn_id="t3", t=11.0))
    log.close()
    path = tmp_path / "c" / "events.jsonl"
    text = path.read_text().splitlines(keepends=True)
    path.write_text("".join(x for x in text if '"playout.interrupted"' not in x))
    loaded = load(tmp_path)
    last = loaded.turns.iloc[-1]
    assert (last["text"], last["complete"]) == ("A drink.", False)
    assert np.isnan(last["end_s"])
    assert np.isnan(loaded.speech.iloc[-1]["end_s"])


# ---------------------------------------------------------------- the cache


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def repack(file: Path, name: str, content: bytes) -> None:
    """The cache with another content of one of its files."""
    with zipfile.ZipFile(file) as archive:
        inside = {entry: archive.read(entry) for entry in archive.namelist()}
        comment = archive.comment
    with zipfile.ZipFile(file, "w") as archive:
        archive.comment = comment
        for entry, old in inside.items():
            archive.writestr(entry, content if entry == name else old)


def texts(file: Path) -> list[str]:
    with zipfile.ZipFile(file) as archive:
        return pd.read_parquet(io.BytesIO(archive.read("turns.parquet")))["text"].tolist()


def test_the_cache_gives_the_same_frames_and_problems(root: Path, cache: Path) -> None:
    with (root / "golden" / "events.jsonl").open("ab") as file:
        file.write(b"{torn")
    first = load(root, cache=cache)
    [before] = cache.iterdir()
    content = before.read_bytes()
    second = load(root, cache=cache)
    assert list(cache.iterdir()) == [before]
    assert before.read_bytes() == content
    check_dtypes(second)
    for name in COLUMNS:
        pd.testing.assert_frame_equal(getattr(first, name), getattr(second, name))
    assert first.problems == second.problems
    assert len(second.problems) == 1


def test_only_changed_conversations_are_parsed_again(root: Path) -> None:
    write_example(root / "second", "second").close()
    load(root)
    log = write_example(root / "third", "third")
    log.emit(UserChat(text="new", participant_id="ann"))
    log.close()
    path = root / "golden" / "events.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:10]))
    shutil.rmtree(root / "second")
    loaded = load(root)
    check_dtypes(loaded)
    counts = loaded.events.groupby("conversation_id").size().to_dict()
    assert counts == {"golden": 10, "third": len(log.events)}
    assert load(root).events.groupby("conversation_id").size().to_dict() == counts


def test_the_cache_does_not_change_which_of_two_copies_is_read(root: Path, cache: Path) -> None:
    (root / "golden").rename(root / "middle")
    load(root, cache=cache)
    shutil.copytree(root / "middle", root / "a-copy")
    for kept in (cache, cache, False):
        loaded = load(root, cache=kept)
        assert loaded.conversations["path"].tolist() == [str(root / "a-copy")]
        assert [str(p) for p in loaded.problems] == [f"{root / 'middle'}: is a copy of conversation golden"]


def test_the_cache_is_read(root: Path, cache: Path) -> None:
    load(root, cache=cache)
    [file] = cache.iterdir()
    with zipfile.ZipFile(file) as archive:
        turns = pd.read_parquet(io.BytesIO(archive.read("turns.parquet")))
    repack(file, "turns.parquet", turns.assign(text="from the cache").to_parquet(index=False))
    assert set(load(root, cache=cache).turns["text"]) == {"from the cache"}
    assert set(load(root, cache=False).turns["text"]) != {"from the cache"}


@pytest.mark.parametrize("damage", ["index", "parquet", "cut", "folder", "link"])
def test_a_broken_cache_is_rebuilt(root: Path, cache: Path, damage: str) -> None:
    load(root, cache=cache)
    [file] = cache.iterdir()
    if damage == "index":
        repack(file, "index.json", b"{")
    elif damage == "parquet":
        repack(file, "turns.parquet", b"PAR1")
    elif damage == "cut":
        file.write_bytes(file.read_bytes()[:-100])
    elif damage == "folder":
        file.unlink()
        file.mkdir()
    else:
        file.rename(cache.parent / "elsewhere")
        file.symlink_to(cache.parent / "elsewhere")
    assert len(load(root, cache=cache).turns) == 4
    assert len(load(root, cache=cache).turns) == 4


def test_a_moved_folder_does_not_keep_old_paths(root: Path) -> None:
    load(root)
    moved = root.parent / "moved"
    root.rename(moved)
    assert load(moved).conversations["path"].tolist() == [str(moved / "golden")]


def test_without_a_cache_folder_everything_is_still_read(root: Path, tmp_path: Path) -> None:
    (tmp_path / "in the way").touch()
    assert len(load(root, cache=tmp_path / "in the way")) == 1


def test_the_cache_folder_is_private_to_the_user(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(root.parent / "caches"))
    load(root)
    folder = root.parent / "caches" / "voicebot" / "frames"
    [file] = folder.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_relative_cache_folder_is_ignored(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would lie among the logs where they are loaded from their own folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", "caches")
    monkeypatch.chdir(root)
    before = sorted(root.rglob("*"))
    assert len(load(root)) == 1
    assert sorted(root.rglob("*")) == before


def test_a_damaged_cache_does_not_protect_other_caches(root: Path, cache: Path, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    shutil.copytree(root, gone)
    load(gone, cache=cache)
    shutil.rmtree(gone)
    damaged = cache / f"frames-{'0' * 32}.zip"
    damaged.write_bytes(b"no zip")
    load(root, cache=cache)
    assert len([path for path in cache.iterdir() if path != damaged]) == 1


def test_the_next_load_removes_deleted_conversations_from_the_cache(root: Path, cache: Path) -> None:
    log = ConversationLog("second", root / "second")
    log.emit(ParticipantJoined(participant_id="cy", name="Cy", kind="human"))
    log.emit(TranscriptFinal(participant_id="cy", utterance_id="u", text="my secret", start_t=1, end_t=2))
    assert log.close()
    load(root, cache=cache)
    [file] = cache.iterdir()
    assert "my secret" in texts(file)
    shutil.rmtree(root / "second")
    load(root, cache=cache)
    assert "my secret" not in texts(file)
    assert "what is tea" in texts(file)


def test_any_load_removes_the_caches_of_deleted_folders(root: Path, cache: Path, tmp_path: Path) -> None:
    load(root, cache=cache)
    write_example(tmp_path / "others" / "second", "second").close()
    shutil.rmtree(root)
    [of_root] = cache.iterdir()
    load(tmp_path / "others", cache=cache)
    assert not of_root.exists()
    assert len(list(cache.iterdir())) == 1


def test_the_cache_keeps_the_most_recently_loaded_folders(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voicebot.conversation.reading.cache.KEPT", 2)
    made = []
    for n in range(3):
        write_example(tmp_path / str(n) / "c", f"c{n}").close()
        load(tmp_path / str(n), cache=cache)
        [new] = set(cache.iterdir()) - set(made)
        os.utime(new, (n, n))
        made.append(new)
    (cache / "notes.zip").write_text("not ours")
    load(tmp_path / "2", cache=cache)
    assert set(cache.iterdir()) == {made[1], made[2], cache / "notes.zip"}


# ---------------------------------------------------------------- anything at all


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda x: (
        st.lists(x, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "seq", "t", "words", "text", "data"]), x)
    ),
)


@st.composite
def odd_manifests(draw: st.DrawFn) -> bytes:
    """The golden one with some values replaced by anything, also deep within."""
    whole = json.loads((GOLDEN / "manifest.json").read_bytes())
    for _ in range(draw(st.integers(1, 3))):
        inside = whole
        while True:
            key = draw(st.sampled_from(sorted(inside)))
            if not (isinstance(inside[key], dict) and inside[key]) or draw(st.booleans()):
                break
            inside = inside[key]
        inside[key] = draw(JSON)
    return json.dumps(whole).encode()


MANIFESTS = odd_manifests()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_damage_makes_the_reader_raise(tmp_path: Path, data: st.DataObject) -> None:
    folder = tmp_path / "conversations" / "c"
    folder.mkdir(parents=True, exist_ok=True)
    whole = bytearray((GOLDEN / "events.jsonl").read_bytes())
    del whole[data.draw(st.integers(0, len(whole)), "cut at") :]
    for position, value in data.draw(
        st.lists(st.tuples(st.integers(0, max(0, len(whole) - 1)), st.integers(0, 255)), max_size=20), "bytes"
    ):
        if whole:
            whole[position] = value
    (folder / "events.jsonl").write_bytes(whole)
    (folder / "manifest.json").write_bytes(data.draw(st.binary(max_size=40) | MANIFESTS, "manifest"))
    loaded = load(folder.parent, cache=data.draw(st.booleans()))
    check_dtypes(loaded)
    events, problems = read_events(folder / "events.jsonl")
    lines = sum(bool(line.strip()) for line in bytes(whole).split(b"\n"))
    assert len(events) + len([p for p in problems if p.line]) >= lines


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(JSON, max_size=5))
def test_no_json_makes_the_reader_raise(tmp_path: Path, lines: list[object]) -> None:
    folder = tmp_path / "c"
    folder.mkdir(exist_ok=True)
    (folder / "events.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    check_dtypes(load(tmp_path, cache=False))
