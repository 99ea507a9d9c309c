"""The HTTP side: sessions, lobbies, their agents, ICE servers, and the client's files."""

from __future__ import annotations

import logging
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from voicebot import logs
from voicebot.agent.models import SwapRole
from voicebot.errors import SignalingError, UnknownModel, VoicebotError
from voicebot.server.floods import address_of
from voicebot.server.served_lobby import ServedLobby
from voicebot.server.services import Services, services
from voicebot.server.sessions import Browser
from voicebot.signaling.messages import (
    AgentCreateData,
    IceServersData,
    LobbyInfo,
    LobbySettings,
    Name,
    ParticipantInfo,
    Slug,
)
from voicebot.version import __version__

logger = logging.getLogger(__name__)

api = APIRouter(prefix="/api")
pages = APIRouter()


class Body(BaseModel):
    """Base of what is sent and answered."""

    model_config = ConfigDict(extra="forbid", strict=True)


class SessionCreated(Body):
    session: str
    """The session's public handle."""
    version: str


class LobbyWish(Body):
    name: Name
    slug: Slug | None = None
    settings: LobbySettings = LobbySettings(private=True)


class LobbyDetails(Body):
    lobby: LobbyInfo
    people: int
    agents: int


class AgentChanges(Body):
    """What to change of an agent. People are heard once for all agents, so `stt` is everyone's."""

    stt: Annotated[str, Field(max_length=200)] | None = None
    tts: Annotated[str, Field(max_length=200)] | None = None
    llm: Annotated[str, Field(max_length=200)] | None = None


Wired = Annotated[Services, Depends(services)]


async def browser(request: Request, wired: Wired) -> Browser:
    """The caller's browser. Raises SignalingError (`no_session`)."""
    found = await wired.sessions.valid(wired.cookie.read(request))
    if found is None:
        raise SignalingError("There is no session.", hint="POST /api/session first.", code="no_session")
    logs.bind(session=found.session.handle)
    return found


Caller = Annotated[Browser, Depends(browser)]


async def joined(lobby_id: str, caller: Caller, wired: Wired) -> ServedLobby:
    """The lobby the caller sits in; a lobby of others is as good as none."""
    if caller.seat is None or caller.seat.lobby.lobby.id != lobby_id:
        raise SignalingError(
            "There is no such lobby, or you are not in it.", hint="Join it first.", code="unknown_lobby"
        )
    return caller.seat.lobby


Joined = Annotated[ServedLobby, Depends(joined)]


@api.post("/session")
async def create_session(request: Request, response: Response, wired: Wired) -> SessionCreated:
    """Give this browser a session, or confirm the one it has; its cookie is renewed now and then."""
    secret = wired.cookie.read(request)
    if await wired.sessions.valid(secret) is None:
        wired.drain.admit()
        wired.floods.session(address_of(request))
    found, renewed = await wired.sessions.admit(secret)
    if renewed is not None:
        wired.cookie.write(request, response, renewed, found.session.expires - wired.clock())
    response.headers["Cache-Control"] = "no-store"
    return SessionCreated(session=found.session.handle, version=__version__)


@api.post("/lobbies", status_code=201)
async def create_lobby(wish: LobbyWish, request: Request, caller: Caller, wired: Wired) -> LobbyInfo:
    """Make a lobby; whoever knows its id can join it."""
    wired.drain.admit()
    wired.floods.lobby(caller.session.handle, address_of(request))
    served = await wired.create_lobby(wish.name, wish.slug, wish.settings, caller.session.handle)
    return served.lobby.info()


@api.get("/lobbies/{lobby_id}")
async def read_lobby(lobby_id: str, caller: Caller, wired: Wired) -> LobbyDetails:
    """What someone who has the link may know before joining."""
    served = wired.lobbies.get(lobby_id)
    if served is None:
        raise SignalingError("There is no such lobby.", hint="Check the link.", code="unknown_lobby")
    lobby = served.lobby
    return LobbyDetails(lobby=lobby.info(), people=len(lobby.humans), agents=len(lobby.agents))


@api.get("/lobbies/{lobby_id}/agents")
async def list_agents(lobby: Joined) -> list[ParticipantInfo]:
    """The agents of the lobby you are in."""
    return lobby.lobby.agents


@api.post("/lobbies/{lobby_id}/agents", status_code=201)
async def add_agent(wish: AgentCreateData, lobby: Joined) -> ParticipantInfo:
    """Make an agent from a description and let it join."""
    agent = await lobby.room.spawn(wish.description, name=wish.name, voice=wish.voice)
    return lobby.lobby.participants[agent.id]


@api.patch("/lobbies/{lobby_id}/agents/{agent_id}")
async def change_agent(agent_id: str, changes: AgentChanges, lobby: Joined, wired: Wired) -> ParticipantInfo:
    """Swap models for others that are offered; they apply at the agent's next turn.

    They are swapped in the order stt, tts, llm: one that fails keeps its present model and ends
    this, those before it stay swapped.
    """
    lobby.agents.find(agent_id)
    wishes: list[tuple[SwapRole, str | None]] = [
        ("stt", changes.stt),
        ("tts", changes.tts),
        ("llm", changes.llm),
    ]
    for role, spec in wishes:
        if spec is not None:
            _check_offered(role, spec, wired.model_options(role))
    for role, spec in wishes:
        if spec is None:
            continue
        if role == "stt":
            await wired.swap_stt(spec)
        else:
            await lobby.room.swap(agent_id, role, spec)
    return lobby.agents.find(agent_id)


def _check_offered(role: str, spec: str, offered: list[str]) -> None:
    """People in a lobby choose among what there is: never a file of the server or another download."""
    if spec not in offered:
        raise UnknownModel(
            f"{spec!r} is not among the {role.upper()} models offered here.",
            hint=f"Known ones: {', '.join(offered)}. Others can be set by who runs the server.",
        )


@api.delete("/lobbies/{lobby_id}/agents/{agent_id}", status_code=204)
async def remove_agent(agent_id: str, lobby: Joined) -> None:
    """Let an agent leave."""
    lobby.agents.find(agent_id)
    await lobby.room.remove(agent_id)


@api.get("/lobbies/{lobby_id}/ice-servers")
async def ice_servers(lobby: Joined, caller: Caller, wired: Wired, response: Response) -> IceServersData:
    """ICE servers with fresh credentials, for who has joined."""
    assert caller.seat is not None
    plan = wired.ice(caller.seat.participant_id)
    response.headers["Cache-Control"] = "no-store"
    return IceServersData(ice_servers=list(plan.servers), expires_s=plan.expires_s)


@pages.get("/", include_in_schema=False)
async def index(wired: Wired) -> Response:
    """The page; it asks for its session itself, so that reading changes nothing."""
    return wired.client.index()


@pages.get("/{path:path}", include_in_schema=False)
async def static(path: str, wired: Wired) -> Response:
    """A file of the client, or the page for any other address."""
    return wired.client.file(path) if "." in path or path.startswith("api") else await index(wired)


STATUS = {
    "no_session": 401,
    "unknown_lobby": 404,
    "unknown_agent": 404,
    "lobby_full": 409,
    "not_joined": 403,
    "unknown_model": 422,
    "bad_message": 422,
    "bad_name": 422,
    "persona": 422,
    "too_many": 503,
    "store": 503,
    "too_fast": 429,
    "draining": 503,
    "missing_dependency": 424,
    "model_load": 424,
}


def error_body(error: VoicebotError) -> dict[str, Any]:
    """The same four fields as the wire's `error` message."""
    fields = {
        "code": error.code,
        "message": error.message,
        "hint": error.hint,
        "retryable": error.retryable,
    }
    return {"error": fields}
