"""The media plane: everything that must never wait for Python code in a notebook cell.

It owns the WebRTC connections of agent hosts, Opus, pacing, VAD, barge-in and raw recording. The
control plane sends commands and gets notices, in order, through one callback on its own loop. All
times are `voicebot.clock.monotonic` seconds, which the control plane turns into conversation time.

It has two forms: `voicebot.media.process.plane.ProcessMediaPlane` (a worker process behind a
socketpair) and `voicebot.media.inline.InlineMediaPlane` (the same engine on the caller's loop, for
tests).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from voicebot.signaling.messages import IceServer

# ---------------------------------------------------------------- settings and small values

HOLD_LIMIT = 10.0
"""Seconds that a speech is held before it is dropped, because a cell may block the control plane."""


@dataclass(frozen=True)
class HearingSettings:
    """How a person's audio is divided into utterances: probabilities from 0 to 1, and times in seconds."""

    speech_threshold: float = 0.5
    silence_threshold: float = 0.35
    start_after: float = 0.064
    """Speech before `VoiceActivityStarted`. Shorter sounds are ignored."""
    pause_after: float = 0.1
    """Silence before `VoiceActivityStopped`: the first short pause, which need not end the turn."""
    interrupt_after: float = 0.2
    """Speech over a talking agent before it is held (`PlayoutHeld`)."""
    utterance_pause: float = 0.5
    """Silence that ends an utterance for the limit below."""
    max_utterance: float = 30.0
    """Length of an utterance (a television, for example) after which it no longer holds an agent."""
    preroll: float = 0.4
    """Audio before the detected start that is handed over, too."""


# ---------------------------------------------------------------- what messages are about


@dataclass(frozen=True)
class _OfHost:
    host_id: str


@dataclass(frozen=True)
class _OfPeer(_OfHost):
    peer_id: str


@dataclass(frozen=True)
class _OfParticipant(_OfHost):
    participant_id: str


@dataclass(frozen=True)
class _OfAgent(_OfHost):
    agent_id: str


@dataclass(frozen=True)
class _OfSpeech(_OfAgent):
    speech_id: str


# ---------------------------------------------------------------- notices (media -> control)


@dataclass(frozen=True)
class PeerState(_OfPeer):
    """A connection changed. `failed` has a reason for people.

    There are no notices of an epoch after a larger one is connected.
    """

    epoch: int
    state: Literal["connecting", "connected", "failed", "closed"]
    local: str | None = None
    remote: str | None = None
    """Candidate types of the selected pair (host, srflx, prflx or relay), once connected."""
    reason: str = ""


@dataclass(frozen=True)
class VoiceActivityStarted(_OfParticipant):
    """A person began to speak, or continued after a pause. It cancels an `AwaitSilence`.

    `time` is that of the first speech sample; the notice comes later.
    """

    time: float


@dataclass(frozen=True)
class SpeechAudio(_OfParticipant):
    """Audio of an utterance, in order, with pre-roll and trailing silence.

    `pcm` is mono int16 at 16 kHz, shape (n,); `time` is that of its first sample.
    """

    time: float
    pcm: NDArray[np.int16]


@dataclass(frozen=True)
class VoiceActivityStopped(_OfParticipant):
    """A person paused. The last audible speech sample was at `time`; the notice comes `pause_after` later."""

    time: float


@dataclass(frozen=True)
class SilenceReached(_OfParticipant):
    """A person was silent up to `time`, which is the `until` of the `AwaitSilence`."""

    time: float
    probability: float | None = None
    """The mean speech probability of the last tenth of a second. A high one makes the silence doubtful."""


@dataclass(frozen=True)
class PlayoutAudible(_OfSpeech):
    """The first audible sample of a speech was sent at `time`. Silence before it does not count."""

    time: float


@dataclass(frozen=True)
class PlayoutMark(_OfSpeech):
    """The first sample of piece `index` was sent at `time`."""

    index: int
    time: float


@dataclass(frozen=True)
class PlayoutEnded(_OfSpeech):
    """A speech has ended.

    `played` seconds of its audio were sent. `pieces` maps the index of each piece that began to its
    (seconds played, seconds queued). `complete` is False if the speech was stopped before its end.
    """

    time: float
    played: float
    pieces: Mapping[int, tuple[float, float]]
    complete: bool

    @classmethod
    def unheard(cls, speech: _OfSpeech, time: float) -> PlayoutEnded:
        """The end of a speech that has no agent or no worker."""
        return cls(speech.host_id, speech.agent_id, speech.speech_id, time, 0.0, {}, complete=False)


@dataclass(frozen=True)
class PlayoutHeld(_OfSpeech):
    """The person `by` has talked over this speech for `interrupt_after`, so it is held.

    `ResumeSpeech` continues it; `StopSpeech`, or `HOLD_LIMIT` seconds without either, stops it. `played`
    and `pieces` are as in `PlayoutEnded`. Each hold gives one notice for every speech of the agent.
    """

    time: float
    played: float
    pieces: Mapping[int, tuple[float, float]]
    by: str


@dataclass(frozen=True)
class PlayoutResumed(_OfSpeech):
    """A speech that was held for a person continues with the sample sent at `time`."""

    time: float


@dataclass(frozen=True)
class MediaStats:
    """Figures of the media plane, sent every few seconds."""

    cpu_seconds: float
    """CPU time of the process since it began."""
    peers: int
    late_frames: int
    lost_packets: int
    queued_seconds: float = 0.0
    """Agents' audio that is not sent yet."""
    queued_bytes: int = 0
    """Commands that the worker has not read yet."""
    stalls: int = 0
    """How often the loop was blocked for a while; `stall_seconds` is the total time."""
    stall_seconds: float = 0.0
    echo_seconds: float = 0.0
    """Agents' voices that came back through people's loudspeakers."""


@dataclass(frozen=True)
class RecordingFailed(_OfParticipant):
    """The recording of a participant ended, for example because the disk is full. The others continue."""

    path: Path
    reason: str


@dataclass(frozen=True)
class MediaGone:
    """The worker died with all its connections, and a new one is started.

    The speeches and utterances were reported as ended just before. The new worker gets the hosts, agents
    and recordings again, so browsers only have to offer again with a larger epoch.
    """

    reason: str


Notice = (
    PeerState
    | VoiceActivityStarted
    | SpeechAudio
    | VoiceActivityStopped
    | SilenceReached
    | PlayoutAudible
    | PlayoutMark
    | PlayoutHeld
    | PlayoutResumed
    | PlayoutEnded
    | MediaStats
    | RecordingFailed
    | MediaGone
)
OnNotice = Callable[[Notice], None]


# ---------------------------------------------------------------- commands (control -> media)


@dataclass(frozen=True)
class OpenHost(_OfHost):
    """Begin an agent host. Each lobby has one."""

    hearing: HearingSettings


class CloseHost(_OfHost):
    """End the connections, speeches and recordings of a host."""


@dataclass(frozen=True)
class AddIceCandidate(_OfPeer):
    """A trickled candidate; "" is end-of-candidates. Candidates of older epochs are ignored."""

    epoch: int
    candidate: str
    sdp_mid: str | None
    index: int | None


class ClosePeer(_OfPeer):
    """End a person's connections."""


@dataclass(frozen=True)
class AwaitSilence(_OfParticipant):
    """Ask for `SilenceReached` when a person has been silent up to clock time `until`.

    The notice comes once the audio up to `until` has been received; audio that is missing for long counts
    as silence. Speech before then cancels the wait (`VoiceActivityStarted` reports it),
    and a later command replaces an earlier one. The notice comes at once for a person without a
    microphone here, and when the worker dies.
    """

    until: float


class AddAgentTrack(_OfAgent):
    """Give an agent a track, which every connection can carry."""


class RemoveAgentTrack(_OfAgent):
    """End the agent's speeches and its track."""


@dataclass(frozen=True)
class QueueAudio(_OfSpeech):
    """Queue audio of piece `index` (a sentence) of a speech. The first audio begins the speech.

    `pcm` is mono int16 at `sample_rate` Hz, shape (n,). A speech that begins with `held` is only
    prepared: it is heard after `ResumeSpeech`, and the agent's other speeches pass it until then.
    """

    index: int
    pcm: NDArray[np.int16]
    sample_rate: int
    held: bool = False


class EndSpeech(_OfSpeech):
    """Mark a speech as complete. `PlayoutEnded(complete=True)` follows its last sample."""


@dataclass(frozen=True)
class HoldSpeech(_OfSpeech):
    """Hold a speech as if person `by` had talked over it. `PlayoutHeld` follows."""

    by: str


class ResumeSpeech(_OfSpeech):
    """Continue a speech with the next sample, or begin a prepared one. Ignored if it is unknown or over."""


class StopSpeech(_OfSpeech):
    """Drop the queued audio of a speech at once. `PlayoutEnded(complete=False)` follows."""


@dataclass(frozen=True)
class StartRecording(_OfParticipant):
    """Record a participant in an Ogg Opus file whose time 0 is clock time `origin`.

    Gaps become silence, and the file ends when the recording is stopped. An existing file is continued,
    which needs the same origin. `RecordingFailed` follows if the file cannot be written.
    """

    path: Path
    origin: float


class StopRecording(_OfParticipant):
    """Finish the participant's file."""


SpeechCommand = QueueAudio | EndSpeech | HoldSpeech | ResumeSpeech | StopSpeech
Command = (
    OpenHost
    | CloseHost
    | AddIceCandidate
    | ClosePeer
    | AwaitSilence
    | AddAgentTrack
    | RemoveAgentTrack
    | SpeechCommand
    | StartRecording
    | StopRecording
)


@dataclass(frozen=True)
class PeerOffer(_OfPeer):
    """A browser's SDP offer to an agent host.

    `tracks` maps each mid to a participant id: the mid of the microphone to the person, and each
    recvonly audio mid to the agent to be heard there.
    """

    epoch: int
    sdp: str
    tracks: Mapping[str, str]
    ice_servers: Sequence[IceServer] = ()


@dataclass(frozen=True)
class Answer:
    """The SDP answer of an agent host. `tracks` maps each mid to the agent who speaks on it."""

    sdp: str
    tracks: Mapping[str, str] = field(default_factory=dict)


class MediaPlane(Protocol):
    """Takes commands and gives notices."""

    async def start(self, on_notice: OnNotice) -> None:
        """Start the media plane. `on_notice` is called on the calling loop.

        Raises:
            MediaError: It has been started before, or it cannot start.
        """

    async def close(self) -> None:
        """End every connection, finish every recording and stop. Safe to call twice."""

    def abandon(self) -> None:
        """End what runs outside the loop, without waiting. For a loop that will not run again."""

    @property
    def alive(self) -> bool:
        """Whether offers can be answered now. False while a dead worker is being replaced."""

    def send(self, command: Command) -> None:
        """Queue a command. Commands are carried out in order and never raise.

        Hosts, agents and recordings can be set up before `start`.
        """

    async def answer(self, offer: PeerOffer) -> Answer:
        """Answer a browser's offer.

        A new epoch makes a new connection, which closes the older one some seconds after it is connected.
        The same epoch renegotiates on the same connection. The section of an agent that is gone or unknown
        is answered inactive and left out of `Answer.tracks`. The browser sets a transceiver that it does
        not need to inactive and never stops it, because its section could not be used again.

        Raises:
            MediaError: The offer is unusable, or the media plane is gone.
        """
