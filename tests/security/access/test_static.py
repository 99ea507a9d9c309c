"""Which files of the client are served, and how they are cached."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.security.access.test_origins import raw_request
from voicebot.server.hosting import Hosting


@pytest.fixture
async def static(host: Any, tmp_path: Path) -> Hosting:
    folder = tmp_path / "static"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<title>built</title>")
    (folder / "assets/app-1234.js").write_text("1")
    (tmp_path / "secret.txt").write_text("top secret")
    (folder / "assets/link.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "linked").symlink_to(tmp_path)
    hosting: Hosting = await host(static=folder)
    return hosting


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/assets/../../secret.txt",
        "/..%2fsecret.txt",
        "/%2e%2e/secret.txt",
        "/%2e%2e%2fsecret.txt",
        "/%252e%252e%252fsecret.txt",
        "/..%5csecret.txt",
        "/assets/..%2f..%2fsecret.txt",
        "//secret.txt",
        "/%2f..%2fsecret.txt",
        "/assets/link.txt",
        "/linked/secret.txt",
        "/assets/%00.js",
        "/....//secret.txt",
        "/%c0%ae%c0%ae/secret.txt",
        "/" + "a" * 5000 + ".js",
    ],
)
async def test_nothing_outside_the_folder_is_served(static: Hosting, path: str) -> None:
    for method in ("GET", "HEAD"):
        status, answer = await raw_request(
            static, f"{method} {path} HTTP/1.1", f"Host: localhost:{static.port}"
        )
        assert status == 404
        assert "top secret" not in answer


async def test_an_absolute_path_is_below_the_folder(static: Hosting, tmp_path: Path) -> None:
    async with httpx.AsyncClient(base_url=static.url) as http:
        for path in (f"/{tmp_path}/secret.txt", "//etc/passwd.txt", "/%2fetc%2fhosts.txt"):
            assert (await http.get(path)).status_code == 404


async def test_pages_are_asked_for_again_and_hashed_files_are_not(static: Hosting) -> None:
    async with httpx.AsyncClient(base_url=static.url) as http:
        for method in ("GET", "HEAD"):
            page = await http.request(method, "")
            if page.status_code != 405:
                assert page.headers["cache-control"] in {"no-cache", "no-store"}
        script = await http.get("assets/app-1234.js")
        assert "immutable" in script.headers["cache-control"]
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            assert (await http.request(method, "assets/app-1234.js")).status_code == 403
            own = {"Origin": static.url.rstrip("/")}
            assert (await http.request(method, "assets/app-1234.js", headers=own)).status_code == 405
