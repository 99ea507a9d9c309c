"""Who may talk to the server from where: origins, the session cookie, response headers."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from voicebot.signaling.session import SESSION_SECONDS

_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
_LOOPBACK = re.compile(r"(?:.+\.)?localhost|127(?:\.\d{1,3}){3}|::1")


def _origin(url: str) -> tuple[str, str, int] | None:
    """(http or https, host, port), or None for what is no such origin ("null" included)."""
    try:
        parts = urlsplit(url)
        scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
        if scheme not in {"http", "https"} or not parts.hostname:
            return None
        return scheme, parts.hostname, parts.port or _DEFAULT_PORTS[scheme]
    except ValueError:
        return None


def origin_allowed(headers: Headers, scheme: str, public_url: str) -> bool:
    """Same origin as the server was addressed by, or that of `public_url`."""
    origin = _origin(headers.get("origin", ""))
    if origin is None:
        return False
    own = _origin(f"{scheme}://{headers.get('host', '')}")
    return origin == own or (bool(public_url) and origin == _origin(public_url))


def is_secure(connection: HTTPConnection) -> bool:
    """Whether the browser came over TLS (uvicorn has read the proxy's X-Forwarded-Proto)."""
    return connection.scope["scheme"] in {"https", "wss"}


class SessionCookie:
    """Reads and sets the cookie that carries the session's secret.

    Cookies ignore the port, so the plain name carries it: two servers on one host then do
    not overwrite each other's session.
    """

    def __init__(self, port: int) -> None:
        self._plain = f"voicebot_session_{port}"
        self._secure = "__Host-voicebot_session"

    def read(self, connection: HTTPConnection) -> str | None:
        return connection.cookies.get(self._secure if is_secure(connection) else self._plain)

    def write(
        self,
        connection: HTTPConnection,
        response: Response,
        secret: str,
        lifetime: float = SESSION_SECONDS,
    ) -> None:
        """Set the cookie for `lifetime` seconds."""
        secure = is_secure(connection)
        response.set_cookie(
            self._secure if secure else self._plain,
            secret,
            max_age=int(lifetime),
            path="/",
            httponly=True,
            samesite="lax",
            secure=secure,
        )


def security_headers(scheme: str, host: str, public_url: str) -> dict[str, str]:
    """Headers of every response. `scheme` and `host` (the Host header) are those of the request."""
    name = urlsplit(f"//{host}").hostname or "localhost"
    # JupyterLab embeds the page from another port of the same machine
    embedders = {"localhost", "127.0.0.1"} | ({name} if ":" not in name else set())
    ancestors = [f"{s}://{n}:*" for n in sorted(embedders) for s in ("http", "https")]
    public = _origin(public_url)
    if public is not None:
        ancestors.append(f"{public[0]}://{public[1]}:*")
    policy = {
        "default-src": "'self'",
        "script-src": "'self'",
        "style-src": "'self'",  # the client sets styles through the CSSOM only
        "img-src": "'self' data: blob:",
        "media-src": "'self' blob: mediastream:",
        "connect-src": f"'self' ws://{host} wss://{host}",
        "worker-src": "'self' blob:",
        "object-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'self' " + " ".join(ancestors),
    }
    headers = {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "Permissions-Policy": "microphone=(self), camera=(self), autoplay=(self), geolocation=(), usb=()",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    if scheme == "https" or _LOOPBACK.fullmatch(name):
        # browsers heed it from trustworthy origins only, and complain anywhere else
        headers["Cross-Origin-Opener-Policy"] = "same-origin"
    return headers


class SecurityMiddleware:
    """Adds the headers, and refuses state-changing requests from other sites."""

    def __init__(self, app: ASGIApp, public_url: str) -> None:
        self._app, self._public_url = app, public_url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        added = security_headers(scope["scheme"], _host(headers), self._public_url)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(added)
            await send(message)

        foreign = "origin" in headers and not origin_allowed(headers, scope["scheme"], self._public_url)
        if scope["method"] not in SAFE_METHODS and foreign:
            await refuse_origin()(scope, receive, send_with_headers)
            return
        await self._app(scope, receive, send_with_headers)


def refuse_origin() -> Response:
    hint = "If people open this server through a proxy, set PUBLIC_URL to the address they open."
    return JSONResponse(
        {
            "error": {
                "code": "origin",
                "message": "This page may not use this server.",
                "hint": hint,
                "retryable": False,
            }
        },
        status_code=403,
    )


def _host(headers: Headers) -> str:
    """The Host header, unless it is no address or holds what could break out of a header value."""
    host = headers.get("host", "")
    safe = all(c.isalnum() or c in ".-:[]" for c in host)
    return host if safe and _origin(f"http://{host}") is not None else "localhost"
