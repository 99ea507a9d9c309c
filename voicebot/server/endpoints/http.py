"""What all HTTP routes share, the session route, and the client's files."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict

from voicebot import logs
from voicebot.errors import SignalingError
from voicebot.server.cluster.forwarded import forwarded
from voicebot.server.endpoints.services import Services, services
from voicebot.server.net.networks import address_of
from voicebot.server.sessions.client_session import ClientSession
from voicebot.server.version import __version__
from voicebot.signaling.messages import ErrorData

api = APIRouter(prefix="/api")
pages = APIRouter()


class Body(BaseModel):
    """Base of request and response bodies."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Problem(Body):
    """The body of every error."""

    error: ErrorData


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses=` of a route with these error statuses, and those that every route has."""
    return {status: {"model": Problem} for status in sorted({401, 403, 422, 503, *statuses})}


class SessionCreated(Body):
    """The session of a browser, without its secret."""

    session: str
    """The session's public handle."""
    version: str


Wired = Annotated[Services, Depends(services)]


async def client(request: Request, wired: Wired) -> ClientSession:
    """Return the caller's session. Raises SignalingError (`no_session`)."""
    by = forwarded(request.scope)
    if by is not None:  # the forwarding server has read the cookie
        found = await wired.sessions.by_handle(by.session)
    else:
        found = await wired.sessions.valid(wired.cookie.read(request))
    if found is None or found.session.expired(wired.clock()):
        raise SignalingError(
            "You have no session, or it has expired.", hint="POST /api/session first.", code="no_session"
        )
    logs.bind(session=found.session.handle)
    return found


Caller = Annotated[ClientSession, Depends(client)]


@api.post("/session")
async def create_session(request: Request, response: Response, wired: Wired) -> SessionCreated:
    """Create a session for this browser, or confirm the one it has and renew its cookie when due."""
    secret = wired.cookie.read(request)
    if await wired.sessions.valid(secret) is None:
        wired.drain.admit()
        wired.rate_limits.session(address_of(request))
    found, renewed = await wired.sessions.admit(secret)
    if renewed is not None:
        wired.cookie.write(request, response, renewed, found.session.expires - wired.clock())
    return SessionCreated(session=found.session.handle, version=__version__)


@pages.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
async def index(request: Request, wired: Wired) -> Response:
    """Serve the page. It requests its session itself, so that GET changes nothing."""
    return wired.client.index(request)


@pages.api_route("/{path:path}", methods=["GET", "HEAD"], include_in_schema=False)
async def static(path: str, request: Request, wired: Wired) -> Response:
    """Serve a file of the client, or a 404: a page for browsers, JSON for programs."""
    return wired.client.file(path, request)


STATUS = {
    "no_session": 401,
    "unknown_lobby": 404,
    "unknown_agent": 404,
    "unknown_conversation": 404,
    "forbidden": 403,
    "id_taken": 409,
    "bad_id": 422,
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
    "model": 424,
}
