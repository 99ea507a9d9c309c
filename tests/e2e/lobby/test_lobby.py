"""People and an agent in a lobby: Chromium with a spoken microphone against a real server."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import voicebot
from tests.e2e.conftest import Chromium, Serve, Server, spoken
from tests.e2e.room import Guest, own_lobby
from tests.support.waiting import GUARD
from voicebot.experiment.guest import Guest as Simulated
from voicebot.registry import load_backend
from voicebot.rtc.caller import ReceivedFrame
from voicebot.settings import load_settings
from voicebot.stt.pocketsphinx.backend import PocketSphinxSTT
from voicebot.testing.openai_server import OpenAIServer, Say
from voicebot.tts.base import TTS

QUESTION = "what is the weather in paris"
ANSWER = "The weather in Paris is good today, and the sun is shining."
TALK = "the first day in london was sunny and the second day was cold"
SPOKEN = {"weather", "paris", "sun", "shining"}


async def transcribe(pcm: NDArray[np.int16]) -> str:
    """What a recogniser of its own hears in mono audio at 16 kHz."""
    stt = await PocketSphinxSTT.load("", load_settings(None))
    stt.finish_timeout = GUARD
    try:
        stream = stt.stream()
        stream.push(pcm)
        return (await stream.finish()).text
    finally:
        await stt.aclose()


@pytest.mark.long
async def test_a_question_is_answered_by_voice(serve: Serve, chromium: Chromium, shots: Path) -> None:
    async with OpenAIServer([ANSWER] * 10) as llm:
        server = serve(OPENAI_BASE_URL=llm.url, OPENAI_MODEL="test")
        context = await chromium.context(viewport={"width": 1280, "height": 800})
        tom = await Guest.open(context, server.url, "Tom")
        await tom.page.screenshot(path=shots / "prejoin.png")
        await tom.join()
        await tom.caption("^Ada.*hello")  # the greeting
        await tom.listen()
        await tom.ask(spoken(QUESTION), QUESTION)
        await tom.page.locator('[data-kind="agent"][data-state="speaking"]').wait_for()
        await tom.page.screenshot(path=shots / "lobby.png")
        answer = await tom.caption("^Ada.*sun is shining")
        assert "weather in Paris is good today" in answer
        await tom.has_shown("Ada", "idle", "listening", "thinking", "speaking", "idle")
        while {who for who, _ in await tom.spoken()} != {"Tom", "Ada"}:
            await tom.ask(spoken(QUESTION), QUESTION)  # a busy machine may show all its words at once
        captions = await tom.spoken()
        assert all(re.fullmatch(r"\d\d:\d\d", time) for _, time in captions)
        pcm = await tom.heard()
        assert np.abs(pcm).max() < 32_700, "the voice clips"
        understood = set((await transcribe(pcm)).split())
        while not understood >= SPOKEN:  # on a busy machine there are holes, each time elsewhere
            await tom.listen()
            await tom.page.get_by_test_id("chat-input").fill(QUESTION)
            await tom.page.get_by_test_id("chat-send-button").click()
            await tom.page.locator('[data-kind="agent"][data-state="speaking"]').wait_for()
            await tom.page.locator('[data-kind="agent"][data-state="idle"]').wait_for()
            understood |= set((await transcribe(await tom.heard())).split())
        llm.script.clear()
        assert tom.problems == []
        await tom.page.get_by_test_id("leave-button").click()
        await tom.page.locator('[data-testid^="end-"]').wait_for()

    server.stop()
    logs = server.folder / "data" / "conversations"
    conversations = voicebot.load(logs)
    assert not conversations.problems
    assert QUESTION in set(conversations.turns["text"])
    turn = conversations.latency.iloc[-1]
    assert turn["e2e_latency_s"] > 0
    assert len(list(logs.glob("*/audio/*.ogg"))) == 2


@pytest.mark.long
async def test_two_people_meet_hear_the_agent_and_it_knows_who_spoke(
    serve: Serve, chromium: Chromium, shots: Path
) -> None:
    async with OpenAIServer([ANSWER] * 10) as llm:
        server = serve(OPENAI_BASE_URL=llm.url, OPENAI_MODEL="test")
        talking = await chromium.context()
        mia = await Guest.open(talking, server.url, "Mia")
        await mia.page.get_by_test_id("prejoin-camera-button").click()
        await mia.join()
        await mia.caption("^Ada.*hello")
        await mia.press("mute-button")
        tom = await Guest.open(await chromium.context(), server.url, "Tom")
        await tom.page.get_by_test_id("prejoin-camera-button").click()
        await tom.join()
        for one, other in ((mia, "Tom"), (tom, "Mia")):
            await one.sees(other)
        of_tom, of_mia, of_ada = [await mia.id_of(name) for name in ("Tom", "Mia", "Ada")]
        await mia.listen(of_tom)
        await tom.listen(of_mia)
        for listener in (mia, tom):
            await listener.listen(of_ada)
        await tom.ask(spoken(QUESTION), QUESTION)
        await mia.caption(f"^Tom.*{QUESTION}")
        for listener in (mia, tom):
            await listener.caption("^Ada.*sun is shining")
            await listener.hears(of_ada)
        await mia.page.screenshot(path=shots / "two-people.png")
        # Mia hears Tom from his browser, not through the server
        await mia.hears(of_tom)
        assert "Tom" in json.dumps(llm.requests[-1]["messages"][-1])

        # whoever is muted is seen to be, and heard by nobody
        muted = tom.page.locator('[data-name="Mia"][data-muted="true"]')
        await muted.wait_for()
        await mia.say(spoken(TALK))
        assert np.abs(await tom.heard(of_mia)).max() < 100
        assert "Mia" not in {who for who, _ in await tom.spoken()}
        llm.script[:] = [Say("Thank you.")] * 10
        await mia.press("mute-button")
        await asyncio.gather(
            mia.say(spoken(TALK)),
            tom.page.locator('[data-name="Mia"][data-speaking="true"]').wait_for(),
        )
        await tom.caption("^Mia", final=False)
        await tom.hears(of_mia)
        await mia.press("mute-button")
        await muted.wait_for()
        await tom.caption("^Ada.*thank you")
        assert "Mia" in json.dumps(llm.requests[-1]["messages"][-1])
        llm.script.clear()

        await tom.page.reload()  # the same person, at the same place
        await tom.page.get_by_test_id("leave-button").wait_for()
        await mia.has_shown("Tom", "present", "connecting", "present")
        assert "gone" not in await mia.shown("Tom")
        assert await mia.tile("Tom").count() == 1
        await tom.press("leave-button")
        await mia.tile("Tom").wait_for(state="detached")
        await tom.press("again-button")
        await tom.join()
        await mia.tile("Tom").wait_for()
        await tom.page.close(run_before_unload=True)
        await mia.tile("Tom").wait_for(state="detached")
        assert mia.problems == []


async def test_a_guest_and_a_browser_hear_each_other_whoever_joins_first(
    server: Server, chromium: Chromium
) -> None:
    context = await chromium.context()
    lobby = await own_lobby(context, server.url)
    heard_by: dict[str, set[str]] = {"Early": set(), "Late": set()}
    changed = asyncio.Event()

    def ears(name: str) -> Callable[[ReceivedFrame], None]:
        def hear(frame: ReceivedFrame) -> None:
            if np.abs(frame.pcm).max() > 2000:
                heard_by[name].add(frame.participant_id)
                changed.set()

        return hear

    def simulated(name: str, tts: TTS) -> Simulated:
        return Simulated(server.url, lobby, name=name, tts=tts, on_heard=ears(name))

    tts = await load_backend("tts", "flite:slt", load_settings(None))
    assert isinstance(tts, TTS)
    async with simulated("Early", tts) as early:
        tom = await Guest.open(context, server.url, "Tom", lobby)
        await tom.join()
        async with simulated("Late", tts) as late:
            for name in heard_by:
                await tom.page.locator(f'[data-name="{name}"][data-state="present"]').wait_for()
            tom_id = await tom.id_of("Tom")
            await tom.say(spoken(QUESTION))
            async with asyncio.timeout(GUARD):
                while not all(tom_id in heard for heard in heard_by.values()):
                    changed.clear()
                    await changed.wait()
            for one in (early, late):
                await tom.listen(one.id)
                await one.say("Can you hear me?")
                await tom.hears(one.id)
        assert tom.problems == []
    await tts.aclose()


async def test_without_a_path_for_audio_people_are_told_and_can_chat(
    serve: Serve, chromium: Chromium, shots: Path
) -> None:
    async with OpenAIServer(["Paris is sunny."]) as llm:
        server = serve(OPENAI_BASE_URL=llm.url, OPENAI_MODEL="test")  # and no TURN server
        context = await chromium.context()
        tom = await Guest.open(context, server.url, "Tom", relay="1")
        await tom.join()
        await tom.page.get_by_test_id("failed-banner").wait_for()
        await tom.page.screenshot(path=shots / "no-path.png")
        await tom.page.get_by_test_id("chat-input").fill(QUESTION)
        await tom.page.get_by_test_id("chat-send-button").click()
        await tom.caption("^Ada.*Paris is sunny")


async def test_without_a_microphone_people_are_told_and_can_listen(
    server: Server, chromium: Chromium, shots: Path
) -> None:
    context = await (await chromium.launch("--deny-permission-prompts")).new_context()
    mia = await Guest.open(context, server.url, "Mia", await own_lobby(context, server.url))
    problem = mia.page.get_by_test_id("microphone-problem")
    await problem.wait_for()
    assert "microphone" in (await problem.inner_text()).lower()
    await mia.page.screenshot(path=shots / "no-microphone.png")
    await mia.join()
    await mia.listen()
    await mia.caption("^Ada.*hello")
    await mia.hears()


async def test_an_agent_made_from_a_description_joins_with_its_own_voice(
    serve: Serve, chromium: Chromium, shots: Path
) -> None:
    server = serve(TTS_MODEL="flite")
    tom = await Guest.open(await chromium.context(), server.url, "Tom")
    await tom.join()
    await tom.caption("^Ada.*hello")
    await tom.page.get_by_test_id("add-agent-button").click()
    await tom.page.get_by_test_id("agent-description").fill("Bruno, a grumpy lighthouse keeper")
    await tom.page.screenshot(path=shots / "add-agent.png")
    await tom.page.get_by_test_id("agent-submit-button").click()
    await tom.tile("Bruno").wait_for()
    await tom.caption("^Bruno")
    await tom.page.screenshot(path=shots / "two-agents.png")
    bruno = await tom.id_of("Bruno")
    await tom.press(f"menu-{bruno}")
    await tom.press(f"remove-{bruno}")
    await tom.tile("Bruno").wait_for(state="detached")


@pytest.mark.long
async def test_an_interrupted_agent_stops_and_remembers_only_what_was_heard(
    serve: Serve, chromium: Chromium
) -> None:
    long = "I will tell you everything about the weather in Paris, " + ", ".join(
        f"the {n} day was sunny" for n in ("first", "second", "third", "fourth", "fifth", "sixth")
    )
    async with OpenAIServer([long + ".", "Of course, London."]) as llm:
        server = serve(OPENAI_BASE_URL=llm.url, OPENAI_MODEL="test")
        tom = await Guest.open(await chromium.context(), server.url, "Tom")
        await tom.join()
        await tom.caption("^Ada.*hello")
        await tom.say(spoken(QUESTION))
        await tom.caption("^Ada.*everything about the weather", final=False)
        await tom.say(spoken("stop please and tell me about london"))
        await tom.caption("^Ada.*of course, london")
        first, second = (request["messages"] for request in llm.requests)
        kept = [m["content"] for m in second if m["role"] == "assistant"][-1]
        text = kept if isinstance(kept, str) else " ".join(part["text"] for part in kept)
        assert "I will tell you" in text
        assert "sixth day" not in text
        assert len(second) > len(first)
        captions = await tom.page.locator('[data-testid="caption"]').all_inner_texts()
        assert not any("sixth day" in caption for caption in captions)
