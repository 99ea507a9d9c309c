"""`FakeMediaPlane`: the media plane without a network, on the loop's clock.

It keeps the contract of `voicebot.media.base.MediaPlane`: speeches are played at real
pace (in virtual time when the loop is virtual), people are heard through the same start,
stop and interruption rules as in the worker, and all notices come in order. A test makes
people speak with `hear()`, waits with `wait_for()` and reads what was commanded and played.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from voicebot.errors import MediaError
from voicebot.media.base import (
    Answer,
    HearingSettings,
    IceServerConfig,
    MediaGone,
    Notice,
    OnNotice,
    PeerState,
    RecordingFailed,
    SilenceReached,
    VoiceActivityStopped,
)
from voicebot.testing.hearing import FakeHearing, Person, as_speech
from voicebot.testing.playout import Player, Speech

N = TypeVar("N", bound=Notice)


@dataclass(frozen=True)
class Command:
    """One call of the plane's methods, in the order they came."""

    name: str
    host_id: str
    arguments: Mapping[str, Any]
    time: float


@dataclass
class _Host:
    hearing: HearingSettings
    agents: dict[str, Player] = field(default_factory=dict)
    people: dict[str, Person] = field(default_factory=dict)
    speeches: dict[tuple[str, str], Speech] = field(default_factory=dict)
    peers: dict[str, int] = field(default_factory=dict)


class FakeMediaPlane:
    """See the module. `commands`, `notices` and `speeches` grow; `problems` names misuse."""

    def __init__(self) -> None:
        self.commands: list[Command] = []
        self.notices: list[Notice] = []
        self.speeches: list[Speech] = []
        self.problems: list[str] = []
        self.connects = True
        """False leaves connections in `connecting`."""
        self.refuse_answers = ""
        """Not empty: `answer` raises MediaError with this message."""
        self._hosts: dict[str, _Host] = {}
        self._on_notice: OnNotice | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._noticed = asyncio.Event()

    # ------------------------------------------------------------ for the test

    async def hear(
        self,
        participant_id: str,
        *speech: float | NDArray[np.int16],
        host_id: str | None = None,
        after: float = 0.0,
    ) -> None:
        """A person speaks; returns when the plane has noticed that they stopped.

        `speech` is said in a row: samples (mono int16 at 16 kHz; quiet parts are silence),
        a number of seconds of speech, or a negative number of seconds of silence.
        `after` waits first, in seconds. Without `host_id` it is heard by the only host.
        """
        await asyncio.sleep(after)
        name, host = self._only_host(host_id)
        pcm = np.concatenate([as_speech(part) for part in (*speech, -(host.hearing.pause_after + 0.1))])

        def talk_over(since: float, now: float) -> None:
            for player in list(host.agents.values()):
                speech = player.current
                if speech is None:
                    continue
                if now - max(since, speech.flowing) >= host.hearing.interrupt_after - 1e-9:
                    player.hold_for(participant_id)

        person = host.people.setdefault(participant_id, Person())
        await FakeHearing(name, participant_id, host.hearing, self._notice, talk_over, person).run(pcm)

    async def wait_for(
        self, kind: type[N], where: Callable[[N], bool] = lambda notice: True, *, count: int = 1
    ) -> N:
        """The `count`-th notice of this kind, past ones included."""
        while True:
            found = [n for n in self.notices if isinstance(n, kind) and where(n)]
            if len(found) >= count:
                return found[count - 1]
            self._noticed.clear()
            await self._noticed.wait()

    def commanded(self, name: str, host_id: str | None = None) -> list[Command]:
        """The calls of one method so far."""
        return [c for c in self.commands if c.name == name and host_id in (None, c.host_id)]

    def talking(self, host_id: str | None = None) -> list[Speech]:
        """What is being played now."""
        return [
            s
            for s in self.speeches
            if s.started is not None and not s.held and s.ended is None and host_id in (None, s.host_id)
        ]

    def lose_peer(self, peer_id: str, reason: str = "ICE failed", host_id: str | None = None) -> None:
        """The network to a person is gone."""
        name, host = self._only_host(host_id)
        epoch = host.peers.pop(peer_id, 1)
        self._notice(PeerState(name, peer_id, epoch, "failed", reason=reason))

    def fail_recording(self, participant_id: str, reason: str) -> None:
        """The disk refuses what this participant's newest recording should hold."""
        started = [c for c in self.commanded("record") if c.arguments["participant_id"] == participant_id][-1]
        self._notice(RecordingFailed(started.host_id, participant_id, started.arguments["path"], reason))

    def die(self, reason: str = "killed") -> None:
        """The worker is gone, with every connection and playout; a new one knows the hosts and agents."""
        for name, host in self._hosts.items():
            for participant_id, person in host.people.items():
                if person.speaking:
                    self._notice(VoiceActivityStopped(name, participant_id, self._time()))
                if person.until is not None:
                    self._notice(SilenceReached(name, participant_id, person.until))
        known = {name: (host.hearing, tuple(host.agents)) for name, host in self._hosts.items()}
        for name, (hearing, agents) in known.items():
            self._drop(name)
            self._hosts[name] = _Host(hearing)
            for agent_id in agents:
                self._join_agent(self._hosts[name], agent_id)
        self._notice(MediaGone(reason))

    # ------------------------------------------------------------ MediaPlane

    async def start(self, on_notice: OnNotice) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_notice = on_notice

    @property
    def alive(self) -> bool:
        return True

    async def close(self) -> None:
        for name in list(self._hosts):
            self._drop(name)
        self._on_notice = None

    def abandon(self) -> None:
        self._on_notice = None

    def open_host(self, host_id: str, hearing: HearingSettings) -> None:
        self._loop = self._loop or asyncio.get_running_loop()  # hosts may be set up before the start
        self._record("open_host", host_id, hearing=hearing)
        self._hosts[host_id] = _Host(hearing)

    def close_host(self, host_id: str) -> None:
        self._record("close_host", host_id)
        self._drop(host_id)

    async def answer(
        self,
        host_id: str,
        peer_id: str,
        epoch: int,
        sdp: str,
        tracks: Mapping[str, str],
        ice_servers: Sequence[IceServerConfig],
    ) -> Answer:
        self._record(
            "answer", host_id, peer_id=peer_id, epoch=epoch, sdp=sdp, tracks=tracks, ice_servers=ice_servers
        )
        host = self._hosts.get(host_id)
        if host is None:
            raise MediaError(f"There is no agent host {host_id!r}.")
        if self.refuse_answers:
            raise MediaError(self.refuse_answers)
        if host.peers.get(peer_id) != epoch:
            host.peers[peer_id] = epoch
            self._notice(PeerState(host_id, peer_id, epoch, "connecting"))
            if self.connects:
                self._now(lambda: self._connect(host_id, peer_id, epoch))
        return Answer(f"answer to {sdp}", {mid: who for mid, who in tracks.items() if who in host.agents})

    def add_candidate(
        self, host_id: str, peer_id: str, epoch: int, candidate: str, sdp_mid: str | None, index: int | None
    ) -> None:
        self._record(
            "add_candidate",
            host_id,
            peer_id=peer_id,
            epoch=epoch,
            candidate=candidate,
            sdp_mid=sdp_mid,
            index=index,
        )

    def close_peer(self, host_id: str, peer_id: str) -> None:
        self._record("close_peer", host_id, peer_id=peer_id)
        host = self._hosts.get(host_id)
        if host is not None and peer_id in host.peers:
            self._notice(PeerState(host_id, peer_id, host.peers.pop(peer_id), "closed"))

    def await_silence(self, host_id: str, participant_id: str, until: float) -> None:
        self._record("await_silence", host_id, participant_id=participant_id, until=until)
        host = self._hosts.get(host_id)
        person = host.people.get(participant_id) if host is not None else None
        if person is None:  # nobody who could speak
            self._notice(SilenceReached(host_id, participant_id, until))
        elif not person.speaking:
            assert self._loop is not None
            person.until, person.pausing = until, True
            due = max(until, self._time())
            self._loop.call_at(due, self._silent, host_id, participant_id, person, until)

    def add_agent(self, host_id: str, agent_id: str) -> None:
        self._record("add_agent", host_id, agent_id=agent_id)
        host = self._host(host_id)
        if host is not None and agent_id not in host.agents:
            self._join_agent(host, agent_id)

    def remove_agent(self, host_id: str, agent_id: str) -> None:
        self._record("remove_agent", host_id, agent_id=agent_id)
        host = self._host(host_id)
        if host is not None and agent_id in host.agents:
            host.agents.pop(agent_id).close()

    def say(
        self,
        host_id: str,
        agent_id: str,
        speech_id: str,
        index: int,
        pcm: NDArray[np.int16],
        sample_rate: int,
        held: bool = False,
    ) -> None:
        self._record(
            "say",
            host_id,
            agent_id=agent_id,
            speech_id=speech_id,
            index=index,
            samples=len(pcm),
            sample_rate=sample_rate,
            held=held,
        )
        player, speech = self._speech(host_id, agent_id, speech_id, held=held)
        if speech is None or player is None or speech.ended is not None:
            return
        if speech.complete:
            self.problems.append(f"say after end of {speech_id}")
        speech.sample_rate = sample_rate
        speech.pcm.append(pcm)
        player.say(speech, index, len(pcm) / sample_rate)

    def end(self, host_id: str, agent_id: str, speech_id: str) -> None:
        self._record("end", host_id, agent_id=agent_id, speech_id=speech_id)
        player, speech = self._speech(host_id, agent_id, speech_id)
        if player is not None and speech is not None and speech.ended is None:
            player.end(speech)

    def hold(self, host_id: str, agent_id: str, speech_id: str, by: str) -> None:
        self._record("hold", host_id, agent_id=agent_id, speech_id=speech_id, by=by)
        player, speech = self._begun(host_id, agent_id, speech_id)
        if player is not None and speech is not None:
            player.hold(speech, by)

    def resume(self, host_id: str, agent_id: str, speech_id: str) -> None:
        self._record("resume", host_id, agent_id=agent_id, speech_id=speech_id)
        player, speech = self._begun(host_id, agent_id, speech_id)
        if player is not None and speech is not None:
            player.resume(speech)

    def stop(self, host_id: str, agent_id: str, speech_id: str) -> None:
        self._record("stop", host_id, agent_id=agent_id, speech_id=speech_id)
        player, speech = self._speech(host_id, agent_id, speech_id)
        if player is not None and speech is not None:
            player.stop(speech)

    def record(self, host_id: str, participant_id: str, path: Path, origin: float) -> None:
        self._record("record", host_id, participant_id=participant_id, path=path, origin=origin)

    def stop_recording(self, host_id: str, participant_id: str) -> None:
        self._record("stop_recording", host_id, participant_id=participant_id)

    # ------------------------------------------------------------ inside

    def _join_agent(self, host: _Host, agent_id: str) -> None:
        assert self._loop is not None
        host.agents[agent_id] = Player(self._notice, self._loop)

    def _time(self) -> float:
        if self._loop is None:
            raise RuntimeError("start() the media plane first")
        return self._loop.time()

    def _now(self, fn: Callable[[], None]) -> None:
        assert self._loop is not None
        self._loop.call_soon(fn)

    def _record(self, name: str, host_id: str, **arguments: Any) -> None:
        self.commands.append(Command(name, host_id, arguments, self._time()))

    def _notice(self, notice: Notice) -> None:
        """On the loop's next round: a command never calls back from inside itself."""

        def hand_over() -> None:
            if self._on_notice is not None:
                self.notices.append(notice)
                self._on_notice(notice)
                self._noticed.set()

        self._now(hand_over)

    def _host(self, host_id: str) -> _Host | None:
        host = self._hosts.get(host_id)
        if host is None:
            self.problems.append(f"no host {host_id}")
        return host

    def _only_host(self, host_id: str | None) -> tuple[str, _Host]:
        name = host_id or next(iter(self._hosts), "")
        if name not in self._hosts or (host_id is None and len(self._hosts) != 1):
            raise ValueError(f"Say which host: there are {sorted(self._hosts)}.")
        return name, self._hosts[name]

    def _connect(self, host_id: str, peer_id: str, epoch: int) -> None:
        host = self._hosts.get(host_id)
        if host is not None and host.peers.get(peer_id) == epoch:
            self._notice(PeerState(host_id, peer_id, epoch, "connected", "host", "host"))

    def _drop(self, host_id: str) -> None:
        host = self._hosts.pop(host_id, None)
        if host is not None:
            for player in host.agents.values():
                player.close()

    def _silent(self, host_id: str, participant_id: str, person: Person, until: float) -> None:
        host = self._hosts.get(host_id)
        if host is not None and host.people.get(participant_id) is person and person.until == until:
            person.until, person.pausing = None, False
            self._notice(SilenceReached(host_id, participant_id, until))

    def _begun(self, host_id: str, agent_id: str, speech_id: str) -> tuple[Player | None, Speech | None]:
        """A speech that was said before; unknown ones are ignored."""
        host = self._hosts.get(host_id)
        if host is None:
            return None, None
        return host.agents.get(agent_id), host.speeches.get((agent_id, speech_id))

    def _speech(
        self, host_id: str, agent_id: str, speech_id: str, *, held: bool = False
    ) -> tuple[Player | None, Speech | None]:
        host = self._host(host_id)
        if host is None:
            return None, None
        player = host.agents.get(agent_id)
        if player is None:
            self.problems.append(f"no agent {agent_id} on {host_id}")
            return None, None
        speech = host.speeches.get((agent_id, speech_id))
        if speech is None:
            speech = Speech(host_id, agent_id, speech_id, held=held)
            host.speeches[agent_id, speech_id] = speech
            self.speeches.append(speech)
            player.begin(speech)
        return player, speech
