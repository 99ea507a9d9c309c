"""The agents of one lobby and its current conversation."""

from __future__ import annotations

import asyncio
import itertools
import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any

from voicebot.agent.agent import Agent
from voicebot.agent.connections import Connections
from voicebot.agent.models.models import Models, Swapped, SwapRole
from voicebot.agent.thinking.memory import Memory
from voicebot.agent.turns.context import ConversationContext
from voicebot.agent.turns.conversation import Conversation
from voicebot.agent.turns.playout import PlayoutNotice
from voicebot.clock import Clock, WallClock, monotonic, utc_now
from voicebot.conversation.log import ConversationLog, new_conversation
from voicebot.conversation.notices import FULL
from voicebot.conversation.space import Space
from voicebot.errors import ModelError, VoicebotError, one_line
from voicebot.events import (
    AgentStateEvent,
    ConversationEnded,
    ErrorEvent,
    Event,
    ModelSwapped,
    ParticipantJoined,
    ParticipantLeft,
    ParticipantUpdateEvent,
    PersonaCreated,
    UserChat,
)
from voicebot.lobby.lobby import LeaveReason, Lobby
from voicebot.media import base as media
from voicebot.media.base import HearingSettings, MediaPlane, Notice
from voicebot.persona import Persona, adapted, create_persona, renamed
from voicebot.settings import Settings
from voicebot.signaling.messages import ParticipantInfo
from voicebot.store.base import AgentRecord
from voicebot.tts.base import VoiceStyle

logger = logging.getLogger(__name__)

OnEvent = Callable[[Event], None]


class AgentSession:
    """The agents of one lobby, their agent host and the current conversation.

    A conversation begins when the first person joins and ends when the last one leaves. The agents stay for
    the next one, with an empty memory. Everything that happens is an event in the conversation's log.
    """

    def __init__(
        self,
        lobby: Lobby,
        *,
        media: MediaPlane,
        models: Models,
        settings: Settings,
        clock: Clock = monotonic,
        wall: WallClock = utc_now,
    ) -> None:
        self.lobby = lobby
        self.host_peer = lobby.host_peer
        self.log: ConversationLog | None = None
        """The log of the current or the last conversation; None before the first."""
        self._plane, self._models, self._settings = media, models, settings
        self._clock, self._wall = clock, wall
        self._agents: dict[str, Agent] = {}
        self._conversation: Conversation | None = None
        self._ending: dict[asyncio.Task[None], Conversation] = {}
        self._subscribers: list[OnEvent] = []
        self._numbers = itertools.count(1)
        self._unsubscribe: Callable[[], None] | None = None
        self.connections = Connections(media, self.host_peer)
        """The connections between people and the agent host."""
        self._space = Space()

    @property
    def agents(self) -> Mapping[str, Agent]:
        """The agents by participant id; a live, read-only view."""
        return MappingProxyType(self._agents)

    @property
    def active(self) -> bool:
        """Whether a conversation is going on."""
        return self._conversation is not None

    async def open(self) -> None:
        """Open the agent host on the media plane. Safe to call twice."""
        if self._unsubscribe is None:
            self._unsubscribe = self._models.subscribe(self._on_swapped)
            self._open_host()

    async def close(self, reason: str = "") -> None:
        """End the conversation, remove everyone and close the agent host. Safe to call twice."""
        if self._unsubscribe is None:
            return
        self._unsubscribe()
        self._unsubscribe = None
        self._end(reason or "the lobby was closed")
        while self._ending:
            await asyncio.wait(tuple(self._ending))
        for participant_id in list(self.lobby.participants):
            self.lobby.leave(participant_id, "removed")
        self._agents.clear()
        self._plane.send(media.CloseHost(self.host_peer))

    def set_space(self, space: Space) -> None:
        """Set what there is room for on the disk. The conversation logs a change."""
        self._space = space
        if self._conversation is not None:
            self._apply_space(self._conversation)

    def subscribe(self, fn: OnEvent) -> Callable[[], None]:
        """Call `fn` with every event of this lobby from now on; returns a function that ends this."""
        self._subscribers.append(fn)

        def unsubscribe() -> None:
            if fn in self._subscribers:
                self._subscribers.remove(fn)

        return unsubscribe

    # ------------------------------------------------------------ people

    def join(self, info: ParticipantInfo) -> ParticipantInfo:
        """Add a person; the first one begins a conversation. Raises what `Lobby.join` raises."""
        self._renew()
        info = self.lobby.join(info)
        if self._conversation is None:
            # this logs everybody present; a person who reconnects was greeted before the restart
            self._begin(greeted=info.presence == "reconnecting")
        else:
            self._joined(info)
        return info

    def leave(self, participant_id: str, reason: LeaveReason = "left") -> None:
        """Remove a participant. When the last person leaves, the conversation ends."""
        if participant_id not in self.lobby.participants:
            return
        if participant_id in self._agents:
            self._drop(participant_id)
            return
        if self._conversation is not None:
            self._conversation.left(participant_id)
        self.connections.left(participant_id)
        self._plane.send(media.StopRecording(self.host_peer, participant_id))
        hosts = {host.id for host in self.lobby.hosts}
        self.lobby.leave(participant_id, reason)
        self._emit(ParticipantLeft(participant_id=participant_id, reason=reason))
        for host in self.lobby.hosts:
            if host.id not in hosts:
                self._emit(ParticipantUpdateEvent(participant_id=host.id, changes={"role": "host"}))
        if not self.lobby.humans:
            self._end("everyone has left")

    def update(self, participant_id: str, /, **changes: Any) -> ParticipantInfo:
        """Change fields of a participant. Raises what `Lobby.update` raises."""
        self._renew()
        before = self.lobby.participants.get(participant_id)
        info = self.lobby.update(participant_id, **changes)
        if info != before:
            self._emit(ParticipantUpdateEvent(participant_id=participant_id, changes=changes))
        return info

    def make_host(self, participant_id: str) -> ParticipantInfo:
        """Make a person an owner of the lobby. Raises SignalingError (`unknown_participant`)."""
        before = self.lobby.participants.get(participant_id)
        info = self.lobby.make_host(participant_id, owner=True)
        if info != before:
            changes = {"role": "host", "owner": True}
            self._emit(ParticipantUpdateEvent(participant_id=participant_id, changes=changes))
        return info

    def chat(self, participant_id: str, text: str) -> None:
        """Log, remember and answer a typed line."""
        self._renew()
        event = self._emit(UserChat(participant_id=participant_id, text=text))
        if self._conversation is not None and text.strip():
            self._conversation.chat(participant_id, text, event.seq)

    # ------------------------------------------------------------ agents

    async def spawn(
        self,
        who: Persona | str,
        *,
        name: str | None = None,
        voice: VoiceStyle | str | None = None,
        id: str | None = None,
        muted: bool = False,
    ) -> Agent:
        """Add an agent, made from a persona or a one-line description.

        People see it at once, as `initializing`. It hears and speaks when the models are loaded; then this
        method returns.

        Args:
            id: The id of an agent that comes back; by default a new one.
            muted: See `mute`.

        Raises:
            VoicebotError: The description or the name is unusable.
            LobbyFullError: The lobby has no place for another agent.
        """
        taken = [agent.persona for agent in self._agents.values()]
        persona = (
            create_persona(who, name=name, voice=voice, taken=taken)
            if isinstance(who, str)
            else adapted(who, name, voice, taken)
        )
        agent = Agent(id or f"agent-{secrets.token_hex(4)}", persona, on_state=self._on_state)
        agent.muted, agent.mcp = muted, self._models.mcp
        agent.memory = Memory(self._settings.context_tokens)
        info = self.lobby.join(agent.info(self._notice(agent)))
        agent.persona = renamed(persona, info.name)
        self._agents[agent.id] = agent
        self._plane.send(media.AddAgentTrack(self.host_peer, agent.id))
        if self._conversation is not None:
            self._joined(info)
        late = bool(self.connections) and id is None  # otherwise the first person to connect is greeted
        self._wake_agents()
        await self._models.wait_until_started()
        if late and self._conversation is not None and agent.id in self._agents:
            self._conversation.greet(agent)
        return agent

    async def remove(self, agent_id: str) -> None:
        """Remove an agent. Raises VoicebotError (`not_joined`) if there is none with this id."""
        self._drop(self._agent(agent_id).id)

    def mute(self, agent_id: str, muted: bool = True) -> None:
        """Mute or unmute an agent for everyone. A muted agent hears and remembers but never speaks.

        This interrupts what it is saying; what people heard of it is remembered. Raises VoicebotError
        (`not_joined`) if there is no agent with this id.
        """
        agent = self._agent(agent_id)
        if agent.muted == muted:
            return
        agent.muted = muted
        self.update(agent_id, muted=muted)
        if self._conversation is not None and muted:
            self._conversation.muted(agent)

    def agent_records(self) -> list[AgentRecord]:
        """Return the records from which `restore` brings the same agents back."""
        return [
            AgentRecord(
                id=agent.id,
                persona=agent.persona.as_dict(),
                muted=agent.muted,
                llm=agent.llm.name if agent.llm is not None else "",
                tts=agent.tts.name if agent.tts is not None else "",
                tools=(*(tool.name for tool in agent.tools), *agent.lost_tools),
            )
            for agent in self._agents.values()
        ]

    async def restore(self, record: AgentRecord) -> Agent:
        """Bring an agent back with its id, its persona and those of its own models that still work.

        Its tools are Python code, which a record cannot hold. A warning names those it has lost.

        Raises:
            VoicebotError: The stored persona is unusable.
            LobbyFullError: The lobby has no place for another agent.
        """
        try:
            persona = Persona.model_validate(dict(record.persona))
        except ValueError as error:
            raise VoicebotError(
                f"The persona of {record.id} cannot be used: {one_line(error)}.",
                hint="Create the agent again.",
            ) from None
        agent = await self.spawn(persona, id=record.id, muted=record.muted)
        roles: list[tuple[SwapRole, str]] = [("llm", record.llm), ("tts", record.tts)]
        for role, spec in roles:
            if spec:
                try:
                    await self.swap(agent.id, role, spec)
                except VoicebotError as error:
                    logger.warning("%s uses the %s of the lobby: %s", agent.name, role.upper(), error)
        given = {tool.name for tool in agent.tools}
        agent.lost_tools = [name for name in record.tools if name not in given]
        if agent.lost_tools:
            logger.warning(
                "%s is back in lobby %s without its tools (%s). Run the code that adds them again: its"
                " @agent.tool functions and agent.use_mcp.",
                agent.name,
                self.lobby.id,
                ", ".join(agent.lost_tools),
            )
        return agent

    async def swap(self, agent_id: str, role: SwapRole, spec: str | None) -> None:
        """Give one agent its own LLM or TTS from its next turn on; None means that of the lobby.

        Raises:
            VoicebotError: There is no such agent.
            ModelError: The model cannot be used now; the old one stays.
        """
        agent = self._agent(agent_id)
        if role not in ("llm", "tts"):
            raise ModelError(
                "An agent can have its own llm and tts, but all agents share one stt.",
                hint="To change the stt of all agents, use swap of the workbench.",
            )
        backend: Any = None if spec is None else await self._models.ready(role, spec)
        if agent_id not in self._agents:
            raise VoicebotError(f"{agent.name} has left.", hint="Choose another agent.", code="not_joined")
        old = getattr(agent, role) or getattr(self._models, role)
        setattr(agent, role, backend)
        new = backend or getattr(self._models, role)
        self.lobby.update(agent_id, notice=self._notice(agent))
        self._emit(ModelSwapped(participant_id=agent_id, role=role, old=old.name, new=new.name))

    # ------------------------------------------------------------ notices

    def on_notice(self, notice: Notice) -> None:
        """Handle a notice of the media plane; those of other hosts are ignored. Never raises."""
        try:
            if isinstance(notice, media.MediaGone):
                self._on_media_gone(notice)
            elif getattr(notice, "host_id", None) != self.host_peer:
                return
            elif isinstance(notice, media.PeerState):
                self._on_peer(notice)
            elif isinstance(notice, PlayoutNotice | media.RecordingFailed):
                for conversation in (self._conversation, *self._ending.values()):
                    if conversation is not None and conversation.on_notice(notice):
                        return
            elif (
                self._conversation is not None
                and self._models.started  # before that, nothing can transcribe speech
                and getattr(notice, "participant_id", "") in self.lobby.participants
            ):
                self._conversation.on_notice(notice)
        except Exception as error:  # one bad notice must not stop the next ones
            logger.exception("A notice of the media plane could not be handled: %r", notice)
            message = f"Something went wrong in the lobby: {one_line(error)}. The log of the server has more."
            self._emit(ErrorEvent(code="internal", message=message))

    # ------------------------------------------------------------ inside

    def _begin(self, *, greeted: bool, remembering: bool = False) -> None:
        """Begin a conversation; with `remembering` it continues one that had become too long."""
        log = new_conversation(
            self._settings.data_dir,
            self.lobby.id,
            self.lobby.name,
            settings=self._settings,
            models={role: choice.spec for role, choice in self._models.chosen.items()},
            seeds={agent.id: agent.persona.voice.seed for agent in self._agents.values()},
            clock=self._clock,
            wall=self._wall,
        )
        log.subscribe(self._publish, replay=True)
        log.subscribe(partial(self._watch_length, asyncio.get_running_loop(), log))
        self.log = log
        if not remembering:
            for agent in self._agents.values():
                agent.memory = Memory(self._settings.context_tokens)
        context = ConversationContext(
            self.lobby,
            log,
            self.agents,
            self._plane,
            self._models,
            self._settings,
            self._clock,
            self._new_id,
        )
        self._conversation = Conversation(context, greeted=greeted)
        self._apply_space(self._conversation)
        for info in self.lobby.participants.values():
            self._joined(info)

    def _apply_space(self, conversation: Conversation) -> None:
        conversation.log.hold(not self._space.events)
        problem = "" if self._space.recordings else self._space.problem
        conversation.recordings.hold(problem, self.lobby.participants)

    def _renew(self) -> None:
        """Replace a conversation that has become too long, in a quiet moment if there is one in time.

        Everybody stays, and agents keep their memory.
        """
        conversation, before = self._conversation, self.log
        if conversation is None or before is None or not (reason := before.full):
            return
        if not (conversation.quiet or before.overdue):
            return
        self._end(f"{reason} The next conversation has begun.")
        self._begin(greeted=True, remembering=True)
        message = f"The conversation {before.conversation_id} has ended, and a new one begins. {reason}"
        self._emit(ErrorEvent(code=FULL, message=message, retryable=True))
        for participant_id in self.connections.connected:
            if self._conversation is not None and participant_id in self.lobby.participants:
                self._conversation.connected(participant_id)

    def _end(self, reason: str) -> None:
        conversation, self._conversation = self._conversation, None
        if conversation is None:
            return
        for participant_id in self.lobby.participants:
            self._plane.send(media.StopRecording(self.host_peer, participant_id))
        for agent in self._agents.values():
            agent.set_state("idle")
        task = asyncio.get_running_loop().create_task(
            self._wind_up(conversation, reason), name=f"end of {conversation.log.conversation_id}"
        )
        self._ending[task] = conversation
        task.add_done_callback(lambda done: self._ending.pop(done, None))

    async def _wind_up(self, conversation: Conversation, reason: str) -> None:
        """Close an ended conversation after its last words are logged."""
        try:
            await conversation.close()
        except Exception:
            logger.exception("A conversation of lobby %s failed to close", self.lobby.id)
        conversation.log.emit(ConversationEnded(reason=reason))
        if not await asyncio.to_thread(conversation.log.close):
            logger.error("The last events of %s could not be written.", conversation.log.conversation_id)

    def _joined(self, info: ParticipantInfo) -> None:
        agent = self._agents.get(info.id)
        persona = agent.persona if agent is not None else None
        self._emit(
            ParticipantJoined(
                participant_id=info.id,
                name=info.name,
                kind=info.kind,
                persona_hash=persona.hash if persona else None,
            )
        )
        if persona is not None:
            self._emit(
                PersonaCreated(participant_id=info.id, persona=persona.as_dict(), persona_hash=persona.hash)
            )
        if self._conversation is not None:
            self._conversation.recordings.start(info.id)

    def _agent(self, agent_id: str) -> Agent:
        agent = self._agents.get(agent_id)
        if agent is None:
            raise VoicebotError(
                f"There is no agent {agent_id!r} in this lobby.",
                hint="It may have left. Choose another agent.",
                code="not_joined",
            )
        return agent

    def _drop(self, agent_id: str) -> None:
        if self._conversation is not None:
            self._conversation.left(agent_id)
        del self._agents[agent_id]
        self._plane.send(media.StopRecording(self.host_peer, agent_id))
        self._plane.send(media.RemoveAgentTrack(self.host_peer, agent_id))
        self.lobby.leave(agent_id, "removed")
        self._emit(ParticipantLeft(participant_id=agent_id, reason="removed"))

    def _open_host(self) -> None:
        hearing = HearingSettings(
            interrupt_after=self._settings.interrupt_after,
            utterance_pause=self._settings.endpoint_delay,
            max_utterance=self._settings.max_utterance,
        )
        # a pause is noticed after pause_after, so that must not be longer than the delay of the endpoint
        hearing = replace(hearing, pause_after=min(hearing.pause_after, self._settings.endpoint_delay))
        self._plane.send(media.OpenHost(self.host_peer, hearing))

    def _on_peer(self, notice: media.PeerState) -> None:
        self._emit(self.connections.event(notice))
        if notice.peer_id not in self.lobby.participants:
            return
        connected = self.connections.follow(notice)
        if self._conversation is not None and connected is not None:
            if connected:
                self._conversation.connected(notice.peer_id)
            else:
                self._conversation.connection_lost(notice.peer_id)

    def _on_media_gone(self, notice: media.MediaGone) -> None:
        self.connections.media_gone()
        self._emit(
            ErrorEvent(
                code="media",
                message=f"The media process stopped and is being restarted: {notice.reason}",
                retryable=True,
            )
        )
        if self._conversation is not None:
            self._conversation.media_gone()  # the media plane sets up hosts, agents and recordings again

    def _on_state(self, agent: Agent) -> None:
        if agent.id in self._agents:
            self.lobby.update(agent.id, state=agent.state)
            self._emit(AgentStateEvent(participant_id=agent.id, state=agent.state))

    def _on_swapped(self, swapped: Swapped) -> None:
        self._emit(ModelSwapped(role=swapped.role, old=swapped.old, new=swapped.new))
        if swapped.role == "llm":
            for agent in self._agents.values():
                self.lobby.update(agent.id, notice=self._notice(agent))
        self._wake_agents()

    def _wake_agents(self) -> None:
        """Make the agents ready when a model for each role is loaded."""
        waiting = [agent for agent in self._agents.values() if not agent.ready]
        if not waiting or not self._models.started:
            return
        for agent in waiting:
            agent.ready = True
            agent.set_state("idle")
        if self._conversation is not None:
            self._conversation.ready()

    def _notice(self, agent: Agent) -> str:
        llm = agent.llm
        if llm is None and "llm" in self._models.chosen:
            llm = self._models.llm
        return llm.notice if llm is not None else ""

    def _emit(self, event: Event) -> Event:
        """Log an event of the current conversation; without one it is dropped."""
        return self.log.emit(event) if self._conversation is not None and self.log is not None else event

    def _publish(self, event: Event) -> None:
        for fn in list(self._subscribers):
            try:
                fn(event)
            except Exception:  # an observer never breaks a conversation
                logger.exception("An observer of lobby %s failed on %s", self.lobby.id, event.type)

    def _watch_length(self, loop: asyncio.AbstractEventLoop, log: ConversationLog, event: Event) -> None:
        """Events come from any thread, in the middle of anything, so the loop renews the conversation."""
        if log is self.log and log.full and not loop.is_closed():
            loop.call_soon_threadsafe(self._renew)

    def _new_id(self, what: str) -> str:
        """An id that is unique in this session, because the media plane tells speeches apart by it."""
        return f"{what}-{next(self._numbers)}"
