"""A hub on real HTTP: the three requests that huggingface_hub's client makes for a download."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """`files` by repository and path; `slow` holds every body back after its first half."""

    def __init__(self, files: Mapping[str, Mapping[str, bytes]]) -> None:
        self.files = files
        self.slow: asyncio.Event | None = None
        self.gated = False
        self.xet = ""
        """Address of a content store that holds the bodies instead."""
        self.requested: list[str] = []
        self.app = FastAPI()
        self.app.add_api_route("/", lambda: {"hub": True}, methods=["GET", "HEAD"])
        self.app.add_api_route("/xet-token", self.token)
        self.app.add_api_route("/api/models/{owner}/{name}", self.info)
        self.app.add_api_route("/api/models/{owner}/{name}/revision/{revision}", self.info)
        self.app.add_api_route(
            "/{owner}/{name}/resolve/{revision}/{path:path}", self.resolve, methods=["GET", "HEAD"]
        )

    async def info(self, owner: str, name: str) -> Response:
        files = self.files.get(f"{owner}/{name}")
        if self.gated:
            return JSONResponse({"error": "no"}, 403, {"X-Error-Code": "GatedRepo"})
        if files is None:
            return JSONResponse({"error": "no"}, 404, {"X-Error-Code": "RepoNotFound"})
        siblings = [{"rfilename": path, "size": len(data)} for path, data in files.items()]
        return JSONResponse({"id": f"{owner}/{name}", "sha": COMMIT, "siblings": siblings})

    async def resolve(self, request: Request, owner: str, name: str, path: str) -> Response:
        data = self.files.get(f"{owner}/{name}", {}).get(path)
        if data is None:
            return Response(status_code=404, headers={"X-Error-Code": "EntryNotFound"})
        headers = {
            "ETag": f'"{hashlib.sha1(data).hexdigest()}"',
            "X-Repo-Commit": COMMIT,
            "Content-Length": str(len(data)),
        }
        if self.xet:
            headers |= {"X-Xet-Hash": "0" * 63 + "1", "X-Xet-Refresh-Route": f"{request.base_url}xet-token"}
        if request.method == "HEAD":
            return Response(headers=headers)
        self.requested.append(path)
        return StreamingResponse(self._body(data), headers=headers)

    async def token(self) -> Response:
        expires = str(int(time.time()) + 3600)
        headers = {"X-Xet-Cas-Url": self.xet, "X-Xet-Access-Token": "test", "X-Xet-Token-Expiration": expires}
        return Response(headers=headers)

    async def _body(self, data: bytes) -> AsyncIterator[bytes]:
        yield data[: len(data) // 2]
        if self.slow is not None:
            await self.slow.wait()
        yield data[len(data) // 2 :]


@asynccontextmanager
async def serving(app: FastAPI) -> AsyncIterator[str]:
    """Serve `app` on a free port; its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1))
    task = asyncio.create_task(server.serve([listener]), name="test-server")
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        listener.close()
