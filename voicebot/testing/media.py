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
    PlayoutEnded,
    PlayoutMark,
    PlayoutStarted,
    RecordingFailed,
    SilenceReached,
    SpeechStarted,
    SpeechStopped,
)
from voicebot.testing.hearing import FakeHearing, as_speech

N = TypeVar("N", bound=Notice)


@dataclass(frozen=True)
class Command:
    """One call of the plane's methods, in the order they came."""

    name: str
    host_id: str
    arguments: Mapping[str, Any]
    time: float


@dataclass
class _Piece:
    index: int
    seconds: float
    interruptible: bool


@dataclass
class Speech:
    """One agent's speech as far as it was played."""

    host_id: str
    agent_id: str
    speech_id: str
    pcm: list[NDArray[np.int16]] = field(default_factory=list)
    sample_rate: int = 0
    started: float | None = None
    """Clock time of its first sample, None before that."""
    ended: PlayoutEnded | None = None
    _pieces: list[_Piece] = field(default_factory=list)
    _complete: bool = False
    _interrupted_by: str | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def interruptible(self) -> bool:
        return all(piece.interruptible for piece in self._pieces)


@dataclass
class _Host:
    hearing: HearingSettings
    agents: dict[str, asyncio.Queue[Speech | None]] = field(default_factory=dict)
    players: set[asyncio.Task[None]] = field(default_factory=set)
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
        self._silent: dict[tuple[str, str], asyncio.TimerHandle | None] = {}
        """People in a pause, and the timer that tells of it once it was asked for."""

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
        pcm = np.concatenate([as_speech(part) for part in (*speech, -(host.hearing.stop_after + 0.1))])

        def talk_over(since: float, now: float) -> None:
            for playing in self.talking(name):
                overlap = now - max(since, playing.started or now)
                if playing.interruptible and overlap >= host.hearing.interrupt_after - 1e-9:
                    self._interrupt(playing, participant_id)

        hearing = FakeHearing(name, participant_id, host.hearing, self._notice, talk_over)
        hearing.awaited = lambda: self._silent.get((name, participant_id)) is not None
        await hearing.run(pcm)

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
            if s.started is not None and s.ended is None and host_id in (None, s.host_id)
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
        for speech in self.talking():
            who = (speech.host_id, speech.agent_id, speech.speech_id)
            speech.ended = PlayoutEnded(*who, self._time(), 0.0, {}, complete=False)
            self._notice(speech.ended)
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
        players = [task for host in self._hosts.values() for task in host.players]
        for name in list(self._hosts):
            self._drop(name)
        await asyncio.gather(*players, return_exceptions=True)
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
        key = (host_id, participant_id)
        if key not in self._silent or self._loop is None:
            return
        if (earlier := self._silent[key]) is not None:
            earlier.cancel()

        def reached() -> None:
            self._silent[key] = None
            self._notice(SilenceReached(host_id, participant_id, until))

        self._silent[key] = self._loop.call_at(max(until, self._loop.time()), reached)

    def add_agent(self, host_id: str, agent_id: str) -> None:
        self._record("add_agent", host_id, agent_id=agent_id)
        host = self._host(host_id)
        if host is not None and agent_id not in host.agents:
            self._join_agent(host, agent_id)

    def remove_agent(self, host_id: str, agent_id: str) -> None:
        self._record("remove_agent", host_id, agent_id=agent_id)
        host = self._host(host_id)
        if host is not None and agent_id in host.agents:
            for speech in self.speeches:
                if (speech.host_id, speech.agent_id) == (host_id, agent_id):
                    self._interrupt(speech, "")
            host.agents.pop(agent_id).put_nowait(None)

    def say(
        self,
        host_id: str,
        agent_id: str,
        speech_id: str,
        index: int,
        pcm: NDArray[np.int16],
        sample_rate: int,
        interruptible: bool = True,
    ) -> None:
        self._record(
            "say",
            host_id,
            agent_id=agent_id,
            speech_id=speech_id,
            index=index,
            samples=len(pcm),
            sample_rate=sample_rate,
            interruptible=interruptible,
        )
        speech = self._speech(host_id, agent_id, speech_id)
        if speech is None or speech.ended is not None:
            return
        if speech._complete:
            self.problems.append(f"say after end of {speech_id}")
        speech.sample_rate = sample_rate
        speech.pcm.append(pcm)
        speech._pieces.append(_Piece(index, len(pcm) / sample_rate, interruptible))
        speech._changed.set()

    def end(self, host_id: str, agent_id: str, speech_id: str) -> None:
        self._record("end", host_id, agent_id=agent_id, speech_id=speech_id)
        speech = self._speech(host_id, agent_id, speech_id)
        if speech is not None:
            speech._complete = True
            speech._changed.set()

    def stop(self, host_id: str, agent_id: str, speech_id: str) -> None:
        self._record("stop", host_id, agent_id=agent_id, speech_id=speech_id)
        speech = self._speech(host_id, agent_id, speech_id)
        if speech is not None:
            self._interrupt(speech, "")

    def record(self, host_id: str, participant_id: str, path: Path, origin: float) -> None:
        self._record("record", host_id, participant_id=participant_id, path=path, origin=origin)

    def stop_recording(self, host_id: str, participant_id: str) -> None:
        self._record("stop_recording", host_id, participant_id=participant_id)

    # ------------------------------------------------------------ inside

    def _join_agent(self, host: _Host, agent_id: str) -> None:
        assert self._loop is not None
        queue = host.agents[agent_id] = asyncio.Queue()
        player = self._loop.create_task(self._play_all(queue), name=f"fake playout of {agent_id}")
        host.players.add(player)
        player.add_done_callback(host.players.discard)

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
        if isinstance(notice, SpeechStarted | SpeechStopped):
            waiting = self._silent.pop((notice.host_id, notice.participant_id), None)
            if waiting is not None:
                waiting.cancel()
            if isinstance(notice, SpeechStopped):
                self._silent[notice.host_id, notice.participant_id] = None

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
            for task in tuple(host.players):
                task.cancel()

    def _speech(self, host_id: str, agent_id: str, speech_id: str) -> Speech | None:
        host = self._host(host_id)
        if host is None:
            return None
        if agent_id not in host.agents:
            self.problems.append(f"no agent {agent_id} on {host_id}")
            return None
        key = (agent_id, speech_id)
        if key not in host.speeches:
            speech = host.speeches[key] = Speech(host_id, agent_id, speech_id)
            self.speeches.append(speech)
            host.agents[agent_id].put_nowait(speech)
        return host.speeches[key]

    def _interrupt(self, speech: Speech, by: str) -> None:
        if speech.ended is None and speech._interrupted_by is None:
            speech._interrupted_by = by
            speech._changed.set()

    async def _play_all(self, queue: asyncio.Queue[Speech | None]) -> None:
        while (speech := await queue.get()) is not None:
            await self._play(speech)

    async def _play(self, speech: Speech) -> None:
        """Piece after piece at real pace, waiting where the next one is not there yet."""
        played: dict[int, float] = {}
        who = (speech.host_id, speech.agent_id, speech.speech_id)
        position = 0
        due = 0.0  # when the piece before has been sent to its last sample
        while speech._interrupted_by is None:
            if position == len(speech._pieces):
                if speech._complete:
                    break
                speech._changed.clear()
                await speech._changed.wait()
                continue
            piece = speech._pieces[position]
            position += 1
            begin = max(due, self._time())
            if speech.started is None:
                speech.started = begin
                self._notice(PlayoutStarted(*who, time=begin))
            if piece.index not in played:
                self._notice(PlayoutMark(*who, index=piece.index, time=begin))
            due = begin + piece.seconds
            await self._until(due, speech)
            sent = min(piece.seconds, max(0.0, self._time() - begin))
            played[piece.index] = played.get(piece.index, 0.0) + sent
        queued: dict[int, float] = {}
        for piece in speech._pieces:
            queued[piece.index] = queued.get(piece.index, 0.0) + piece.seconds
        speech.ended = PlayoutEnded(
            *who,
            time=self._time(),
            played=sum(played.values()),
            pieces={index: (seconds, queued[index]) for index, seconds in played.items()},
            complete=speech._interrupted_by is None,
            interrupted_by=speech._interrupted_by or "",
        )
        self._notice(speech.ended)

    async def _until(self, time: float, speech: Speech) -> None:
        """Sleep until then or until the speech is interrupted."""
        while speech._interrupted_by is None and (left := time - self._time()) > 1e-9:
            speech._changed.clear()
            try:
                async with asyncio.timeout(left):
                    await speech._changed.wait()
            except TimeoutError:
                return
