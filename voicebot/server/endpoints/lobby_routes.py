"""HTTP routes for lobbies and their agents."""

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
from voicebot.server.net.networks import address_of
from voicebot.server.net.quotas import Maker
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
    """A lobby as the caller may see it before joining."""

    lobby: LobbyInfo
    knock: bool
    """You have to knock, and learn `people` and `agents` only when a host has let you in."""
    people: int | None = None
    agents: int | None = None


class AgentChanges(Body):
    """Changes to an agent. Omitted fields stay.

    All agents of the server share one `stt` model. Only owners may change it, while no other lobby has
    people in it.
    """

    muted: bool | None = None
    stt: Annotated[str, Field(max_length=200)] | None = None
    tts: Annotated[str, Field(max_length=200)] | None = None
    llm: Annotated[str, Field(max_length=200)] | None = None


async def joined(lobby_id: str, caller: Caller, wired: Wired) -> LobbyController:
    """Return the lobby in which the caller has a seat. Any other lobby is reported as unknown."""
    if caller.seat is None or caller.seat.place.lobby.id != lobby_id:
        raise no_such_lobby()
    return wired.lobbies.find(lobby_id)


def having(right: Right) -> Callable[..., Awaitable[LobbyController]]:
    """Make a dependency that returns the lobby if the caller has this right in it.

    Owners need no seat. People in the lobby without the right get `forbidden`.
    """

    async def lobby(lobby_id: str, caller: Caller, wired: Wired) -> LobbyController:
        controller = wired.lobbies.controllers.get(lobby_id)
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
    """Create a lobby and become its owner. Without `settings`, it is private, so people have to knock."""
    wired.drain.admit()
    maker = Maker(caller.session.handle, address_of(request))
    wired.rate_limits.lobby(maker.session, maker.address)
    controller = await wired.lobbies.create_for_client(wish, maker)
    return controller.lobby.info()


@lobbies.get("/{lobby_id}", responses=problems(404))
async def read_lobby(lobby_id: str, caller: Caller, wired: Wired) -> LobbyDetails:
    """Describe a lobby as far as the caller may see it before joining."""
    controller = wired.lobbies.find(lobby_id)
    lobby = controller.lobby
    inside = caller.seat is not None and caller.seat.place is controller
    if not inside and controller.door.entry(caller.session.handle, wired.clock()) == "knock":
        known = LobbyInfo(id=lobby.id, name=lobby.name, settings=LobbySettings(private=True))
        return LobbyDetails(lobby=known, knock=True)
    return LobbyDetails(lobby=lobby.info(), knock=False, people=len(lobby.humans), agents=len(lobby.agents))


@lobbies.patch("/{lobby_id}", responses=problems(403, 404, 422))
async def change_lobby(changes: LobbyUpdateData, controller: Changing, caller: Caller) -> LobbyInfo:
    """Change the name or settings of a lobby, as a host. Omitted fields stay."""
    controller.update(caller, changes)
    return controller.lobby.info()


@lobbies.delete("/{lobby_id}", status_code=204, responses=problems(403, 404))
async def delete_lobby(lobby_id: str, controller: Ending, wired: Wired) -> None:
    """End the lobby for everyone in it, as an owner."""
    await wired.lobbies.close(lobby_id, "A host has ended this lobby.")


@lobbies.get("/{lobby_id}/agents", responses=problems(404))
async def list_agents(controller: Joined) -> list[ParticipantInfo]:
    """List the agents of the lobby that you are in."""
    return controller.lobby.agents


@lobbies.post("/{lobby_id}/agents", status_code=201, responses=problems(403, 404, 409, 422))
async def add_agent(wish: AgentCreateData, controller: ChangingAgents, wired: Wired) -> ParticipantInfo:
    """Create an agent from a description and let it join."""
    wired.drain.admit()
    agent = await controller.agent_session.spawn(wish.description, name=wish.name, voice=wish.voice)
    return controller.lobby.participants[agent.id]


@lobbies.patch("/{lobby_id}/agents/{agent_id}", responses=problems(403, 404, 422, 424))
async def change_agent(
    agent_id: str, changes: AgentChanges, controller: ChangingAgents, caller: Caller, wired: Wired
) -> ParticipantInfo:
    """Mute an agent, or swap its models for others that the server offers, from its next turn on.

    Models are swapped in the order stt, tts, llm. The first failure ends the request and keeps the current
    model of that role; earlier swaps stay.
    """
    controller.agents.find(agent_id)
    if changes.stt is not None:
        _check_stt_change(controller, caller, wired)
    wishes: list[tuple[SwapRole, str | None]] = [
        ("stt", changes.stt),
        ("tts", changes.tts),
        ("llm", changes.llm),
    ]
    for role, spec in wishes:
        if spec is not None:
            _check_offered(role, spec, [option.spec for option in wired.models.options(role)])
    if changes.muted is not None:
        controller.agent_session.mute(agent_id, changes.muted)
    for role, spec in wishes:
        if spec is None:
            continue
        if role == "stt":
            await wired.models.swap("stt", spec, wired.progress)
        else:
            await controller.agent_session.swap(agent_id, role, spec)
    return controller.agents.find(agent_id)


def _check_stt_change(controller: LobbyController, caller: Caller, wired: Wired) -> None:
    """Raise SignalingError unless the caller is an owner and no other lobby has people in it."""
    controller.check("choose_recogniser", caller)
    if any(other.lobby.humans for other in wired.lobbies.controllers.values() if other is not controller):
        raise SignalingError(
            "People in other lobbies of this server use the same speech recogniser.",
            hint="Ask an operator to set STT_MODEL, or to change it from a notebook.",
            code="forbidden",
        )


def _check_offered(role: str, spec: str, offered: list[str]) -> None:
    """Raise UnknownModel unless the model is offered: people must not choose files or downloads."""
    if spec not in offered:
        raise UnknownModel(
            f"{spec!r} is not among the {role.upper()} models that this server offers.",
            hint=f"Choose one of: {', '.join(offered)}. Only an operator can add others.",
        )


@lobbies.delete("/{lobby_id}/agents/{agent_id}", status_code=204, responses=problems(403, 404))
async def remove_agent(agent_id: str, controller: ChangingAgents) -> None:
    """Remove an agent."""
    controller.agents.find(agent_id)
    await controller.agent_session.remove(agent_id)


@lobbies.get("/{lobby_id}/ice-servers", responses=problems(404))
async def ice_servers(controller: Joined, caller: Caller, wired: Wired) -> IceServersData:
    """Get ICE servers with fresh credentials, for people in the lobby."""
    assert caller.seat is not None
    plan = wired.ice(caller.seat.participant_id)
    return IceServersData(ice_servers=list(plan.servers), expires_s=plan.expires_s)
