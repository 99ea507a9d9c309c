"""The built browser client, served with the caching it was built for."""

from __future__ import annotations

from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, HTMLResponse, Response

STATIC = Path(__file__).parents[1] / "static"
IMMUTABLE = "public, max-age=31536000, immutable"
REVALIDATE = "no-cache"

UNBUILT = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>AI Voicebot: the client is not built</title></head>
<body><h1>The browser client is not built yet</h1>
<p>The server works, but the page people talk through has not been built on this machine.</p>
<p>In the project's folder run <code>make client</code>, then reload this page.</p>
<p>An installed package (<code>pip install ai-voicebot</code>) carries the built client.</p>
</body></html>
"""


class StaticClient:
    """Files below one folder; anything else that looks like a page is the index."""

    def __init__(self, folder: Path = STATIC) -> None:
        self._folder = folder.resolve()

    @property
    def built(self) -> bool:
        return (self._folder / "index.html").is_file()

    def index(self) -> Response:
        """The page, or one that says how to build it."""
        if not self.built:
            return HTMLResponse(UNBUILT, status_code=503)
        return FileResponse(self._folder / "index.html", headers={"Cache-Control": REVALIDATE})

    def file(self, path: str) -> Response:
        """A file by its path below the folder. Raises HTTPException (404)."""
        try:
            wanted = (self._folder / path).resolve()
            found = wanted.is_relative_to(self._folder) and wanted.is_file()
        except (OSError, ValueError):  # longer than a name may be, or with a null character
            found = False
        if found:
            # vite puts a hash of the content into the names below assets/
            hashed = path.startswith("assets/")
            return FileResponse(wanted, headers={"Cache-Control": IMMUTABLE if hashed else REVALIDATE})
        if "." in path.rsplit("/", 1)[-1] or path.startswith("api/"):
            raise HTTPException(404)
        return self.index()
