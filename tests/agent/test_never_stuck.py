"""Whatever people do, one agent speaks at a time, memories hold what was heard, and nothing gets stuck."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.agent.stage import Stage
from voicebot.errors import ModelFailed
from voicebot.events import (
    AgentStateEvent,
    FloorGranted,
    FloorReleased,
    PlayoutFinished,
    PlayoutInterrupted,
    PlayoutStarted,
    SpeculationCancelled,
    SpeculationCommitted,
    SpeculationStarted,
    TranscriptFinal,
)
from voicebot.testing.models import Hears, Step
from voicebot.testing.virtual_time import run

LONG = "The sea is deep and wide. It is full of fish. Some of them are old, and some are young."
ANSWERS: list[list[Step]] = [
    ["Yes, I see."],
    [LONG],
    [2.0, "After a while. ", 3.0, "And even later than that."],
    ["A first sentence. ", ModelFailed("down")],
    [ModelFailed("down")],
    ["What do you say, Bruno?"],
    ["<think>hm</think>"],
]
TEXTS = [
    "hello ada",
    "Bruno, are you there",
    "uh-huh",
    "",
    "what does everyone think",
    "Ada and Bruno, go on",
    "hang on, Anna",
    "yeah",
]


def heard_as(text: str, partly: bool, drafts: list[str]) -> Hears:
    """An utterance with or without partial results, and with drafts that may be right, wrong or missing."""
    words = text.split()
    interim = [" ".join(words[: n + 1]) for n in range(len(words))] if partly else []
    return Hears(text, interim=interim, drafts=[text if draft == "right" else draft for draft in drafts])


word = st.builds(
    heard_as,
    st.sampled_from(TEXTS),
    st.booleans(),
    st.lists(st.sampled_from(["right", "", "uh-huh", "hello bruno"]), max_size=3),
)

action = st.one_of(
    st.tuples(
        st.just("speak"),
        st.sampled_from(["anna", "tom"]),
        st.lists(
            st.sampled_from([0.1, 0.15, 0.3, 0.7, 1.0, 3.0, -0.15, -0.3, -0.45]), min_size=1, max_size=4
        ),
    ),
    st.tuples(st.just("chat"), st.sampled_from(["anna", "tom"]), st.sampled_from(["hello", "Bruno?", "ok"])),
    st.tuples(st.sampled_from(["lose", "leave", "come"]), st.just("tom"), st.none()),
    st.tuples(st.sampled_from(["spawn", "remove", "die"]), st.none(), st.none()),
)
script = st.lists(st.tuples(st.sampled_from([0.0, 0.05, 0.3, 0.7, 2.0, 6.0]), action), max_size=12)


async def play(stage: Stage, steps: list[Any], tasks: set[asyncio.Task[None]]) -> None:
    session = stage.session
    for delay, (what, who, value) in steps:
        await asyncio.sleep(delay)
        if what == "speak" and who in stage.lobby.participants:
            tasks.add(asyncio.create_task(stage.media.hear(who, *value)))
        elif what == "chat" and who in stage.lobby.participants:
            session.chat(who, value)
        elif what == "lose":
            stage.media.lose_peer(who)
        elif what == "leave":
            session.leave(who)
        elif what == "come" and who not in stage.lobby.participants:
            await stage.person(who, "Tom")
        elif what == "spawn" and len(session.agents) < 4:
            await stage.agent("a sailor", greeting="I am new here.")
        elif what == "remove" and len(session.agents) > 2:
            await session.remove(list(session.agents)[-1])
        elif what == "die":
            stage.media.die()


async def conversation(steps: list[Any], answers: list[list[Step]], words: list[Hears], folder: Path) -> None:
    stage = Stage(folder, stt=[*words, *["so it is"] * 40], llm=[*answers, *[["All right then."]] * 60])
    stage.tts.delay = 0.3
    tasks: set[asyncio.Task[None]] = set()
    async with stage.running():
        await stage.agent("Ada, a guide", greeting="Hello, I am Ada.")
        await stage.agent("Bruno, a lighthouse keeper")
        await stage.person()
        await stage.person("tom", "Tom")
        await play(stage, steps, tasks)
        await asyncio.gather(*tasks)
        await asyncio.sleep(120)
        check(stage)
        before = len(stage.of(PlayoutFinished))
        stage.session.chat("anna", "Ada, are you still there?")
        await asyncio.sleep(120)
        assert len(stage.of(PlayoutFinished)) > before, "stuck: the last question was not answered"
        check(stage)


def check(stage: Stage) -> None:
    """The floor is free, nothing overlapped, and memories hold exactly what was heard."""
    assert {agent.state for agent in stage.session.agents.values()} == {"idle"}
    assert len(stage.of(FloorGranted)) == len(stage.of(FloorReleased))
    waiting = stage.media.held()
    assert not waiting, "a voice waits for ever"
    begun, done = (
        len(stage.of(SpeculationStarted)),
        stage.of(SpeculationCommitted) + stage.of(SpeculationCancelled),
    )
    assert begun == len(done)
    speaking: str | None = None
    for event in stage.events:
        if isinstance(event, PlayoutStarted):
            assert speaking is None
            speaking = event.speech_id
        elif isinstance(event, PlayoutFinished | PlayoutInterrupted):
            assert speaking in (event.speech_id, None)
            assert event.planned_text.startswith(event.heard_text)
            speaking = None
    assert speaking is None
    finals = stage.of(TranscriptFinal)
    for agent in stage.session.agents.values():
        own = [line.text for line in agent.memory.lines if line.speaker is None]
        assert own == [e.text for e in finals if e.participant_id == agent.id and e.text]
    last = {e.participant_id: e.state for e in stage.of(AgentStateEvent)}
    assert all(state == "idle" for id, state in last.items() if id in stage.session.agents)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    steps=script,
    answers=st.lists(st.sampled_from(ANSWERS), max_size=6),
    words=st.lists(word, max_size=6),
)
def test_any_conversation_ends_with_a_free_floor(
    steps: list[Any], answers: list[list[Step]], words: list[Hears]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run(conversation(steps, answers, words, Path(folder)))


over = st.tuples(
    st.sampled_from([0.0, 0.2, 0.6, 1.5]),
    st.tuples(
        st.just("speak"),
        st.sampled_from(["anna", "tom"]),
        st.lists(st.sampled_from([0.15, 0.4, 0.7, 1.2, -0.15, -0.3]), min_size=1, max_size=3),
    ),
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(over, min_size=2, max_size=6), words=st.lists(word, min_size=4, max_size=6))
def test_speech_over_a_long_answer_never_blocks_the_floor(steps: list[Any], words: list[Hears]) -> None:
    question = (0.0, ("speak", "anna", [1.0]))
    with tempfile.TemporaryDirectory() as folder:
        script = [question, (3.0, steps[0][1]), *steps[1:]]
        run(conversation(script, [[LONG * 4]], [Hears("Ada, tell me all"), *words], Path(folder)))
