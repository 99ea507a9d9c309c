"""Coming, going, knocking and moderating in any order: what always holds in a lobby."""

# ruff: noqa: PT017 (here anything may be refused, and then for the right reason)
from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from voicebot.errors import SignalingError
from voicebot.lobby.capacity import CameraLimit, Capacity
from voicebot.lobby.door import DENIED_SECONDS, Door
from voicebot.lobby.lobby import Changed, Joined, Left, Lobby, LobbyEvent, Updated
from voicebot.lobby.rights import RIGHTS, Action, Standing, check, check_towards, lasts
from voicebot.signaling.messages import LobbySettings, ParticipantInfo

SESSIONS = [f"s-{n}" for n in range(8)]
sessions = st.sampled_from(SESSIONS)
CODES = {"unknown_lobby", "lobby_full", "camera_limit"}


class AnyOrder(RuleBasedStateMachine):
    """Eight sessions around one lobby for four people, two cameras, two agents and two at the door."""

    def __init__(self) -> None:
        super().__init__()
        self.lobby = Lobby("l", "Lobby", capacity=Capacity(humans=4, video=2, agents=2, waiting=2))
        self.door = Door(self.lobby, hosts=[SESSIONS[0]])
        self.seats: dict[str, str] = {}
        self.now = 0.0
        self.number = 0
        self.seen: list[LobbyEvent] = []
        self.versions = [0]
        self.banned: frozenset[str] = frozenset()
        self.mirror: dict[str, ParticipantInfo] = {}
        self.over: set[str] = set()
        """Ids that were thrown out: no id ever comes again."""
        self.lobby.subscribe(self._on_event)

    def _on_event(self, event: LobbyEvent) -> None:
        self.versions.append(self.lobby.version)
        self.seen.append(event)
        match event:
            case Joined(info):
                assert info.id not in self.mirror
                self.mirror[info.id] = info
            case Updated(info, before):
                assert self.mirror[info.id] == before != info
                self.mirror[info.id] = info
            case Left(info, _):
                assert self.mirror.pop(info.id) == info
            case Changed():
                pass

    def _new(self, kind: str) -> str:
        self.number += 1
        return f"{kind}-{self.number}"

    def _sit(self, handle: str, camera: bool) -> None:
        owner = handle in self.door.hosts
        info = ParticipantInfo(
            id=self._new("p"),
            name=handle,
            kind="human",
            role="host" if owner else "guest",
            owner=owner,
            camera=camera,
        )
        try:
            self.lobby.join(info)
        except CameraLimit:
            info = self.lobby.join(info.model_copy(update={"camera": False}))
        self.seats[handle] = info.id

    def _remove(self, handle: str) -> None:
        id = self.seats.pop(handle)
        self.over.add(id)
        self.lobby.leave(id)
        if not self.lobby.humans:
            self.door.emptied()

    def _free(self, visitors: list[str]) -> None:
        """Those whom an open door lets in, as far as there is room."""
        for handle in visitors:
            try:
                self._sit(handle, False)
            except SignalingError as full:
                assert full.code == "lobby_full"

    # ------------------------------------------------------------ what people do

    @rule(handle=sessions, camera=st.booleans())
    def come(self, handle: str, camera: bool) -> None:
        if handle in self.seats:
            return
        settings = self.lobby.settings
        closed = handle in self.door.banned or (settings.locked and handle not in self.door.hosts)
        try:
            entry = self.door.check_entry(handle, self.now)
        except SignalingError as error:
            assert error.code in CODES
            if error.code == "lobby_full":
                most = 4 if handle in self.door.hosts else min(4, settings.people)
                inside = len(self.lobby.humans) >= most
                assert inside or len(self.door.waiting) >= 2
            return
        assert not closed
        if entry == "knock":
            assert settings.private
            assert handle not in self.door.admitted | self.door.hosts
            before = self.door.visitor(handle)
            visitor = self.door.knock(self._new("v"), handle, handle)
            assert before is None or visitor.id == before.id
        else:
            self.door.gone(handle)
            self._sit(handle, camera)

    @rule(handle=sessions)
    def go(self, handle: str) -> None:
        if handle in self.seats:
            self._remove(handle)
        else:
            self.door.gone(handle)

    @rule(handle=sessions, lost=st.booleans())
    def lose_or_find_the_socket(self, handle: str, lost: bool) -> None:
        if handle in self.seats:
            self.lobby.update(self.seats[handle], presence="reconnecting" if lost else "present")

    @rule(handle=sessions, camera=st.booleans())
    def switch_the_camera(self, handle: str, camera: bool) -> None:
        if handle in self.seats:
            before = self.lobby.participants[self.seats[handle]]
            try:
                self.lobby.update(before.id, camera=camera)
            except SignalingError as error:
                assert error.code == "camera_limit"
                assert self.lobby.participants[before.id] == before

    @rule(seconds=st.sampled_from([1.0, DENIED_SECONDS]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(add=st.booleans())
    def agents(self, add: bool) -> None:
        if not add and self.lobby.agents:
            self.lobby.leave(self.lobby.agents[0].id, "removed")
        elif add:
            try:
                self.lobby.join(ParticipantInfo(id=self._new("agent"), name="Ada", kind="agent"))
            except SignalingError as error:
                assert error.code == "lobby_full"
                assert len(self.lobby.agents) == 2

    # ------------------------------------------------------------ what hosts do, and others try

    def _standing(self, handle: str) -> Standing:
        if handle in self.door.hosts:
            return Standing.OWNER
        if handle not in self.seats:
            return Standing.VISITOR
        role = self.lobby.participants[self.seats[handle]].role
        return Standing.ACTING_HOST if role == "host" else Standing.GUEST

    def _allowed(self, handle: str, action: Action, whom: str | None) -> bool:
        mine = self._standing(handle)
        try:
            check(action, mine)
            if whom is not None:
                check_towards(action, mine, self._standing(whom), oneself=whom == handle)
        except SignalingError as error:
            assert error.code == "forbidden"
            return False
        assert mine >= Standing.ACTING_HOST
        return True

    @precondition(lambda self: self.seats)
    @rule(data=st.data(), action=st.sampled_from(["kick", "ban", "make_host"]))
    def of_people(self, data: st.DataObject, action: Action) -> None:
        handle = data.draw(st.sampled_from(sorted(self.seats)), "who")
        whom = data.draw(st.sampled_from(sorted(self.seats)), "whom")
        if not self._allowed(handle, action, whom):
            return
        lasting = lasts(self._standing(handle))
        if action == "make_host":
            assert lasting
            self.door.hosts.add(whom)
            assert self.lobby.make_host(self.seats[whom], owner=True).owner
            return
        assert lasting or whom not in self.door.hosts
        if action == "ban":
            assert self.door.ban(whom, lasting=lasting) is None
        else:
            self.door.expel(whom, lasting=lasting)
        self._remove(whom)

    @precondition(lambda self: self.seats and self.door.waiting)
    @rule(data=st.data(), action=st.sampled_from(["admit", "deny", "ban"]))
    def at_the_door(self, data: st.DataObject, action: Action) -> None:
        handle = data.draw(st.sampled_from(sorted(self.seats)), "who")
        visitor = data.draw(st.sampled_from(list(self.door.waiting.values())), "whom")
        assert Standing.VISITOR in RIGHTS[action].towards
        if not self._allowed(handle, action, visitor.handle):
            return
        lasting = lasts(self._standing(handle))
        if action == "deny":
            assert self.door.deny(visitor.id, self.now) == visitor
        elif action == "ban":
            assert self.door.ban(visitor.handle, lasting=lasting) == visitor
        else:
            try:
                assert self.door.admit(visitor.id, lasting=lasting) == visitor
            except SignalingError as error:
                assert error.code == "lobby_full"
                assert visitor.id in self.door.waiting
                return
            self._sit(visitor.handle, True)

    @precondition(lambda self: self.seats)
    @rule(
        data=st.data(),
        private=st.none() | st.booleans(),
        locked=st.none() | st.booleans(),
        people=st.none() | st.integers(1, 10),
    )
    def set(self, data: st.DataObject, private: bool | None, locked: bool | None, people: int | None) -> None:
        handle = data.draw(st.sampled_from(sorted(self.seats)), "who")
        if not self._allowed(handle, "lock", None):
            return
        wish = {"private": private, "locked": locked, "people": people}
        changes = {name: value for name, value in wish.items() if value is not None}
        before = self.lobby.settings
        changed = self.lobby.change(**changes)
        assert changed == (self.lobby.settings != before)
        assert self.lobby.settings == LobbySettings(**(before.model_dump() | changes))
        self.door.shut()
        self._free([visitor.handle for visitor in self.door.released()])

    @rule(handle=sessions)
    def unban(self, handle: str) -> None:
        assert self.door.unban(handle) >= (handle in self.banned)

    # ------------------------------------------------------------ what always holds

    @invariant()
    def while_a_person_is_here_there_is_a_host(self) -> None:
        assert bool(self.lobby.hosts) == bool(self.lobby.humans)
        assert all(agent.role == "guest" for agent in self.lobby.agents)

    @invariant()
    def hosts_by_session_are_hosts(self) -> None:
        for handle in self.door.hosts & self.seats.keys():
            info = self.lobby.participants[self.seats[handle]]
            assert (info.role, info.owner) == ("host", True)

    @invariant()
    def nobody_else_is_an_owner(self) -> None:
        for handle in self.seats.keys() - self.door.hosts:
            assert not self.lobby.participants[self.seats[handle]].owner

    @invariant()
    def nobody_banned_is_in_or_waits(self) -> None:
        self.banned = frozenset(self.door.banned)
        assert not self.door.banned & self.seats.keys()
        assert not self.door.banned & {visitor.handle for visitor in self.door.waiting.values()}
        assert not self.door.banned & (self.door.hosts | self.door.admitted)

    @invariant()
    def nobody_both_waits_and_sits_and_visitors_are_in_no_roster(self) -> None:
        waiting = [visitor.handle for visitor in self.door.waiting.values()]
        assert len(waiting) == len(set(waiting))
        assert not set(waiting) & self.seats.keys()
        assert not self.door.waiting.keys() & self.lobby.participants.keys()

    @invariant()
    def nobody_waits_in_vain(self) -> None:
        if self.lobby.settings.locked or not self.lobby.settings.private:
            assert not self.door.waiting

    @invariant()
    def capacity_is_kept(self) -> None:
        assert len(self.lobby.humans) <= 4
        assert sum(person.camera for person in self.lobby.humans) <= 2
        assert len(self.lobby.agents) <= 2
        assert len(self.door.waiting) <= 2

    @invariant()
    def who_watches_knows_all(self) -> None:
        assert self.mirror == dict(self.lobby.participants)
        assert {info.id for info in self.lobby.humans} == set(self.seats.values())
        assert all(one < other for one, other in zip(self.versions, self.versions[1:], strict=False))
        assert not self.over & self.lobby.participants.keys()


AnyOrder.TestCase.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)
TestAnyOrder = AnyOrder.TestCase
