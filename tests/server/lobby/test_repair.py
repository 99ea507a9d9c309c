"""What a lobby's people are told when paths break, browsers sleep or the server was restarted."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, cast

import pytest

from voicebot.agent.session import AgentSession
from voicebot.lobby.lobby import Lobby
from voicebot.media.base import Answer
from voicebot.server.lobby.negotiations import Negotiations
from voicebot.server.lobby.presence import Presence
from voicebot.signaling import messages as m
from voicebot.signaling.messages import IceServer, Message, ParticipantInfo
from voicebot.signaling.negotiation import Timeouts
from voicebot.signaling.turn import IcePlan, ice_plan

pytestmark = pytest.mark.virtual_time
TIMES = Timeouts()
BASE = 1_000


class FakeAgentSession:
    """What negotiations need of an agent session and its connections."""

    log = None

    def __init__(self, lobby: Lobby) -> None:
        self.lobby = lobby
        self.answered: list[tuple[str, int, list[str]]] = []
        self.closed: list[str] = []
        self.connections = self

    @property
    def host_peer(self) -> str:
        return self.lobby.host_peer

    async def answer(
        self, me: str, epoch: int, sdp: str, tracks: Mapping[str, str], servers: Sequence[IceServer]
    ) -> Answer:
        self.answered.append((me, epoch, [url for server in servers for url in server.urls]))
        return Answer("answer", dict(tracks))

    def add_candidate(self, me: str, epoch: int, candidate: m.Candidate) -> None: ...

    def close(self, me: str) -> None:
        self.closed.append(me)


class Scene:
    """A lobby's negotiations with people who do what a test says."""

    def __init__(self, *people: str, agent: bool = False, turn: str = "") -> None:
        self.lobby = Lobby("demo", "Demo")
        self.agent_session = FakeAgentSession(self.lobby)
        self.away: set[str] = set()
        self.told: list[tuple[str, Message]] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.turn = turn
        loop = asyncio.get_running_loop()

        def spawn(work: Coroutine[Any, Any, None], name: str, me: str, id: str | None) -> None:
            self.tasks.append(loop.create_task(work, name=name))

        self.negotiations = Negotiations(
            cast(AgentSession, self.agent_session),
            cast(Presence, self),
            clock=loop.time,
            ice=self.ice,
            spawn=spawn,
            epoch_base=BASE,
        )
        if agent:
            self.lobby.join(ParticipantInfo(id="agent", name="Agent", kind="agent"))
        for person in people:
            self.lobby.join(ParticipantInfo(id=person, name=person, kind="human"))

    def tell(self, person: str, message: Message) -> None:
        self.told.append((person, message))

    def is_reconnecting(self, person: str) -> bool:
        return person in self.away

    def ice(self, user: str) -> IcePlan:
        return ice_plan(self.turn, "secret", user, 0.0)

    def take(self, type: str, person: str | None = None) -> list[Message]:
        """What was told of this type, once."""
        found = [x for x in self.told if x[1].type == type and person in (None, x[0])]
        self.told = [x for x in self.told if x not in found]
        return [message for _, message in found]

    def send(self, me: str, message: Any) -> None:
        self.negotiations.heard(me)
        self.negotiations.negotiate(me, message)

    def state(self, me: str, peer: str, epoch: int, state: Any) -> None:
        data = m.WebrtcStateChangeData(state=state)
        self.send(me, m.WebrtcStateChange(peer=peer, epoch=epoch, data=data))

    def connect(self, one: str, other: str) -> int:
        """Both begin and connect; the epoch."""
        (start, _) = self.take("start_webrtc_negotiation")
        epoch = start.epoch
        assert epoch is not None
        sdp = m.DescriptionData(sdp="x")
        self.send(one, m.WebrtcOffer(peer=other, epoch=epoch, data=sdp))
        self.send(other, m.WebrtcAnswer(peer=one, epoch=epoch, data=sdp))
        self.state(one, other, epoch, "connected")
        self.state(other, one, epoch, "connected")
        assert len(self.take("connection_ready")) == 2
        return epoch

    def lose_socket(self, me: str) -> None:
        self.away.add(me)
        self.negotiations.away(me)

    def resume(self, me: str) -> None:
        self.away.discard(me)
        self.negotiations.back(me)


def urls(start: Message) -> list[str]:
    return [url for server in start.data.ice_servers for url in server.urls]  # type: ignore[attr-defined]


async def test_only_the_impolite_end_restarts_ice_before_both_begin_anew() -> None:
    scene = Scene("ada", "bob")
    scene.negotiations.begin("bob")
    epoch = scene.connect("ada", "bob")
    scene.state("bob", "ada", epoch, "disconnected")
    await asyncio.sleep(TIMES.restart)
    ((who, ask),) = [x for x in scene.told if x[1].type == "renegotiate_request"]
    assert (who, ask.peer, ask.epoch) == ("ada", "bob", epoch)
    assert cast(m.RenegotiateRequest, ask).data == m.RenegotiateRequestData(ice_restart=True)
    assert scene.take("start_webrtc_negotiation") == []
    await asyncio.sleep(TIMES.disconnected - TIMES.restart)
    starts = scene.take("start_webrtc_negotiation")
    assert [start.epoch for start in starts] == [epoch + 1] * 2
    scene.negotiations.close()


async def test_a_sleeping_browser_costs_no_attempts_and_begins_with_its_first_message() -> None:
    scene = Scene("ada", "bob")
    scene.negotiations.begin("bob")
    epoch = scene.connect("ada", "bob")
    scene.state("ada", "bob", epoch, "disconnected")
    await asyncio.sleep(TIMES.disconnected)
    scene.take("start_webrtc_negotiation")
    epoch += 1
    offer = m.WebrtcOffer(peer="bob", epoch=epoch, data=m.DescriptionData(sdp="x"))
    scene.send("ada", offer)
    for _ in range(4):  # ada is awake and says so; nothing is tried again, and nothing given up
        await asyncio.sleep(10)
        scene.negotiations.heard("ada")
    assert scene.take("start_webrtc_negotiation") == scene.take("webrtc_failed") == []
    scene.negotiations.heard("bob")
    assert [start.epoch for start in scene.take("start_webrtc_negotiation")] == [epoch + 1] * 2
    scene.negotiations.close()


async def test_an_attempt_waits_for_a_lost_socket_and_begins_on_resume() -> None:
    scene = Scene("ada", "bob", agent=True)
    scene.negotiations.begin("bob")
    scene.take("start_webrtc_negotiation", "bob")
    scene.take("start_webrtc_negotiation", "ada")
    scene.lose_socket("bob")
    scene.negotiations.heard("ada")
    await asyncio.sleep(TIMES.offer)
    assert scene.take("start_webrtc_negotiation") == []
    scene.negotiations.heard("bob")  # the first word on the new socket, before it resumes
    assert scene.take("start_webrtc_negotiation") == []
    scene.resume("bob")
    begun = scene.take("start_webrtc_negotiation", "bob")
    assert {start.peer for start in begun} == {"ada", "host-demo"}
    assert scene.take("webrtc_failed") == []
    scene.negotiations.close()


async def test_a_newcomer_connects_to_an_absent_person_once_they_are_back() -> None:
    scene = Scene("ada", "bob")
    scene.away.add("ada")
    scene.negotiations.begin("bob")
    assert scene.take("start_webrtc_negotiation") == []
    scene.resume("ada")
    assert len(scene.take("start_webrtc_negotiation")) == 2
    scene.lose_socket("ada")
    scene.away.discard("ada")
    scene.negotiations.begin("ada")  # by joining again, such as after a reload
    assert len(scene.take("start_webrtc_negotiation")) == 2
    scene.negotiations.close()


async def test_both_ends_get_the_servers_of_the_rung() -> None:
    scene = Scene("ada", agent=True, turn="turn:t.example, turns:t.example")
    scene.negotiations.begin("ada")
    relays = {}
    for _ in range(3):
        (start,) = cast("list[m.StartWebrtcNegotiation]", scene.take("start_webrtc_negotiation"))
        epoch = start.epoch
        scene.send("ada", m.WebrtcOffer(peer="host-demo", epoch=epoch, data=m.DescriptionData(sdp="x")))
        await asyncio.gather(*scene.tasks)
        assert scene.agent_session.answered[-1] == ("ada", epoch, urls(start))
        relays[epoch] = (start.data.relay_only, urls(start))
        scene.state("ada", "host-demo", epoch, "failed")
    (everything, (udp_only, udp), (tcp_only, tcp)) = relays.values()
    assert everything[0] is False
    assert any(url.startswith("stun:") for url in everything[1])
    assert set(everything[1]) > {*udp, *tcp}
    assert udp_only
    assert udp == ["turn:t.example:3478?transport=udp"]
    assert tcp_only
    assert set(tcp) == {"turn:t.example:3478?transport=tcp", "turns:t.example:5349?transport=tcp"}
    (failed,) = scene.take("webrtc_failed")
    assert cast(m.WebrtcFailed, failed).data.code == "ice_failed"
    assert scene.agent_session.closed == ["ada"]
    scene.negotiations.close()


async def test_after_a_restart_people_stay_connected_and_agents_reconnect() -> None:
    scene = Scene("ada", "bob", "cleo", agent=True)
    scene.away |= {"ada", "bob", "cleo"}
    for me, peers in (("ada", ("bob", "cleo")), ("bob", ("ada",)), ("cleo", ())):
        await asyncio.sleep(1)
        scene.resume(me)
        for peer in peers:
            scene.state(me, peer, 7, "connected")
    assert {(who, ready.peer) for who, ready in scene.told if ready.type == "connection_ready"} == {
        ("ada", "bob"),
        ("bob", "ada"),
    }
    begun = scene.take("start_webrtc_negotiation")
    assert {start.peer for start in begun} == {"host-demo"}
    assert all(start.epoch is not None and start.epoch > BASE for start in begun)
    await asyncio.sleep(TIMES.adopt)
    begun = scene.take("start_webrtc_negotiation")
    assert {start.peer for start in begun} == {"ada", "bob", "cleo"}  # cleo's with both, none between them
    assert len(begun) == 4
    candidate = m.IceCandidate(peer="bob", epoch=7, data=m.Candidate(candidate=""))
    scene.send("ada", candidate)
    assert len(scene.take("ice_candidate", "bob")) == 1
    scene.negotiations.close()


async def test_messages_repeated_after_a_resume_change_nothing() -> None:
    scene = Scene("ada", "bob")
    scene.negotiations.begin("bob")
    epoch = scene.connect("ada", "bob")
    assert len(scene.take("webrtc_state_change", "bob")) == 1
    scene.lose_socket("ada")
    scene.resume("ada")
    scene.told.clear()
    scene.state("ada", "bob", epoch, "connected")
    assert scene.told == []
    scene.state("ada", "bob", epoch, "disconnected")
    scene.state("ada", "bob", epoch, "connected")
    assert len(scene.take("webrtc_state_change", "bob")) == 2
    scene.negotiations.close()
