"""For those who run the server: is it there, does it take people, and what does it count."""

from __future__ import annotations

import hmac
import re

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel

from voicebot.server.endpoints.http import Wired
from voicebot.settings import is_loopback
from voicebot.version import __version__

operation = APIRouter()
FORWARDED = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")


class Health(BaseModel):
    status: str
    version: str


class Readiness(BaseModel):
    ready: bool
    problems: dict[str, str]
    """What is not ready (server, draining, models, media, store), and why."""
    warnings: dict[str, str]
    """What is amiss though people can come in: recording, when the disk has no room, and what to do."""
    models: dict[str, str]
    client_built: bool


@operation.head("/health", include_in_schema=False)
@operation.get("/health")
async def health() -> Health:
    """The process answers."""
    return Health(status="ok", version=__version__)


@operation.head("/ready", include_in_schema=False)
@operation.get("/ready", responses={503: {"model": Readiness}})
async def ready(wired: Wired, response: Response) -> Readiness:
    """People can come in; 503, and which part is not ready, while they cannot."""
    problems = await wired.problems()
    response.status_code = 503 if problems else 200
    return Readiness(
        ready=not problems,
        problems=problems,
        warnings=wired.warnings(),
        models=wired.model_names(),
        client_built=wired.client.built,
    )


@operation.get("/metrics", include_in_schema=False)
async def metrics(request: Request, wired: Wired) -> Response:
    """For Prometheus: see `may_read`."""
    if not may_read(request, wired.metrics_token, behind_proxy=wired.addresses.public is not None):
        return JSONResponse({"detail": "Not Found"}, status_code=404)
    text, content_type = wired.telemetry.metrics.render(request.headers.get("accept", ""))
    return Response(text, headers={"Content-Type": content_type})


def may_read(request: Request, token: str, *, behind_proxy: bool) -> bool:
    """Who has METRICS_TOKEN; else programs on this machine, unless a proxy may speak for others.

    What a proxy passes on also comes from this machine. So with PUBLIC_URL only the token counts, and
    without it the request must have been made to this machine by name and not have been forwarded.
    """
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if token and scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode()):
        return True
    if behind_proxy or request.client is None or any(name in request.headers for name in FORWARDED):
        return False
    name = re.sub(r":\d*$", "", request.headers.get("host", "")).strip("[]")
    return is_loopback(request.client.host.removeprefix("::ffff:")) and is_loopback(name)
