"""Everything that can happen in a conversation, as typed and timed events.

Events are frozen. The code that causes an event builds it without `seq`, `t` and `conversation_id`, and
passes it to an `Emit`. The log stamps and returns it; later events may refer to its `seq` as their
`cause_seq`. A moment in the past (of the media process) is passed as `t`. All times are in seconds since
the conversation began. Audio frames are never events.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, Union

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter

from voicebot.redaction import redacted

SCHEMA_VERSION = 1
SAMPLE_RATE = 16_000
"""The rate in Hz of all `sample` indices."""

AgentState = Literal["initializing", "idle", "listening", "thinking", "speaking"]


class Event(BaseModel):
    """The fields of all events.

    `turn_id` joins the events from a person's speech to the last word that was heard of the answer, and
    `speech_id` those of one agent's playout. `cause_seq` is the `seq` of the event that caused this one.
    """

    model_config = ConfigDict(frozen=True, extra="allow", ser_json_inf_nan="null")

    schema_version: int = SCHEMA_VERSION
    conversation_id: str = ""
    seq: int = -1
    type: str
    t: float = -1.0
    participant_id: str | None = None
    turn_id: str | None = None
    speech_id: str | None = None
    cause_seq: int | None = None
    sample: int | None = None


class Word(BaseModel):
    """A word of a transcript, with times in seconds since the conversation began."""

    model_config = ConfigDict(frozen=True)

    text: str
    start: float
    end: float
    confidence: float | None = None


# ---------------------------------------------------------------- conversation, people, models


class ConversationStarted(Event):
    """A conversation has begun."""

    type: Literal["conversation.started"] = "conversation.started"
    wall_clock: str
    """The time of t = 0, in ISO 8601 and UTC."""
    lobby_id: str
    lobby_name: str = ""


class ConversationEnded(Event):
    """A conversation has ended."""

    type: Literal["conversation.ended"] = "conversation.ended"
    reason: str = ""


class ParticipantJoined(Event):
    """A person or an agent has joined the lobby."""

    type: Literal["participant.joined"] = "participant.joined"
    name: str
    kind: Literal["human", "agent"]
    persona_hash: str | None = None


class ParticipantLeft(Event):
    """A person or an agent has left the lobby."""

    type: Literal["participant.left"] = "participant.left"
    reason: str = "left"


class ParticipantUpdateEvent(Event):
    """A participant's name, role or devices have changed. `changes` has the new values by field."""

    type: Literal["participant.updated"] = "participant.updated"
    changes: dict[str, Any]


class ConsentGiven(Event):
    """A participant consents to what `scope` names."""

    type: Literal["consent.given"] = "consent.given"
    scope: str = "recording"


class ConsentWithdrawn(Event):
    """A participant withdraws their consent to what `scope` names."""

    type: Literal["consent.withdrawn"] = "consent.withdrawn"
    scope: str = "recording"


class PersonaCreated(Event):
    """An agent has got its persona. `persona` is the result of `Persona.as_dict`."""

    type: Literal["persona.created"] = "persona.created"
    persona: dict[str, Any]
    persona_hash: str


class PersonaUpdated(Event):
    """An agent's persona has changed. `persona` is the result of `Persona.as_dict`."""

    type: Literal["persona.updated"] = "persona.updated"
    persona: dict[str, Any]
    persona_hash: str


class ModelSwapped(Event):
    """A role now uses another model. `old` and `new` have the form "provider:model"."""

    type: Literal["model.swapped"] = "model.swapped"
    role: Literal["stt", "tts", "llm", "vad"]
    old: str
    new: str


# ---------------------------------------------------------------- hearing


class SpeechStarted(Event):
    """The voice activity detector heard a person begin to speak, or continue after a pause."""

    type: Literal["vad.speech_started"] = "vad.speech_started"


class SpeechStopped(Event):
    """The voice activity detector heard a person pause or stop."""

    type: Literal["vad.speech_stopped"] = "vad.speech_stopped"
    duration_s: float
    """Seconds of speech, without the silence after it. `t` is the end of the speech."""


class TranscriptInterim(Event):
    """The text of an utterance so far, which may still change."""

    type: Literal["transcript.interim"] = "transcript.interim"
    utterance_id: str
    text: str
    start_t: float = 0.0
    """Start of the utterance."""


class TranscriptFinal(Event):
    """The final text of a person's utterance, or what was heard of an agent's speech."""

    type: Literal["transcript.final"] = "transcript.final"
    utterance_id: str
    text: str
    words: list[Word] = []
    language: str = ""
    stt_model: str = ""
    start_t: float = 0.0
    end_t: float = 0.0
    """The last speech sample. `start_t` is the first one."""
    interrupted: bool = False
    """Agents only: somebody interrupted, and `text` is what was heard until then."""


class EndpointPredicted(Event):
    """Predicts how much silence will end this turn. A later prediction replaces it."""

    type: Literal["endpoint.predicted"] = "endpoint.predicted"
    delay_s: float
    """Seconds from the last speech sample."""
    reason: str = ""
    text: str = ""
    """The interim transcript behind the prediction."""
    probability: float | None = None
    """A learned model's probability that the turn is complete; None without such a model."""


class EndpointConfirmed(Event):
    """The silence lasted, so the turn is over."""

    type: Literal["endpoint.confirmed"] = "endpoint.confirmed"
    delay_s: float
    """Seconds from the last speech sample to this event."""
    reason: str = ""
    text: str = ""
    probability: float | None = None


class EndpointCancelled(Event):
    """The person continued, so the turn is not over."""

    type: Literal["endpoint.cancelled"] = "endpoint.cancelled"
    delay_s: float
    """Length of the pause in seconds."""
    reason: str = ""
    text: str = ""
    probability: float | None = None


# ---------------------------------------------------------------- the floor


class FloorRequested(Event):
    """An agent asks for the floor."""

    type: Literal["floor.requested"] = "floor.requested"


class FloorGranted(Event):
    """An agent gets the floor."""

    type: Literal["floor.granted"] = "floor.granted"


class FloorReleased(Event):
    """An agent gives the floor back."""

    type: Literal["floor.released"] = "floor.released"


class FloorDenied(Event):
    """An agent does not get the floor, for this `reason`."""

    type: Literal["floor.denied"] = "floor.denied"
    reason: str = ""


class AddresseeDecided(Event):
    """The agents that are to answer a person's words: `participant_ids`, in this order."""

    type: Literal["addressee.decided"] = "addressee.decided"
    participant_ids: list[str]
    confidence: float
    reason: str = ""


class AgentStateEvent(Event):
    """An agent has changed its state."""

    type: Literal["agent.state"] = "agent.state"
    state: AgentState


# ---------------------------------------------------------------- thinking


class LLMStarted(Event):
    """A language model has been asked for an answer."""

    type: Literal["llm.started"] = "llm.started"
    model: str


class LLMFirstToken(Event):
    """A language model has written the first text of an answer."""

    type: Literal["llm.first_token"] = "llm.first_token"
    model: str


class LLMFirstSentence(Event):
    """A language model has written the first sentence that can be spoken."""

    type: Literal["llm.first_sentence"] = "llm.first_sentence"
    model: str


class LLMFinished(Event):
    """A language model has finished an answer, or was cancelled."""

    type: Literal["llm.finished"] = "llm.finished"
    model: str
    tokens_in: int | None = None
    tokens_out: int | None = None
    text: str = ""
    cancelled: bool = False


class ToolCalled(Event):
    """A language model has called a tool. `arguments` is the model's JSON."""

    type: Literal["tool.called"] = "tool.called"
    name: str
    arguments: str = ""


class ToolReturned(Event):
    """A tool has returned its result to the language model."""

    type: Literal["tool.returned"] = "tool.returned"
    name: str
    result: str = ""


class Handoff(Event):
    """An agent passes its turn to another, which answers the same utterances under the same `turn_id`."""

    type: Literal["handoff"] = "handoff"
    to_participant_id: str
    reason: str = ""
    utterance_ids: list[str] = []
    """The utterances to answer."""


# ---------------------------------------------------------------- speaking


class TTSStarted(Event):
    """The synthesis of one sentence has begun."""

    type: Literal["tts.started"] = "tts.started"
    model: str
    characters: int


class TTSFirstAudio(Event):
    """The synthesis of one sentence has yielded its first audio."""

    type: Literal["tts.first_audio"] = "tts.first_audio"
    model: str


class TTSFinished(Event):
    """The synthesis of one sentence has ended, with `audio_s` seconds of audio."""

    type: Literal["tts.finished"] = "tts.finished"
    model: str
    characters: int
    audio_s: float = 0.0
    cancelled: bool = False


class PlayoutStarted(Event):
    """Playout began. `t` is when the first audible sample was sent."""

    type: Literal["playout.started"] = "playout.started"


class PlayoutSentence(Event):
    """The playout of one sentence of a speech has begun."""

    type: Literal["playout.sentence"] = "playout.sentence"
    index: int
    text: str
    """The sentence whose first sample was just sent."""


class PlayoutFinished(Event):
    """A speech was played to its end."""

    type: Literal["playout.finished"] = "playout.finished"
    planned_text: str
    heard_text: str
    heard_until_s: float
    """Seconds of audio that were sent."""


class PlayoutInterrupted(Event):
    """A speech was stopped before its end. The fields are those of `PlayoutFinished`."""

    type: Literal["playout.interrupted"] = "playout.interrupted"
    planned_text: str
    heard_text: str
    heard_until_s: float


class InterruptionDetected(Event):
    """A person (`participant_id`) talks over an agent (`speech_id`), whose speech is held.

    `PlayoutInterrupted` follows if it was an interruption. If not, `InterruptionBackchannel` or
    `InterruptionFalse` follows, and then `InterruptionResumed`.
    """

    type: Literal["interruption.detected"] = "interruption.detected"


class InterruptionFalse(Event):
    """No word was recognised in the sound over an agent, so the agent continues."""

    type: Literal["interruption.false"] = "interruption.false"


class InterruptionResumed(Event):
    """The agent's speech continues with the sample at which it was held."""

    type: Literal["interruption.resumed"] = "interruption.resumed"


class InterruptionBackchannel(Event):
    """The words over an agent only meant "I am listening", so the agent continues."""

    type: Literal["interruption.backchannel"] = "interruption.backchannel"
    text: str = ""


class EchoIgnored(Event):
    """An agent's own voice came back through a person's loudspeaker. Nobody answers it."""

    type: Literal["echo.ignored"] = "echo.ignored"
    text: str
    """The transcript of the echo."""
    similarity: float
    """Similarity to the agent's words, from 0 to 1."""


# ---------------------------------------------------------------- working ahead


class SpeculationStarted(Event):
    """An agent prepares an answer during the first short pause. Nobody hears it yet."""

    type: Literal["speculation.started"] = "speculation.started"
    text: str
    """The interim transcript that it answers."""


class SpeculationCommitted(Event):
    """The turn ended as expected, so the prepared answer is used."""

    type: Literal["speculation.committed"] = "speculation.committed"


class SpeculationCancelled(Event):
    """The prepared answer is discarded. The fields say what it cost."""

    type: Literal["speculation.cancelled"] = "speculation.cancelled"
    reason: str
    seconds: float
    """Seconds since it began."""
    written: int = 0
    """Characters from the language model."""
    characters: int = 0
    """Characters passed to text to speech."""
    audio_s: float = 0.0
    """Seconds of audio that nobody heard."""


class ContextSummarised(Event):
    """A summary replaced the oldest lines of an agent's memory."""

    type: Literal["context.summarised"] = "context.summarised"
    lines: int
    """Number of lines that the summary replaces."""
    tokens_before: int
    tokens_after: int
    """The estimated size of the whole memory after the summary, in tokens."""


# ---------------------------------------------------------------- the rest


class UserChat(Event):
    """A person has written a chat message."""

    type: Literal["user.chat"] = "user.chat"
    text: str


class ModerationEvent(Event):
    """A host has done something to the participant `target_id`, or to the lobby if that is None.

    `participant_id` is the host, or None for the operator of the server.
    """

    type: Literal["moderation"] = "moderation"
    action: str
    target_id: str | None = None
    reason: str = ""


class ConnectionState(Event):
    """The state of the WebRTC connection between `participant_id` and `peer` has changed."""

    type: Literal["connection.state"] = "connection.state"
    peer: str
    epoch: int
    state: str
    ice: dict[str, Any] = {}
    """The types of the selected candidate pair (`local`, `remote`), and whether either is a `relay`."""
    reason: str = ""
    """The reason for a failure, for people to read."""


class LatencyMeasured(Event):
    """The latency of one agent turn, in seconds. The parts and `unaccounted` add up to `e2e_latency`.

    The names are those of LiveKit Agents' metrics. `e2e_latency` is measured on the tracks, from the last
    speech sample received to the first audible sample sent. Leave a turn with `cancelled` out of averages.
    """

    type: Literal["latency"] = "latency"
    end_of_turn_delay: float | None = None
    """From the person's last speech sample to the end of the turn."""
    transcription_delay: float | None = None
    """From the end of the turn to the final transcript; 0 if that was ready before."""
    on_user_turn_completed_delay: float | None = None
    """Until the language model was asked, or until an answer that was prepared ahead was committed."""
    llm_node_ttft: float | None = None
    """From the request to the language model's first token."""
    llm_node_ttfs: float | None = None
    """From the first token to the first sentence that can be spoken."""
    tts_node_ttfb: float | None = None
    """From the start of synthesis to the first audio."""
    playback_latency: float | None = None
    """From the first audio to the first audible sample that was sent."""
    unaccounted: float | None = None
    """The time between the parts above."""
    e2e_latency: float | None = None
    cancelled: bool = False
    """Whether the answer was cancelled before anybody heard it."""


class LoopStall(Event):
    """The event loop of the control plane was blocked for `seconds`, for example by a notebook cell."""

    type: Literal["loop_stall"] = "loop_stall"
    seconds: float
    where: str = ""
    """The blocking code as `file:line function`; empty if unknown."""


class ErrorEvent(Event):
    """Something has failed. Programs read the stable `code`."""

    type: Literal["error"] = "error"
    code: str
    message: Annotated[str, AfterValidator(redacted)]
    """What happened. Secrets of this process are removed, even from errors of libraries."""
    retryable: bool = False


EVENT_TYPES: tuple[type[Event], ...] = tuple(Event.__subclasses__())
"""All classes of events: the subclasses of `Event` above."""

any_event: TypeAdapter[Event] = TypeAdapter(
    Annotated[Union[EVENT_TYPES], Field(discriminator="type")]  # type: ignore[arg-type]  # noqa: UP007
)
"""Reads an event of any class. Raises ValidationError for an unknown type."""

Emit = Callable[[Event], Event]
"""Stamps and appends an event, and returns the stamped one. Never blocks and never raises."""
