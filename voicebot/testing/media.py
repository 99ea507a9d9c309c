"""`FakeMediaPlane`: the real media engine without network, Opus and VAD, on the loop's clock.

The engine itself paces speeches and detects utterances, in virtual time on a virtual loop. A test
makes people speak with `hear()`, waits with `wait_for()`, and reads `commands` and `notices`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from voicebot.audio.frames import HEARING_RATE, Pcm
from voicebot.audio.noise_floor import energies
from voicebot.clock import Clock
from voicebot.errors import MediaError
from voicebot.media import base as media
from voicebot.media.base import Answer, Command, Notice, OnNotice, PeerOffer
from voicebot.media.host import Host, HostContext, Link
from voicebot.media.inbound_audio import InboundAudio, OnPacket
from voicebot.media.inline import InlineMediaPlane
from voicebot.media.queued_speech import QueuedSpeech
from voicebot.media.utterances import WINDOW_SECONDS, Utterances
from voicebot.rtc.peer import ConnectionChange, OnChange, Peer
from voicebot.rtc.tap import OnAudio
from voicebot.signaling.messages import IceServer
from voicebot.vad.base import VAD_WINDOW

N = TypeVar("N", bound=Notice)
C = TypeVar("C", bound=Command | PeerOffer)

LOUD = 300.0
"""RMS (int16 units) above which a window counts as speech."""


class LoudnessVAD:
    """A voice activity detector that takes every loud window for speech."""

    name = "loudness"

    def stream(self) -> LoudnessVAD:
        return self

    def probability(self, window: Pcm) -> float:
        return float(np.sqrt(np.mean(np.square(window, dtype=np.float64))) > LOUD)


class FakeMediaPlane(InlineMediaPlane):
    """A `MediaPlane` for tests; see the module. `commands` and `notices` record everything."""

    def __init__(self) -> None:
        super().__init__(
            vad=LoudnessVAD(),
            clock=lambda: asyncio.get_running_loop().time(),
            new_host=partial(_FakeHost, self),
        )
        self.commands: list[Command | PeerOffer] = []
        self.notices: list[Notice] = []
        self.connects = True
        """Set it to False to leave connections in `connecting`."""
        self.refuse_answers = ""
        """If not empty, `answer` raises MediaError with this message."""
        self._noticed = asyncio.Event()

    # ------------------------------------------------------------ for the test

    async def hear(
        self,
        participant_id: str,
        *speech: float | NDArray[np.int16],
        host_id: str | None = None,
        after: float = 0.0,
    ) -> None:
        """Let a person speak; returns when the plane has noticed that they stopped.

        Each part of `speech` is mono int16 at 16 kHz, a number of seconds of speech, or a negative
        number of seconds of silence. `after` waits first, in seconds. `host_id` is needed with
        several hosts.
        """
        await asyncio.sleep(after)
        host = self._only_host(host_id)
        pcm = np.concatenate([_as_speech(part) for part in (*speech, -(host.hearing.pause_after + 0.1))])
        await host.microphone(participant_id).hear(pcm)

    async def wait_for(
        self, kind: type[N], where: Callable[[N], bool] = lambda notice: True, *, count: int = 1
    ) -> N:
        """Wait for the `count`-th notice of this kind; past ones count."""
        while True:
            found = [n for n in self.notices if isinstance(n, kind) and where(n)]
            if len(found) >= count:
                return found[count - 1]
            self._noticed.clear()
            await self._noticed.wait()

    def commanded(self, kind: type[C], host_id: str | None = None) -> list[C]:
        """The commands (or offers) of one kind so far."""
        return [c for c in self.commands if isinstance(c, kind) and host_id in (None, c.host_id)]

    def held(self) -> list[str]:
        """Ids of the speeches that are held or prepared."""
        return [speech.speech_id for speech in self._speeches() if speech.held]

    def talking(self) -> list[str]:
        """Ids of the speeches that are heard."""
        return [speech.speech_id for speech in self._speeches() if speech.sent and not speech.held]

    def _speeches(self) -> list[QueuedSpeech]:
        voices = (voice for host in self.engine.hosts.values() for voice in host.voices.values())
        return [speech for voice in voices for speech in voice._speeches]

    def lose_peer(self, peer_id: str, reason: str = "ICE failed", host_id: str | None = None) -> None:
        """Make the connections of a person fail."""
        self._only_host(host_id).lose_peer(peer_id, reason)

    def fail_recording(self, participant_id: str, reason: str) -> None:
        """Make the participant's newest recording fail."""
        started = [c for c in self.commanded(media.StartRecording) if c.participant_id == participant_id][-1]
        self.engine.notify(media.RecordingFailed(started.host_id, participant_id, started.path, reason))

    def die(self, reason: str = "killed") -> None:
        """Let the worker die with every connection and playout; a new one gets the hosts and agents."""
        for host_id, host in list(self.engine.hosts.items()):
            agents = list(host.voices)
            cast(_FakeHost, host).hang_up()
            del self.engine.hosts[host_id]
            self.engine.carry_out(media.OpenHost(host_id, host.hearing))
            for agent_id in agents:
                self.engine.carry_out(media.AddAgentTrack(host_id, agent_id))
        self.engine.notify(media.MediaGone(reason))

    # ------------------------------------------------------------ MediaPlane

    async def start(self, on_notice: OnNotice) -> None:
        def noticed(notice: Notice) -> None:
            if isinstance(notice, media.MediaStats):  # it depends on the machine
                return
            self.notices.append(notice)
            on_notice(notice)
            self._noticed.set()

        await super().start(noticed)

    def send(self, command: Command) -> None:
        self.commands.append(command)
        if not isinstance(command, media.StartRecording | media.StopRecording):  # there are no packets
            super().send(command)

    async def answer(self, offer: PeerOffer) -> Answer:
        self.commands.append(offer)
        return await super().answer(offer)

    def _only_host(self, host_id: str | None) -> _FakeHost:
        hosts = self.engine.hosts
        name = host_id or next(iter(hosts), "")
        if name not in hosts or (host_id is None and len(hosts) != 1):
            raise ValueError(f"Say which host: there are {sorted(hosts)}.")
        return cast(_FakeHost, hosts[name])


class _FakeHost(Host):
    def __init__(
        self, plane: FakeMediaPlane, context: HostContext, host_id: str, hearing: media.HearingSettings
    ) -> None:
        super().__init__(context, host_id, hearing)
        self._plane = plane

    def microphone(self, participant_id: str) -> _FakeMicrophone:
        """The microphone of a participant, who need not be connected."""
        self._listen(self._links.setdefault(participant_id, Link()), participant_id)
        return cast(_FakeMicrophone, self.microphones[participant_id])

    def hang_up(self) -> None:
        """End all speech of people and agents, as when a worker dies."""
        for participant_id in list(self.microphones):
            self._drop_microphone(participant_id)
        for agent_id in list(self.voices):
            self.remove_agent(agent_id)

    def lose_peer(self, peer_id: str, reason: str) -> None:
        link = self._links.get(peer_id)
        for connection in list(link.connections.values()) if link is not None else ():
            cast(_FakePeer, connection.peer).change(ConnectionChange("failed", reason))

    def _new_peer(self, servers: Sequence[IceServer], on_audio: OnAudio, on_change: OnChange) -> Peer:
        return cast(Peer, _FakePeer(self._plane, on_change))

    def _new_microphone(self, utterances: Utterances, on_packet: OnPacket) -> InboundAudio:
        return cast(InboundAudio, _FakeMicrophone(utterances, self._clock))


class _FakePeer:
    """The part of `voicebot.rtc.peer.Peer` that a host uses. It connects at once."""

    tap = None

    def __init__(self, plane: FakeMediaPlane, on_change: OnChange) -> None:
        self._plane, self._on_change = plane, on_change
        self.state = "new"
        self.mic_mid = ""
        self.outbound: dict[str, Any] = {}

    async def answer(self, sdp: str, mics: Sequence[str], agents: Sequence[str]) -> str:
        if self._plane.refuse_answers:
            raise MediaError(self._plane.refuse_answers)
        self.mic_mid = next(iter(mics), "")
        if self.state == "new":
            self.change(ConnectionChange("connecting"))
            if self._plane.connects:
                connected = ConnectionChange("connected", local="host", remote="host")
                asyncio.get_running_loop().call_soon(self.change, connected)
        return f"answer to {sdp}"

    def add_candidate(self, text: str, sdp_mid: str | None, index: int | None) -> None: ...

    def abandon(self) -> None:
        self.state = "closed"

    async def close(self) -> None:
        self.change(ConnectionChange("closed"))

    def change(self, change: ConnectionChange) -> None:
        if self.state not in ("failed", "closed"):
            self.state = change.state
            self._on_change(change)


class _FakeMicrophone:
    """The part of `InboundAudio` that a host uses, with samples instead of packets."""

    def __init__(self, utterances: Utterances, clock: Clock) -> None:
        self.utterances, self._clock = utterances, clock
        self._vad = LoudnessVAD()
        self._sounding = 0

    async def hear(self, pcm: Pcm) -> None:
        """Hear mono int16 at 16 kHz from now on; returns when the last sample is over."""
        begin = self._clock()
        windows = np.concatenate([pcm, np.zeros(-len(pcm) % VAD_WINDOW, np.int16)]).reshape(-1, VAD_WINDOW)
        if not self._sounding:
            self.utterances.lapse()  # there was no audio since the last call
        self._sounding += 1
        try:
            for n, window in enumerate(windows):
                end = begin + (n + 1) * WINDOW_SECONDS
                await asyncio.sleep(end - self._clock())
                self.utterances.window(
                    end - WINDOW_SECONDS, window, energies(window), self._vad.probability(window)
                )
                if self.utterances.waiting:
                    self.utterances.heard(end, window[:0])
        finally:
            self._sounding -= 1
        await asyncio.sleep(0)  # the last notices arrive in the next iteration of the loop

    def await_silence(self, until: float) -> None:
        self.utterances.await_silence(until)
        loop = asyncio.get_running_loop()
        loop.call_at(max(until, loop.time()), lambda: self.idle(self._clock()))

    def idle(self, now: float) -> None:
        if not self._sounding:
            self.utterances.absent(now)

    def close(self) -> None:
        self.utterances.close()


def _as_speech(said: float | NDArray[np.int16]) -> NDArray[np.int16]:
    """Mono int16 at 16 kHz: the given samples, a tone of so many seconds, or silence if negative."""
    if isinstance(said, np.ndarray):
        return said.astype(np.int16, copy=False)
    time = np.arange(round(abs(said) * HEARING_RATE))
    if said < 0:
        return np.zeros(len(time), np.int16)
    return (6000 * np.sin(2 * np.pi * 150 * time / HEARING_RATE)).astype(np.int16)
