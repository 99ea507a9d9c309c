"""The HTTP API follows its own OpenAPI document: nothing is undeclared, and nothing fails."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import CHECKS

from tests.server.conftest import Visitor, own_origin
from tests.support.background import Background
from voicebot.agent.models.models import Models
from voicebot.llm.offline import OfflineLLM
from voicebot.server.hosting import Hosting
from voicebot.server.net.limits import Limits
from voicebot.settings import Settings
from voicebot.testing.media import FakeMediaPlane
from voicebot.testing.models import ScriptedSTT, ScriptedTTS

EXAMPLES = 12


@dataclass(frozen=True)
class Served:
    url: str
    headers: dict[str, str]
    """Of somebody who sits in the demo lobby."""
    here: dict[str, str]
    """That lobby, and an agent in it."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    background = Background()
    folder = tmp_path_factory.mktemp("openapi") / "data"
    wishes = Settings(_env_file=None, port=0, data_dir=folder, store="memory")  # type: ignore[call-arg]
    models = Models(wishes, stt=ScriptedSTT(), tts=ScriptedTTS(), llm=OfflineLLM())
    hosting = Hosting(wishes, FakeMediaPlane(), models=models, limits=Limits(lobbies_burst=50))

    async def start() -> Visitor:
        await hosting.start()
        visitor = Visitor(
            httpx.AsyncClient(base_url=hosting.url, headers=own_origin(hosting.url)), hosting.url
        )
        (await visitor.http.post("api/session")).raise_for_status()
        await visitor.open()
        return await visitor.join("Ada")

    async def stop() -> None:
        assert visitor.socket is not None
        await visitor.socket.close()
        await visitor.http.aclose()
        await hosting.stop()

    visitor = background.run(start())
    (agent,) = hosting.agent_sessions["demo"].lobby.agents
    yield Served(
        hosting.url.rstrip("/"),
        own_origin(hosting.url) | {"Cookie": visitor.cookie},
        {"lobby_id": "demo", "agent_id": agent.id},
    )
    background.run(stop())
    background.close()


def operations(url: str) -> list[Any]:
    schema = schemathesis.openapi.from_dict(httpx.get(f"{url}/api/openapi.json").json())
    schema.config.update(base_url=url)
    return [found.ok() for found in schema.get_all_operations()]


def attempt(operation: Any, mode: GenerationMode, here: dict[str, str], headers: dict[str, str]) -> None:
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def each(case: Case) -> None:
        if here:
            case.path_parameters = {**(case.path_parameters or {}), **here}
        # a name of nothing visible, a model that is not offered: more is refused than a schema can say
        unfit = [CHECKS.get_one("positive_data_acceptance")]
        if here:  # what was wrong may have been the address
            unfit.append(CHECKS.get_one("negative_data_rejection"))
        case.call_and_validate(headers=headers, excluded_checks=unfit)

    free_text_only = mode is GenerationMode.NEGATIVE and not list(operation.body)
    with contextlib.suppress(Unsatisfiable) if free_text_only else contextlib.nullcontext():
        each()


@pytest.mark.long
# the server's thread may draw a number just then
@pytest.mark.filterwarnings("ignore:Do not use the `random` module")
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("seated", [True, False])
def test_every_operation_follows_the_openapi_document(
    served: Served, mode: GenerationMode, seated: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Valid and invalid requests, in the caller's lobby and elsewhere."""
    found = operations(served.url)
    assert len(found) >= 9
    for operation in found:
        here = served.here if seated else {}
        here = {name: value for name, value in here.items() if f"{{{name}}}" in operation.path}
        if seated and not here:
            continue
        attempt(operation, mode, here, served.headers)
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR or r.exc_info] == []


def test_every_route_is_documented_or_a_page(served: Served) -> None:
    from voicebot.server.endpoints.http import pages

    paths = httpx.get(f"{served.url}/api/openapi.json").json()["paths"]
    assert all(path.startswith("/api/") or path in {"/health", "/ready", "/metrics"} for path in paths)
    assert {route.path for route in pages.routes} - set(paths) == {"/", "/{path:path}"}  # type: ignore[attr-defined]


def test_unknown_addresses_get_the_usual_error_body(served: Served) -> None:
    with httpx.Client(base_url=served.url, headers=served.headers) as http:
        for method, path, status in (
            ("GET", "/api/nothing", 404),
            ("GET", "/api/", 404),
            ("GET", "/api/lobbies/", 404),
            ("GET", "/assets/nothing.js", 404),
            ("PUT", "/api/lobbies/demo/agents", 405),
            ("DELETE", "/health", 405),
            ("BREW", "/health", 405),
        ):
            answer = http.request(method, path)
            assert answer.status_code == status, path
            assert set(answer.json()["error"]) == {"code", "message", "hint", "retryable"}
