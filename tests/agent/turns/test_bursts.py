"""Floods of typed lines are remembered and answered, and the work grows linearly with their number."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from tests.agent.stage import Stage
from voicebot.agent.thinking import memory
from voicebot.agent.turns import reply_queue
from voicebot.events import AddresseeDecided, AgentStateEvent, PlayoutSentence, UserChat

CODE = str(Path(reply_queue.__file__).parents[1])
FIRST_THOUGHT = """
import asyncio, sys, threading

class Watch:
    importing = []

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "agents":
            self.importing.append(threading.current_thread())

sys.meta_path.insert(0, Watch())
from voicebot.agent.thinking.generation import Generation
from voicebot.agent.thinking.memory import Memory
from voicebot.llm.offline import OfflineLLM
from voicebot.persona import create_persona

async def main():
    memory = Memory()
    memory.heard("Anna", "hello")
    generation = Generation(create_persona("Ada, a guide"), OfflineLLM(), memory, timeout=60)
    return "".join([delta async for delta in generation.deltas()])

assert Watch.importing == []
assert asyncio.run(main())
assert Watch.importing
assert threading.main_thread() not in Watch.importing
"""


class Work:
    """Counts the lines of this project's code that run, every time they run."""

    def __init__(self) -> None:
        self.lines = 0

    def _trace(self, frame: FrameType, event: str, arg: Any) -> Any:
        if not frame.f_code.co_filename.startswith(CODE):
            return None
        self.lines += 1
        return self._trace

    def __enter__(self) -> Work:
        self._before = sys.gettrace()
        sys.settrace(self._trace)
        return self

    def __exit__(self, *error: object) -> None:
        sys.settrace(self._before)


async def burst(folder: Path, lines: int) -> tuple[int, int]:
    """Two people write this many lines while an agent speaks; returns the work to take and to answer them."""
    answer = "The sea is deep. It is full of fish."
    async with Stage(folder, llm=[answer, "That was a lot."], context_tokens=100_000) as stage:
        ada = await stage.agent("Ada, a guide")
        await stage.agent("Bruno, a cook")
        await stage.person("anna", "Anna")
        await stage.person("tom", "Tom")
        stage.session.chat("anna", "Ada, tell me of the sea")
        await stage.wait(PlayoutSentence)
        with Work() as taking:
            for number in range(lines):
                stage.session.chat(("anna", "tom")[number % 2], f"Ada, and what about number {number}?")
        with Work() as scheduler:
            assert await stage.said(ada) == answer
            assert await stage.said(ada, 2) == "That was a lot."
        heard = [line.text for line in stage.llm.calls[1].lines if line.speaker in ("Anna", "Tom")]
        assert len(heard) == len(stage.of(UserChat)) == lines + 1
        assert heard[-1] == f"Ada, and what about number {lines - 1}?"
        assert len(stage.of(AddresseeDecided)) == 3  # the question, then one for each person
        await stage.wait(AgentStateEvent, lambda e: e.state == "idle", 2)
    return taking.lines, scheduler.lines


@pytest.mark.virtual_time
async def test_the_work_grows_linearly_with_the_number_of_lines(tmp_path: Path) -> None:
    small, large = await burst(tmp_path / "small", 100), await burst(tmp_path / "large", 800)
    assert large[0] <= 8 * small[0] * 1.05
    assert large[1] <= 8 * small[1]
    assert small[0] > 100


@pytest.mark.virtual_time
async def test_the_newest_words_of_a_flood_decide_whom_it_is_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reply_queue, "LONGEST_CALL", 100)
    async with Stage(tmp_path, llm=["Well.", "Yes."]) as stage:
        await stage.agent("Ada, a guide")
        bruno = await stage.agent("Bruno, a cook")
        await stage.person()
        stage.session.chat("anna", "Ada, hello")
        await stage.wait(PlayoutSentence)
        stage.session.chat("anna", "Ada, " + "it goes on and on " * 20)
        stage.session.chat("anna", "Bruno, what do you say?")
        assert await stage.said(bruno) == "Yes."


def test_many_lines_become_one_complete_message() -> None:
    mind = memory.Memory()
    mind.said("Hello.")
    mind.said("I am Ada.")
    for number in range(3):
        mind.heard("Anna", str(number))
    assert mind.messages() == [
        {"role": "assistant", "content": "Hello. I am Ada."},
        {"role": "user", "content": "Anna: 0\nAnna: 1\nAnna: 2"},
    ]


def test_the_first_generation_of_a_process_does_not_import_on_the_loop() -> None:
    """Needs a process of its own, because an import happens once. It takes seconds on a busy machine."""
    done = subprocess.run([sys.executable, "-c", FIRST_THOUGHT], timeout=300, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
