from __future__ import annotations

import asyncio
import base64
import traceback
from collections.abc import AsyncIterator

import pytest
from agents import Agent, RunConfig, Runner, function_tool

from voicebot.errors import ModelFailed, ModelLoadError
from voicebot.llm.base import LLM
from voicebot.llm.openai import OpenAILLM
from voicebot.settings import Settings
from voicebot.testing.openai_server import Fail, Hang, OpenAIServer, Say


def settings(server: OpenAIServer | None = None, **changes: object) -> Settings:
    values = {"openai_base_url": server.url if server else "", "openai_model": "test", "llm_retries": 0}
    return Settings(_env_file=None, **(values | changes))  # type: ignore[call-arg, arg-type]


async def deltas(llm: LLM, text: str = "Anna: hi", **agent: object) -> AsyncIterator[tuple[str, str]]:
    made: Agent[None] = Agent(name="Ada", instructions="Be Ada.", model=llm.model(), **agent)  # type: ignore[arg-type]
    run = Runner.run_streamed(made, text, run_config=RunConfig(tracing_disabled=True))
    async for event in run.stream_events():
        if event.type == "raw_response_event" and event.data.type.endswith("delta"):
            yield event.data.type, event.data.delta


async def said(llm: LLM) -> list[str]:
    return [text async for kind, text in deltas(llm) if kind == "response.output_text.delta"]


async def test_it_streams_without_network_traffic() -> None:
    async with OpenAIServer(["Hello there, Anna."]) as server:
        llm = await OpenAILLM.load("", settings(server))
        assert "".join(await said(llm)) == "Hello there, Anna."
        assert server.requests[0]["model"] == "test"
        assert server.requests[0]["messages"][0]["content"] == "Be Ada."
        assert server.paths == ["/v1/chat/completions"]
        await llm.aclose()


async def test_user_password_path_and_query_are_sent_and_not_shown() -> None:
    async with OpenAIServer(["Hello."], prefix="/hooks/t0ken-canary", models=["other"]) as server:
        address = server.url.replace("://", "://ann:p%40ss-canary@") + "?api-version=1&key=canary-key"
        llm = await OpenAILLM.load(
            "", settings(server, openai_base_url=address, openai_api_key="sk-canary-1")
        )
        assert "".join(await said(llm)) == "Hello."
        checked = await llm.check()
        assert checked.reason.startswith(server.url.replace("/hooks/t0ken-canary", "/…/…"))
        assert "canary" not in f"{checked} {llm.base_url} {vars(llm)['_settings']!r}"
        assert server.paths == ["/v1/chat/completions", "/v1/models"]
        assert set(server.queries) == {"api-version=1&key=canary-key"}
        assert {base64.b64decode(a.removeprefix("Basic ")) for a in server.authorizations} == {
            b"ann:p@ss-canary"
        }
        await llm.aclose()


async def test_secrets_that_a_server_repeats_are_not_passed_on() -> None:
    echo = "no route http://ann:pass-canary@h/t0ken-canary sk-canary-2 YW5uOnBhc3MtY2FuYXJ5"
    async with OpenAIServer([Fail(400, echo), Fail(401, echo)], prefix="/t0ken-canary") as server:
        address = server.url.replace("://", "://ann:pass-canary@")
        llm = await OpenAILLM.load(
            "", settings(server, openai_base_url=address, openai_api_key="sk-canary-2")
        )
        for _ in range(2):
            with pytest.raises(ModelFailed) as caught:
                await said(llm)
            shown = "".join(traceback.format_exception(caught.value))  # as a notebook does
            assert "canary" not in shown
            assert "YW5uOnBhc3MtY2FuYXJ5" not in shown
        await llm.aclose()


async def test_tokens_are_streamed() -> None:
    gate = asyncio.Event()
    async with OpenAIServer([Say("one two", gates={1: gate})]) as server:
        llm = await OpenAILLM.load("", settings(server))
        stream = deltas(llm)
        assert (await anext(stream))[1] == "one "
        gate.set()
        assert [text async for _, text in stream] == ["two"]
        await llm.aclose()


async def test_reasoning_is_not_text() -> None:
    async with OpenAIServer([Say("Yes.", reasoning=["They want ", "a yes."])]) as server:
        llm = await OpenAILLM.load("", settings(server))
        kinds = [(kind, text) async for kind, text in deltas(llm) if text]
        await llm.aclose()
    assert [text for kind, text in kinds if kind == "response.output_text.delta"] == ["Yes."]
    assert "a yes." in [text for kind, text in kinds if "reasoning" in kind]


async def test_tools_are_called() -> None:
    @function_tool
    def tide(place: str) -> str:
        """The tide at a place."""
        return f"high at {place}"

    script = [Say("", tool_calls=[("tide", {"place": "Brest"})]), "The tide is high."]
    async with OpenAIServer(script) as server:
        llm = await OpenAILLM.load("", settings(server))
        texts = [t async for kind, t in deltas(llm, tools=[tide]) if kind == "response.output_text.delta"]
        await llm.aclose()
        assert "".join(texts) == "The tide is high."
        assert server.requests[1]["messages"][-1]["content"] == "high at Brest"


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (Fail(401), "OPENAI_API_KEY"),
        (Fail(404), "OPENAI_MODEL"),
        (Fail(429), "too many"),
        (Fail(500), "500"),
        (Say("one two three", drop_after=1), "broke off|failed|reached"),
        (Say("one two three", error_after=1), "crashed"),
    ],
)
async def test_failures_say_what_to_do(step: Say | Fail, words: str) -> None:
    async with OpenAIServer([step]) as server:
        llm = await OpenAILLM.load("", settings(server))
        with pytest.raises(ModelFailed, match=words) as error:
            await said(llm)
        assert server.url in error.value.message
        await llm.aclose()


async def test_a_busy_server_is_retried() -> None:
    async with OpenAIServer([Fail(429, retry_after=0.01), Fail(500), "At last."]) as server:
        llm = await OpenAILLM.load("", settings(server, llm_retries=2))
        assert "".join(await said(llm)) == "At last."
        await llm.aclose()


async def test_a_hanging_server_times_out() -> None:
    async with OpenAIServer([Hang()]) as server:
        llm = await OpenAILLM.load("", settings(server, llm_timeout=0.2))
        with pytest.raises(ModelFailed, match="in time"):
            await said(llm)
        await llm.aclose()


async def test_a_server_that_is_down_fails_and_is_reported_missing() -> None:
    async with OpenAIServer() as server:
        gone = settings(server)
    llm = await OpenAILLM.load("", gone)
    with pytest.raises(ModelFailed, match="cannot be reached"):
        await said(llm)
    assert (await llm.check()).status == "missing"
    await llm.aclose()


async def test_check_asks_the_server() -> None:
    async with OpenAIServer(models=["test", "big"], api_key="secret") as server:
        good = await OpenAILLM.load("", settings(server, openai_api_key="secret"))
        assert (await good.check()).status == "ready"
        other = await OpenAILLM.load("nope", settings(server, openai_api_key="secret"))
        found = await other.check()
        assert (found.status, "big" in found.hint) == ("missing", True)
        wrong = await OpenAILLM.load("", settings(server, openai_api_key="wrong"))
        assert "OPENAI_API_KEY" in (await wrong.check()).hint
        for llm in (good, other, wrong):
            await llm.aclose()


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "OPENAI_BASE_URL"),
        ({"openai_api_key": "k", "openai_model": ""}, "OPENAI_MODEL"),
    ],
)
async def test_missing_settings_are_named(changes: dict[str, object], name: str) -> None:
    with pytest.raises(ModelLoadError, match=name):
        await OpenAILLM.load("", settings(None, **changes))


async def test_without_a_model_setting_it_suggests_models_and_how_to_work_offline() -> None:
    async with OpenAIServer(models=["tiny", "big"]) as server:
        with pytest.raises(
            ModelLoadError, match=r"OPENAI_MODEL is not set.*big, tiny.*unset OPENAI_BASE_URL"
        ):
            await OpenAILLM.load("", settings(server, openai_model=""))
        gone = settings(server, openai_model="")
    for unknown in (gone, settings(None, openai_api_key="k", openai_model="")):
        with pytest.raises(ModelLoadError, match=r"such as .*unset OPENAI_BASE_URL and OPENAI_API_KEY"):
            await OpenAILLM.load("", unknown)


async def test_openai_uses_the_responses_api() -> None:
    from agents.models.openai_chatcompletions import OpenAIChatCompletionsModel
    from agents.models.openai_responses import OpenAIResponsesModel

    own = await OpenAILLM.load("gpt", settings(None, openai_api_key="k"))
    assert isinstance(own.model().inner, OpenAIResponsesModel)  # type: ignore[attr-defined]
    other = await OpenAILLM.load("m", settings(None, openai_base_url="http://localhost:1/v1"))
    assert isinstance(other.model().inner, OpenAIChatCompletionsModel)  # type: ignore[attr-defined]
    await own.aclose()
    await other.aclose()
