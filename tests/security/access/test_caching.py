"""No browser or proxy may cache a response to one person, errors included."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.server.conftest import Visitor, own_origin
from tests.server.several import Nodes, pair
from voicebot.errors import StoreError
from voicebot.server.hosting import Hosting

METHODS = ("get", "post", "patch", "put", "delete", "options")
JUNK = {"no_such_field": [None]}


async def addresses(http: httpx.AsyncClient, **known: str) -> list[tuple[str, str]]:
    """Method and path of every documented operation, and some undocumented ones."""
    paths = (await http.get("api/openapi.json")).json()["paths"]
    filled = []
    for path in paths:
        for name, value in {"conversation_id": "20240101T000000-00000000", **known}.items():
            path = path.replace(f"{{{name}}}", value)
        filled.append(path)
    assert len(filled) >= 9
    assert not any("{" in path for path in filled)
    return [(method, path) for path in filled for method in METHODS]


async def kept(
    http: httpx.AsyncClient, asked: list[tuple[str, str]], **more: Any
) -> tuple[set[int], set[str]]:
    """The statuses of the responses, and those that a cache may keep."""
    seen: set[int] = set()
    wrong: set[str] = set()
    for method, path in sorted(asked, key=lambda one: one[0] == "delete"):
        answer = await http.request(method, path, **more)
        seen.add(answer.status_code)
        if answer.headers.get_list("cache-control") != ["no-store"]:
            wrong.add(f"{method} {path} {answer.status_code}")
    return seen, wrong


async def agent_of(visitor: Visitor) -> str:
    return str((await visitor.http.get("api/lobbies/demo/agents")).json()[0]["id"])


async def test_responses_about_people_and_lobbies_are_not_cached(hosting: Hosting, visit: Any) -> None:
    """Every operation, as a guest, a host and a stranger, with unknown ids and invalid bodies."""
    ada = await visit(hosting, joined="Ada")
    here = await addresses(ada.http, lobby_id="demo", agent_id=await agent_of(ada))
    nowhere = await addresses(ada.http, lobby_id="nowhere", agent_id="nobody")
    statuses: set[int] = set()
    for asked, more in ((here, {}), (here, {"json": JUNK}), (nowhere, {})):
        seen, wrong = await kept(ada.http, asked, **more)
        assert wrong == set()
        statuses |= seen
    async with httpx.AsyncClient(base_url=hosting.url) as stranger:
        seen, wrong = await kept(stranger, here)
        assert wrong == set()
        statuses |= seen
        for refused in ("evil.example", "x; y"):
            answer = await stranger.get("api/lobbies/demo", headers={"Host": refused})
            assert answer.headers["cache-control"] == "no-store"
    assert {200, 204, 401, 403, 404, 405, 422} <= statuses
    for path in ("metrics", "health", "ready", "api/openapi.json", "api/", "api/nothing", "assets/none.js"):
        assert (await ada.http.get(path)).headers["cache-control"] == "no-store", path


async def test_responses_of_another_server_are_not_cached(nodes: Nodes) -> None:
    _a, _b, _ada, bob = await pair(nodes)
    seen, wrong = await kept(
        bob.http, await addresses(bob.http, lobby_id="demo", agent_id=await agent_of(bob))
    )
    assert wrong == set()
    assert {200, 404, 422} <= seen


@pytest.mark.parametrize("error", [StoreError("Away."), RuntimeError("a defect, with a secret")])
async def test_errors_are_not_cached(
    hosting: Hosting, visit: Any, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """The response has the usual headers and none of the error's text."""
    ada = await visit(hosting, joined="Ada")

    async def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(hosting._lobbies, "close", fail)
    made = await ada.http.post("api/lobbies", json={"name": "Tea"})
    answer = await ada.http.delete(f"api/lobbies/{made.json()['id']}", headers=own_origin(hosting.url))
    assert answer.status_code == (503 if isinstance(error, StoreError) else 500)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "secret" not in answer.text
    assert answer.json()["error"]["hint"] or isinstance(error, StoreError)
