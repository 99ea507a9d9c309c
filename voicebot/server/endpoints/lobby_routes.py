"""Lobbies and their agents over HTTP, for those who are in them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import Field

from voicebot.agent.models.models import SwapRole
from voicebot.errors import SignalingError, UnknownModel
from voicebot.lobby.door import no_such_lobby
from voicebot.lobby.rights import Right, Standing
from voicebot.server.endpoints.http import Body, Caller, Wired, problems
from voicebot.server.lobby.controller import LobbyController
from voicebot.server.lobby.quotas import Maker
from voicebot.server.net.networks import address_of
from voicebot.signaling.messages import (
    AgentCreateData,
    CreateLobbyData,
    IceServersData,
    LobbyInfo,
    LobbySettings,
    LobbyUpdateData,
    ParticipantInfo,
)

lobbies = APIRouter(prefix="/api/lobbies")


class LobbyDetails(Body):
    lobby: LobbyInfo
    knock: bool
    """A host has to let one in; `people` and `agents` are not told before."""
    people: int | None = None
    agents: int | None = None


class AgentChanges(Body):
    """What to change of an agent. People are heard once for all agents, so `stt` is everyone's: it is for
    owners, and as long as nobody sits in another lobby of this server."""

    muted: bool | None = None
    stt: Annotated[str, Field(max_length=200)] | None = None
    tts: Annotated[str, Field(max_length=200)] | None = None
    llm: Annotated[str, Field(max_length=200)] | None = None


async def joined(lobby_id: str, caller: Caller, wired: Wired) -> LobbyController:
    """The lobby the caller sits in; a lobby of others is as good as none."""
    if caller.seat is None or caller.seat.place.lobby.id != lobby_id:
        raise no_such_lobby()
    return wired.lobbies[lobby_id]


def having(right: Right) -> Callable[..., Awaitable[LobbyController]]:
    """The lobby in which the caller has a right, sitting in it or not. Others in it get `forbidden`."""

    async def lobby(lobby_id: str, caller: Caller, wired: Wired) -> LobbyController:
        controller = wired.lobbies.get(lobby_id)
        if controller is None or controller.standing(caller) is not Standing.OWNER:
            controller = await joined(lobby_id, caller, wired)
        controller.check(right, caller)
        return controller

    return lobby


Joined = Annotated[LobbyController, Depends(joined)]
Changing = Annotated[LobbyController, Depends(having("change_lobby"))]
ChangingAgents = Annotated[LobbyController, Depends(having("change_agents"))]
Ending = Annotated[LobbyController, Depends(having("end_lobby"))]


@lobbies.post("", status_code=201, responses=problems(409, 422, 429, 503))
async def create_lobby(wish: CreateLobbyData, request: Request, caller: Caller, wired: Wired) -> LobbyInfo:
    """Make a lobby and be its host. Without `settings` it is private: people knock."""
    wired.drain.admit()
    maker = Maker(caller.session.handle, address_of(request))
    wired.rate_limits.lobby(maker.session, maker.address)
    controller = await wired.create_lobby(wish.name, wish.slug, wish.settings, maker)
    return controller.lobby.info()


@lobbies.get("/{lobby_id}", responses=problems(404))
async def read_lobby(lobby_id: str, caller: Caller, wired: Wired) -> LobbyDetails:
    """What the caller may know of a lobby before joining it."""
    controller = wired.lobbies.get(lobby_id)
    if controller is None:
        raise no_such_lobby()
    lobby = controller.lobby
    inside = caller.seat is not None and caller.seat.place is controller
    if not inside and controller.door.entry(caller.session.handle, wired.clock()) == "knock":
        known = LobbyInfo(id=lobby.id, name=lobby.name, settings=LobbySettings(private=True))
        return LobbyDetails(lobby=known, knock=True)
    return LobbyDetails(lobby=lobby.info(), knock=False, people=len(lobby.humans), agents=len(lobby.agents))


@lobbies.patch("/{lobby_id}", responses=problems(403, 404, 422))
async def change_lobby(changes: LobbyUpdateData, controller: Changing, caller: Caller) -> LobbyInfo:
    """Change the lobby's name or settings, as a host; what is left out stays."""
    controller.update(caller, changes)
    return controller.lobby.info()


@lobbies.delete("/{lobby_id}", status_code=204, responses=problems(403, 404))
async def delete_lobby(lobby_id: str, controller: Ending, wired: Wired) -> None:
    """End the lobby for everyone in it, as an owner."""
    await wired.close_lobby(lobby_id, "A host has ended this lobby.")


# ---------------------------------------------------------------- agents


@lobbies.get("/{lobby_id}/agents", responses=problems(404))
async def list_agents(controller: Joined) -> list[ParticipantInfo]:
    """The agents of the lobby you are in."""
    return controller.lobby.agents


@lobbies.post("/{lobby_id}/agents", status_code=201, responses=problems(403, 404, 409, 422))
async def add_agent(wish: AgentCreateData, controller: ChangingAgents, wired: Wired) -> ParticipantInfo:
    """Make an agent from a description and let it join."""
    wired.drain.admit()
    agent = await controller.agent_session.spawn(wish.description, name=wish.name, voice=wish.voice)
    return controller.lobby.participants[agent.id]


@lobbies.patch("/{lobby_id}/agents/{agent_id}", responses=problems(403, 404, 422, 424))
async def change_agent(
    agent_id: str, changes: AgentChanges, controller: ChangingAgents, caller: Caller, wired: Wired
) -> ParticipantInfo:
    """Mute an agent, or swap models for others that are offered; they apply at its next turn.

    They are swapped in the order stt, tts, llm: one that fails keeps its present model and ends
    this, those before it stay swapped.
    """
    controller.agents.find(agent_id)
    if changes.stt is not None:
        _check_hearing(controller, caller, wired)
    wishes: list[tuple[SwapRole, str | None]] = [
        ("stt", changes.stt),
        ("tts", changes.tts),
        ("llm", changes.llm),
    ]
    for role, spec in wishes:
        if spec is not None:
            _check_offered(role, spec, wired.model_options(role))
    if changes.muted is not None:
        controller.agent_session.mute(agent_id, changes.muted)
    for role, spec in wishes:
        if spec is None:
            continue
        if role == "stt":
            await wired.swap_stt(spec)
        else:
            await controller.agent_session.swap(agent_id, role, spec)
    return controller.agents.find(agent_id)


def _check_hearing(controller: LobbyController, caller: Caller, wired: Wired) -> None:
    """Who may choose how people are heard: nobody decides that for another lobby."""
    controller.check("choose_recogniser", caller)
    if any(other.lobby.humans for other in wired.lobbies.values() if other is not controller):
        raise SignalingError(
            "People in other lobbies of this server are heard by the same model.",
            hint="Who runs the server sets it by STT_MODEL or from a notebook.",
            code="forbidden",
        )


def _check_offered(role: str, spec: str, offered: list[str]) -> None:
    """People in a lobby choose among what there is: never a file of the server or another download."""
    if spec not in offered:
        raise UnknownModel(
            f"{spec!r} is not among the {role.upper()} models offered here.",
            hint=f"Known ones: {', '.join(offered)}. Others can be set by who runs the server.",
        )


@lobbies.delete("/{lobby_id}/agents/{agent_id}", status_code=204, responses=problems(403, 404))
async def remove_agent(agent_id: str, controller: ChangingAgents) -> None:
    """Let an agent leave."""
    controller.agents.find(agent_id)
    await controller.agent_session.remove(agent_id)


# ---------------------------------------------------------------- connections


@lobbies.get("/{lobby_id}/ice-servers", responses=problems(404))
async def ice_servers(controller: Joined, caller: Caller, wired: Wired) -> IceServersData:
    """ICE servers with fresh credentials, for who has joined."""
    assert caller.seat is not None
    plan = wired.ice(caller.seat.participant_id)
    return IceServersData(ice_servers=list(plan.servers), expires_s=plan.expires_s)
