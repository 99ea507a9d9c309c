"""Serves the built client: precompressed files with the right caching, and a page for every other address."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import lru_cache
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.staticfiles import NotModifiedResponse

STATIC = Path(__file__).parents[1] / "static"
IMMUTABLE = "public, max-age=31536000, immutable"
REVALIDATE = "no-cache"
ENCODINGS = {"br": ".br", "gzip": ".gz"}
"""Suffixes of the precompressed files of the build, smallest first."""

LOBBY = re.compile(r"[a-z0-9](-?[a-z0-9]){2,39}")
TEMPLATES = files("voicebot.server.endpoints") / "templates"
STYLE = (TEMPLATES / "page.css").read_text("utf-8")
POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; "
    f"style-src 'sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}'"
)


class StaticClient:
    """Serves the files below `folder`."""

    def __init__(self, folder: Path = STATIC) -> None:
        self._folder = folder.resolve()

    @property
    def built(self) -> bool:
        """Whether the client is built."""
        return (self._folder / "index.html").is_file()

    def index(self, request: Request) -> Response:
        """Serve the page of the client, or one that says how to build it."""
        if not self.built:
            return _page("AI Voicebot: the client is not built", "unbuilt.html", 503)
        return _serve(self._folder / "index.html", REVALIDATE, request.headers)

    def file(self, path: str, request: Request) -> Response:
        """Serve a file by its path below the folder. Browsers get a page for an unknown address.

        Raises HTTPException (404) for programs.
        """
        try:
            wanted = (self._folder / path).resolve()
            found = wanted.is_relative_to(self._folder) and wanted.is_file()
        except (OSError, ValueError):  # the name is too long or contains a NUL
            found = False
        if found and wanted.suffix not in ENCODINGS.values():
            # Vite puts a content hash into the names below assets/
            hashed = path.startswith("assets/")
            return _serve(wanted, IMMUTABLE if hashed else REVALIDATE, request.headers)
        is_api = path == "api" or path.startswith("api/")
        if is_api or "text/html" not in request.headers.get("accept", ""):
            raise HTTPException(404)
        return _missing(path, request)


def _serve(file: Path, caching: str, asked: Headers) -> Response:
    """Serve the smallest encoding of a file that the client accepts."""
    accepted = _accepted(asked.get("accept-encoding", ""))
    forms = ((name, file.with_name(file.name + end)) for name, end in ENCODINGS.items() if name in accepted)
    encoding, sent = next(((name, form) for name, form in forms if form.is_file()), ("", file))
    stat = sent.stat()
    etag = _etag(sent, stat.st_mtime_ns, stat.st_size)
    headers = {"Cache-Control": caching, "Vary": "Accept-Encoding", "ETag": etag}
    if encoding:
        headers["Content-Encoding"] = encoding
    response = FileResponse(sent, headers=headers, stat_result=stat, media_type=_media_type(file))
    known = {tag.strip().removeprefix("W/") for tag in asked.get("if-none-match", "").split(",")}
    return NotModifiedResponse(response.headers) if known & {etag, "*"} else response


def _accepted(header: str) -> set[str]:
    """Return the encodings that an Accept-Encoding header names with a weight above 0."""
    named = (part.replace(" ", "").lower().partition(";q=") for part in header.split(","))
    return {name for name, _, weight in named if not re.fullmatch(r"0(\.0*)?", weight)}


@lru_cache(maxsize=256)
def _etag(file: Path, changed: int, size: int) -> str:
    """Hash the content: two builds may have equal sizes and, from an archive, equal times."""
    return f'"{hashlib.sha256(file.read_bytes()).hexdigest()[:32]}"'


def _media_type(file: Path) -> str | None:
    """Return the type of scripts, which some systems get wrong; None lets Starlette guess."""
    return "text/javascript" if file.suffix == ".js" else None


def _missing(path: str, request: Request) -> Response:
    # relative, because a proxy may serve this below an unknown path
    start = "../" * (request.scope["raw_path"].count(b"/") - 1) or "./"
    links = f'<a class="first" href="{start}">Go to the start page</a>'
    name = path.rstrip("/").rsplit("/", 1)[-1]
    if LOBBY.fullmatch(name):
        links += f'\n<a href="{start}?lobby={name}">Look for the lobby “{escape(name)}”</a>'
    page = _page("AI Voicebot: nothing at this address", "missing.html", 404, links=links)
    page.headers["Vary"] = "Accept"
    return page


def _page(title: str, body: str, status: int, **parts: str) -> Response:
    """Make a page with the template `body` filled with `parts`. It loads no other file."""
    main = _template(body).substitute(parts)
    html = _template("page.html").substitute(title=title, style=STYLE, body=main)
    return HTMLResponse(html, status, {"Content-Security-Policy": POLICY})


@lru_cache
def _template(name: str) -> Template:
    return Template((TEMPLATES / name).read_text("utf-8"))
