"""Starting and stopping: twice, on a port in use, with a bad folder, and with the real media plane."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from pydantic import SecretStr

from tests.support.dns_server import serving
from tests.support.waiting import GUARD
from voicebot.agent.models.models import Models
from voicebot.clock import monotonic
from voicebot.conversation.log import ConversationLog
from voicebot.conversation.stall import Stall
from voicebot.errors import (
    MediaError,
    SettingsError,
    SignalingError,
    StoreError,
    UnknownModel,
    VoicebotError,
)
from voicebot.events import ConnectionState, ConversationEnded, Event, LoopStall, ParticipantLeft
from voicebot.experiment.guest import Guest
from voicebot.media.inline import InlineMediaPlane
from voicebot.media.process.plane import ProcessMediaPlane
from voicebot.server.hosting import Hosting, _real_media
from voicebot.server.lobby.demo import DEMO_LOBBY
from voicebot.server.net.listening import QuietServer, bind, make_server
from voicebot.settings import Settings
from voicebot.testing.media import FakeMediaPlane


async def test_starting_and_stopping_again_is_safe(settings: Settings, models: Models) -> None:
    hosting = Hosting(settings, FakeMediaPlane(), models=models)
    await hosting.stop()
    await asyncio.gather(hosting.start(), hosting.start())
    assert list(hosting.agent_sessions) == [DEMO_LOBBY]
    url = hosting.url
    await asyncio.gather(hosting.stop(), hosting.stop())
    assert not hosting.running
    async with httpx.AsyncClient() as http:
        with pytest.raises(httpx.ConnectError):
            await http.get(url)
    await hosting.start()
    assert hosting.running
    await hosting.stop()


async def test_stop_leaves_no_task_behind(settings: Settings, models: Models, visit: Any) -> None:
    before = asyncio.all_tasks()
    hosting = Hosting(settings, FakeMediaPlane(), models=models)
    await hosting.start()
    ada = await visit(hosting, joined="Ada")
    await hosting.stop()
    assert await ada.closed() in {1001, 1012}
    await ada.http.aclose()
    left = [t.get_name() for t in asyncio.all_tasks() - before if not t.done()]
    assert left == []


async def test_a_blocked_loop_is_logged_in_every_conversation(
    host: Any, settings: Settings, visit: Any
) -> None:
    ahead = 0.0
    hosting = await host(clock=lambda: monotonic() + ahead)
    stalled: asyncio.Future[Stall] = asyncio.get_running_loop().create_future()

    def on_stall(stall: Stall) -> None:
        if stall.seconds >= 60 and not stalled.done():  # a busy machine has small ones of its own
            stalled.set_result(stall)

    hosting.on_stall = on_stall
    await visit(hosting, joined="Ada")
    ahead = 60.0
    assert (await asyncio.wait_for(stalled, GUARD)).seconds >= 60
    [stall] = [
        e
        for e in hosting.agent_sessions[DEMO_LOBBY].log.events
        if isinstance(e, LoopStall) and e.seconds >= 60
    ]
    assert stall.seq > 0


async def test_a_port_in_use_leads_to_the_next_free_one(host: Any, settings: Settings) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        hosting = await host(settings=settings.model_copy(update={"port": port}))
        assert hosting.port > port
        async with httpx.AsyncClient() as http:
            assert (await http.get(f"http://127.0.0.1:{hosting.port}/health")).status_code == 200


def test_a_forbidden_port_is_not_reported_as_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: socket.socket, address: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(
        "voicebot.server.net.listening.socket.socket", type("S", (socket.socket,), {"bind": refuse})
    )
    with pytest.raises(SettingsError, match=":80: Permission denied") as caught:
        bind("127.0.0.1", 80)
    assert "1024" in caught.value.hint


@pytest.mark.parametrize("address", ["no such host.invalid", "192.0.2.1", "x" * 300])
def test_an_address_of_another_machine_is_named_in_the_error(address: str) -> None:
    with pytest.raises(SettingsError):
        bind(address, 0)


async def test_an_unwritable_data_folder_fails_the_start(
    settings: Settings, models: Models, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    media = FakeMediaPlane()
    hosting = Hosting(
        settings.model_copy(update={"data_dir": tmp_path / "file" / "data"}), media, models=models
    )
    with pytest.raises(StoreError, match="is not writable") as caught:
        await hosting.start()
    assert "DATA_DIR" in caught.value.hint
    assert not hosting.running


class BrokenMedia(FakeMediaPlane):
    async def start(self, on_notice: Any) -> None:
        raise MediaError("The worker did not start.")


async def test_a_failed_start_leaves_nothing_and_can_be_repeated(settings: Settings, models: Models) -> None:
    hosting = Hosting(settings, BrokenMedia(), models=models)
    for _ in range(2):
        with pytest.raises(MediaError):
            await hosting.start()
        assert not hosting.running
    with pytest.raises(VoicebotError):
        await hosting.create_lobby("x")


async def test_the_media_worker_gets_the_vad_and_the_log_level_of_the_settings(settings: Settings) -> None:
    wished = settings.model_copy(update={"vad_model": "silero:", "log_level": "DEBUG"})
    plane = _real_media(wished)
    assert isinstance(plane, ProcessMediaPlane)
    await plane.start(lambda notice: None)
    try:
        assert plane.pid is not None
        assert psutil.Process(plane.pid).cmdline()[-2:] == ["silero:", "DEBUG"]
    finally:
        await plane.close()


async def test_an_unknown_vad_fails_the_start(settings: Settings, models: Models) -> None:
    hosting = Hosting(settings.model_copy(update={"vad_model": "sillero"}), models=models)
    with pytest.raises(UnknownModel) as caught:
        await hosting.start()
    assert "silero" in caught.value.hint


async def test_abandoning_frees_the_port_and_the_worker(settings: Settings, models: Models) -> None:
    hosting = Hosting(settings, models=models, demo=False)
    await hosting.start()
    port, plane, serving = hosting.port, hosting._media, hosting._serving
    assert isinstance(plane, ProcessMediaPlane)
    assert plane.pid is not None
    worker = psutil.Process(plane.pid)
    hosting.abandon()  # whose loop would be gone
    with bind("127.0.0.1", port) as freed:
        assert freed.getsockname()[1] == port
    assert await asyncio.to_thread(worker.wait, 30) in {0, None}
    assert serving is not None
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    await plane.close()
    await hosting.stop()


async def test_wrong_turn_settings_fail_the_start(settings: Settings, models: Models) -> None:
    wrong = settings.model_copy(update={"coturn_server": "http://t.example"})
    with pytest.raises(SettingsError, match="COTURN_SERVER"):
        await Hosting(wrong, FakeMediaPlane(), models=models).start()


async def test_a_system_exit_of_uvicorn_becomes_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    async def exits(self: Any, sockets: Any = None) -> None:
        raise SystemExit(3)

    monkeypatch.setattr(QuietServer, "serve", exits)
    server = make_server(lambda scope, receive, send: asyncio.sleep(0))  # type: ignore[arg-type, return-value]
    with bind("127.0.0.1", 0) as listening:
        with pytest.raises(VoicebotError, match="could not start"):
            await server.run_on(listening)
        assert server.listening.is_set()


async def test_lobby_ids_are_checked(hosting: Hosting) -> None:
    for id, code in (("demo", "id_taken"), ("a/b", "bad_id"), ("", "bad_id"), ("x" * 49, "bad_id")):
        with pytest.raises(SignalingError) as caught:
            await hosting.create_lobby("Name", id)
        assert caught.value.code == code
    with pytest.raises(SignalingError):
        await hosting.create_lobby("\u202e")
    assert list(hosting.agent_sessions) == ["demo"]
    agent_session = await hosting.create_lobby("Named", "tea_room-1")
    assert hosting.lobby_url(agent_session.lobby.id).endswith("/?lobby=tea_room-1")


async def test_people_connect_over_webrtc_and_their_conversation_ends_with_them(host: Any) -> None:
    """The real path: HTTP, WebSocket, ICE, DTLS and Opus, on the inline media plane."""
    hosting = await host(media=InlineMediaPlane())
    heard = asyncio.Event()
    url = f"http://localhost:{hosting.port}"
    async with asyncio.timeout(GUARD):
        eve = Guest(url, "demo", name="Eve", on_heard=lambda frame: heard.set())
        await eve.join()
        bob = Guest(url, "demo", name="Bob")
        await bob.join()
        log = hosting.agent_sessions["demo"].log
        assert log is not None
        people = (eve.id, bob.id)
        for id in people:
            connected = (id, "connected")
            await happens(log, lambda e, c=connected: (e.participant_id, e.state) == c, ConnectionState)
        await heard.wait()
        assert [p.name for p in hosting.agent_sessions["demo"].lobby.humans] == ["Eve", "Bob"]
        await eve.leave()
        await happens(log, lambda e: e.participant_id == people[0], ParticipantLeft)
        assert not any(isinstance(e, ConversationEnded) for e in log.events)
        await bob.leave()
        await happens(log, lambda e: True, ConversationEnded)


async def happens(log: ConversationLog, where: Callable[[Any], bool], kind: type[Event]) -> None:
    """Wait for an event, unless it has happened already."""
    seen = asyncio.Event()

    def look(event: Event) -> None:
        if isinstance(event, kind) and where(event):
            seen.set()

    unsubscribe = log.subscribe(look, replay=True)
    await seen.wait()
    unsubscribe()


async def test_turn_user_names_are_opaque_but_stable(settings: Settings, models: Models) -> None:
    """coturn counts relays per user name, but its log must not reveal people."""
    turn = settings.model_copy(update={"coturn_server": "t.example:3478", "coturn_secret": SecretStr("x")})
    hosting, other = (Hosting(turn, FakeMediaPlane(), models=models) for _ in range(2))

    def name(of: Hosting, user: str) -> str:
        return str(of.ice(user).servers[-1].username).partition(":")[2]

    assert name(hosting, "ada") == name(hosting, "ada")
    assert len({name(hosting, "ada"), name(hosting, "mia"), name(other, "ada")}) == 3


async def test_without_a_port_dns_locates_the_turn_server(
    settings: Settings, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = {
        ("_turn._udp.example.org", "SRV"): (60, ["0 0 4001 relay.example.org."]),
        ("relay.example.org", "A"): (60, ["192.0.2.1"]),
    }
    turn = {"coturn_server": "turn:example.org", "coturn_secret": SecretStr("x")}
    async with serving(records) as (_, resolver):
        monkeypatch.setattr("dns.asyncresolver.Resolver", lambda: resolver)
        hosting = Hosting(settings.model_copy(update=turn), FakeMediaPlane(), models=models)
        await hosting.start()
        assert [server.urls for server in hosting.ice("ada").servers] == [
            ["stun:relay.example.org:4001"],
            ["turn:relay.example.org:4001?transport=udp"],
        ]
        await hosting.stop()
