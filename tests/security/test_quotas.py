"""Every conversation has a limited size in memory and on disk, and a clear end, whatever is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.server.conftest import HostingFactory, Visitor, VisitorFactory
from tests.support.waiting import GUARD
from voicebot.agent.models.models import Models
from voicebot.conversation.log import ConversationLog
from voicebot.conversation.quota import PARTICIPANTS, SPENT, Quota
from voicebot.conversation.space import BLOCK, SpaceLimits, used_bytes
from voicebot.events import ConversationEnded, Event, ParticipantJoined, ToolReturned, UserChat, any_event
from voicebot.media.base import StartRecording, StopRecording
from voicebot.server.hosting import Hosting
from voicebot.server.net.limits import Limits
from voicebot.settings import Settings
from voicebot.testing.media import FakeMediaPlane

EVENTS = 100
MIB = 1024 * 1024
HASTY = Limits(messages_per_second=10_000.0, burst=10_000, reconnecting_after=0.05)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(_env_file=None, port=0, data_dir=tmp_path / "data", conversation_events=EVENTS)  # type: ignore[call-arg]


def conversations(settings: Settings) -> list[list[Event]]:
    """The conversations on the disk, oldest first; every line must be readable."""
    files = settings.data_dir.glob("conversations/*/events.jsonl")
    read = [[any_event.validate_json(line) for line in file.read_bytes().splitlines()] for file in files]
    # those of one second are in no order by their names
    return sorted(read, key=lambda events: min(_number(e) for e in events))


def _number(event: Event) -> int:
    return int(event.text) if isinstance(event, UserChat) and event.text.isdigit() else 10**9


async def until(done: Callable[[], bool | Awaitable[bool]]) -> None:
    async with asyncio.timeout(GUARD):
        while True:
            found = done()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(0)


async def test_a_flood_starts_new_conversations_and_loses_nothing(
    host: HostingFactory, visit: VisitorFactory, settings: Settings
) -> None:
    """Chat, changes and raised hands. Everybody is told of each end."""
    hosting = await host(limits=HASTY)
    ada, bob = await visit(hosting, joined="Ada"), await visit(hosting, joined="Bob")
    agent_session: Any = hosting.agent_sessions["demo"]
    for n in range(300):
        await ada.send("chat_message", {"text": str(n)}, lobby="demo")
        await ada.send("participant_update", {"muted": n % 2 == 0}, lobby="demo")
        await ada.send("raise_hand", {"raised": n % 2 == 0}, lobby="demo")
        if n % 20 == 0:
            await ada.settle()
            assert len(agent_session.log.events) <= SPENT * EVENTS + 1
    await ada.settle()
    told = [m for m in await bob.settle() if m["type"] == "error"]
    assert len(told) >= 3
    assert {m["data"]["code"] for m in told} == {"conversation_full"}
    assert all(m["data"]["hint"] and "id" not in m for m in told)
    for person in (ada, bob):
        await person.send("leave_lobby", lobby="demo")
        await person.settle()
    await until(lambda: not agent_session._ending)
    kept = conversations(settings)
    assert len(kept) == len(told) + 1
    said = [int(e.text) for events in kept for e in events if isinstance(e, UserChat)]
    assert said == list(range(300))
    for events in kept:
        assert len(events) <= SPENT * EVENTS + 1
        assert [e.seq for e in events] == list(range(len(events)))
        assert isinstance(events[-1], ConversationEnded)
    for events in kept[:-1]:
        assert f"{EVENTS} events (CONVERSATION_EVENTS)" in events[-1].reason  # type: ignore[attr-defined]
    for events in kept[1:]:
        assert {"Ada", "Bob"} <= {e.name for e in events if isinstance(e, ParticipantJoined)}


async def test_too_many_participants_end_a_conversation(
    host: HostingFactory, visit: VisitorFactory, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The manifest names all participants and is rewritten for each."""
    monkeypatch.setattr("voicebot.conversation.quota.PARTICIPANTS", 10)
    hosting = await host(limits=HASTY)
    await visit(hosting, joined="Ada")
    bob = await visit(hosting)
    await bob.expect("session_established")
    agent_session: Any = hosting.agent_sessions["demo"]
    for _ in range(30):
        id = await bob.send("join_lobby", {"name": "Bob"}, lobby="demo")
        await bob.expect("lobby_joined", lambda m, id=id: m.get("id") == id)  # type: ignore[misc]
        await bob.send("leave_lobby", lobby="demo")
        await bob.settle()
        assert len(agent_session.log.manifest.participants) <= 11
    assert len(list(settings.data_dir.glob("conversations/*"))) >= 3


async def test_a_loop_in_a_cell_is_limited(host: HostingFactory, visit: VisitorFactory) -> None:
    """The event loop is blocked meanwhile, so beyond the quota only the end is kept."""
    hosting = await host()
    await visit(hosting, joined="Ada")
    agent_session: Any = hosting.agent_sessions["demo"]
    log = agent_session.log
    last = [log.emit(UserChat(text=str(n))) for n in range(10 * EVENTS)][-1]
    assert last.seq == -1
    assert len(log.events) <= SPENT * EVENTS + 1
    await until(lambda: agent_session.log is not log and not agent_session._ending)
    assert isinstance(log.events[-1], ConversationEnded)
    assert len(log.events) <= SPENT * EVENTS + 1


def test_a_conversation_is_limited_in_size_and_participants() -> None:
    log = ConversationLog("c", None, quota=Quota(10_000, 10_000))
    while not log.full:
        log.emit(UserChat(text="x" * 500))
    assert "CONVERSATION_MIB" in log.full
    for _ in range(100):
        log.emit(UserChat(text="x" * 500))
    assert sum(len(e.model_dump_json()) for e in log.events) <= SPENT * 10_000 + 1000
    large = ConversationLog("c", None, quota=Quota(10_000, 10_000))
    left_out = large.emit(ToolReturned(participant_id="a", name="t", result="x" * 100_000))
    assert (left_out.type, left_out.participant_id, large.full) == ("error", "a", "")
    assert "tool.returned" in left_out.message  # type: ignore[attr-defined]
    many = ConversationLog("c", None, quota=Quota(10_000, 10 * MIB))
    for n in range(PARTICIPANTS):
        many.emit(ParticipantJoined(participant_id=str(n), name="A", kind="human"))
    assert "people and agents" in many.full
    unbounded = ConversationLog("c", None)
    assert not unbounded.full


# ---------------------------------------------------------------- the disk


class Disk:
    """A disk with a chosen amount of free space."""

    def __init__(self, free: int = 1000 * MIB, used: int = 0) -> None:
        self.free, self.used = free, used

    def limits(self, settings: Settings, *, quota: int = 0) -> SpaceLimits:
        return SpaceLimits(
            settings.data_dir / "conversations",
            reserve=500 * MIB,
            quota=quota,
            free=lambda _: self.free,
            used=lambda _: self.used,
        )


def commands(media: FakeMediaPlane, kind: type[StartRecording | StopRecording], of: Visitor) -> int:
    return len([c for c in media.commanded(kind) if c.participant_id == of.me])


async def ready(hosting: Hosting, visitor: Visitor) -> dict[str, Any]:
    answer = await visitor.http.get("ready")
    assert answer.status_code == 200  # people can come in
    warnings: dict[str, Any] = answer.json()["warnings"]
    return warnings


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicebot.server.hosting.SPACE_INTERVAL", 0.01)
    monkeypatch.setattr("voicebot.conversation.writer.RETRY_EVERY", 0.01)


@pytest.mark.usefixtures("quick")
async def test_recordings_stop_before_the_disk_is_full_and_resume_with_space(
    host: HostingFactory,
    visit: VisitorFactory,
    settings: Settings,
    media: FakeMediaPlane,
    caplog: pytest.LogCaptureFixture,
) -> None:
    disk = Disk()
    hosting = await host(space=disk.limits(settings))
    ada = await visit(hosting, joined="Ada")
    agent_session: Any = hosting.agent_sessions["demo"]
    assert (commands(media, StartRecording, ada), await ready(hosting, ada)) == (1, {})
    disk.free = 499 * MIB
    told = await ada.expect("error")
    assert told["data"]["code"] == "recording_stopped"
    assert "DATA_DIR" not in str(told)  # no business of theirs
    assert (commands(media, StartRecording, ada), commands(media, StopRecording, ada)) == (1, 1)
    warning = (await ready(hosting, ada))["recording"]
    assert "499 MiB left" in warning
    assert "DISK_RESERVE_MIB" in warning
    assert "Recording has stopped" in caplog.text
    bob = await visit(hosting, joined="Bob")
    assert commands(media, StartRecording, bob) == 0
    await ada.send("chat_message", {"text": "is still written"}, lobby="demo")
    await ada.settle()
    assert await asyncio.to_thread(agent_session.log.flush)
    assert "voicebot_recording 0.0" in (await ada.http.get("metrics")).text
    disk.free = 600 * MIB
    assert (await ada.expect("error"))["data"]["code"] == "recording_resumed"
    assert (commands(media, StartRecording, ada), commands(media, StartRecording, bob)) == (2, 1)
    assert await ready(hosting, ada) == {}
    events = [e for e in agent_session.log.events if e.type == "error"]
    assert [e.code for e in events] == ["recording_stopped", "recording_resumed"]


@pytest.mark.usefixtures("quick")
async def test_events_stay_in_memory_when_half_of_the_reserve_is_used(
    host: HostingFactory, visit: VisitorFactory, settings: Settings
) -> None:
    """They are within the conversation's quota, and are written when there is space."""
    disk = Disk()
    hosting = await host(space=disk.limits(settings), limits=HASTY)
    ada = await visit(hosting, joined="Ada")
    agent_session: Any = hosting.agent_sessions["demo"]
    file = agent_session.log.folder / "events.jsonl"
    assert await asyncio.to_thread(agent_session.log.flush)
    disk.free = 100 * MIB
    await ada.expect("error", lambda m: m["data"]["code"] == "recording_stopped")
    await ada.send("chat_message", {"text": "later"}, lobby="demo")
    await ada.settle()
    assert not await asyncio.to_thread(agent_session.log.flush)
    assert "later" not in file.read_text()
    disk.free = 1000 * MIB
    await ada.expect("error", lambda m: m["data"]["code"] == "recording_resumed")
    await until(lambda: asyncio.to_thread(agent_session.log.flush))
    assert "later" in file.read_text()
    disk.free = 0
    await ada.expect("error", lambda m: m["data"]["code"] == "recording_stopped")
    for n in range(3 * EVENTS):
        await ada.send("chat_message", {"text": str(n)}, lobby="demo")
        if n % 20 == 0:
            await ada.settle()
            assert len(agent_session.log.events) <= SPENT * EVENTS + 1
    await ada.settle()


@pytest.mark.usefixtures("quick")
async def test_all_conversations_together_have_a_quota(
    host: HostingFactory, visit: VisitorFactory, settings: Settings, models: Models, media: FakeMediaPlane
) -> None:
    """With the folder's real size. Nothing is deleted; an operator has to make space."""
    old = settings.data_dir / "conversations/20200101T000000-00000000"
    old.mkdir(parents=True)
    (old / "events.jsonl").write_bytes(b"\n" * 100_000)
    small = settings.model_copy(update={"conversations_gib": 50_000 / 1024**3, "disk_reserve_mib": 0})
    hosting = await host(settings=small)
    ada = await visit(hosting, joined="Ada")

    async def warned() -> bool:
        return "CONVERSATIONS_GIB" in (await ready(hosting, ada)).get("recording", "")

    await until(warned)
    assert commands(media, StartRecording, ada) <= commands(media, StopRecording, ada)
    assert (old / "events.jsonl").stat().st_size == 100_000
    assert used_bytes(settings.data_dir / "conversations") >= 100_000
    (old / "events.jsonl").unlink()
    assert (await ada.expect("error", lambda m: m["data"]["code"] == "recording_resumed"))["lobby"] == "demo"


def test_an_unmeasurable_disk_counts_as_full(settings: Settings) -> None:
    def broken(_: Path) -> int:
        raise OSError("Input/output error")

    limits = SpaceLimits(settings.data_dir, reserve=MIB, quota=0, free=broken)
    space = limits.measure()
    assert (space.recordings, space.events) == (False, True)
    assert "Input/output error" in space.problem
    nowhere = SpaceLimits(settings.data_dir / "not/made/yet", reserve=0, quota=MIB)
    assert nowhere.measure().problem == ""


def test_small_conversations_count_with_their_disk_usage(tmp_path: Path) -> None:
    """People who come and go begin many: folders, and files smaller than a block."""
    for n in range(50):
        folder = tmp_path / f"conversation-{n}" / "audio"
        folder.mkdir(parents=True)
        (folder / "a.ogg").write_bytes(b"x")
        (folder.parent / "events.jsonl").write_bytes(b"x" * (BLOCK + 1))
    assert used_bytes(tmp_path) >= 50 * (2 + 1 + 2) * BLOCK


def test_measuring_many_files_takes_little_of_the_time(settings: Settings) -> None:
    now, counted = 0.0, 0

    def slowly(_: Path) -> int:
        nonlocal now, counted
        now, counted = now + 1.0, counted + 1
        return 0

    limits = SpaceLimits(settings.data_dir, reserve=0, quota=MIB, used=slowly, clock=lambda: now)
    for _ in range(1000):
        limits.measure()
        now += 1.0
    assert 30 <= counted <= 50
