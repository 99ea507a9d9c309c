"""The ASGI application. It starts nothing and owns nothing."""

from __future__ import annotations

from fastapi import FastAPI, Request, WebSocket
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from voicebot.errors import VoicebotError
from voicebot.server.cluster.request_proxy import RequestProxy
from voicebot.server.endpoints.conversation_routes import conversations
from voicebot.server.endpoints.health import operation
from voicebot.server.endpoints.http import STATUS, api, pages, problems
from voicebot.server.endpoints.lobby_routes import lobbies
from voicebot.server.endpoints.request_context import RequestContext
from voicebot.server.endpoints.services import Services
from voicebot.server.endpoints.websocket import SocketEndpoint
from voicebot.server.net.quotas import TooManyHeld
from voicebot.server.net.rate_limits import TooFast
from voicebot.server.net.security import SecurityMiddleware
from voicebot.server.net.wire_errors import error_body
from voicebot.server.version import __version__

REFUSED = problems(400, 401, 403, 404, 409, 421, 422, 424, 429, 503)


def create_app(services: Services) -> FastAPI:
    """Build the application: HTTP routes, `/ws` and the client's files."""
    app = FastAPI(
        title="AI Voicebot",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        responses=REFUSED,
        redirect_slashes=False,  # redirects contain the Host header
    )
    app.state.services = services
    endpoint = SocketEndpoint(services)

    @app.websocket("/ws")
    async def websocket(socket: WebSocket) -> None:
        await endpoint.serve(socket)

    app.include_router(api)
    app.include_router(lobbies)
    app.include_router(conversations)
    app.include_router(operation)
    app.include_router(pages)
    if services.cluster is not None:
        app.add_middleware(
            RequestProxy, cluster=services.cluster, sessions=services.sessions, cookie=services.cookie
        )
    app.add_middleware(SecurityMiddleware, addresses=services.addresses)
    app.add_middleware(RequestContext, telemetry=services.telemetry)
    app.add_exception_handler(VoicebotError, _voicebot_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    return app


async def _voicebot_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, VoicebotError)
    headers = None
    if isinstance(error, TooFast):
        headers = {"Retry-After": str(error.wait)}
    elif error.code == "draining":
        headers = {"Retry-After": str(request.app.state.services.drain.retry_after)}
    status = (
        429 if isinstance(error, TooManyHeld) else STATUS.get(error.code, 500)
    )  # the caller's fault, not ours
    return JSONResponse(error_body(error), status_code=status, headers=headers)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    known = {
        400: ("bad_message", "This request is malformed."),
        404: ("not_found", "There is nothing at this address."),
        405: ("method", "This address does not support that method."),
    }
    code, message = known.get(error.status_code, ("http", str(error.detail)))
    body = VoicebotError(
        message, hint="See /api/openapi.json for the addresses and their methods.", code=code
    )
    return JSONResponse(error_body(body), status_code=error.status_code, headers=error.headers)


async def _validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    body = VoicebotError(
        f"This request is malformed: {where}: {first['msg']}.",
        hint="See /api/openapi.json for what this address expects.",
        code="bad_message",
    )
    return JSONResponse(error_body(body), status_code=422)
