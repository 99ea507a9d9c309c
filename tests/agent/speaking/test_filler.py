"""Fillers: what an agent says while a slow tool runs."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from voicebot.agent.speaking.filler import PHRASES, Filler, Fillers
from voicebot.agent.speaking.speech import Speech, SpokenPiece
from voicebot.agent.tools.function_tools import ToolCall, ToolResult

pytestmark = pytest.mark.virtual_time


class Waiting:
    """A turn whose language model calls tools."""

    def __init__(self, *, after: float = 1.0, language: str = "en") -> None:
        self.clock = asyncio.get_running_loop().time
        self.began = self.clock()
        self.speech = Speech("speech-1", "agent-1", "turn-1", "utt-1")
        self.pieces: asyncio.Queue[str] = asyncio.Queue()
        self.fillers = Fillers("agent-1")
        self.said: list[tuple[float, str]] = []
        self.filler = Filler(
            self.speech,
            after=after,
            clock=self.clock,
            pending=lambda: not self.pieces.empty(),
            say=self.say,
            sentence=lambda: self.fillers.next(language),
        )

    def say(self, text: str) -> None:
        self.said.append((round(self.clock() - self.began, 3), text))

    def call(self, call_id: str = "1") -> None:
        self.filler.on_tool(ToolCall(call_id, "tide", "{}"))

    def result(self, call_id: str = "1") -> None:
        self.filler.on_tool(ToolResult(call_id, "low"))

    @property
    def times(self) -> list[float]:
        return [time for time, _ in self.said]


async def test_a_slow_tool_causes_one_filler() -> None:
    turn = Waiting()
    turn.call()
    await asyncio.sleep(30)
    assert turn.times == [1.0]
    turn.result()
    turn.filler.close()


async def test_a_quick_tool_causes_no_filler() -> None:
    turn = Waiting()
    turn.call("1")
    turn.call("2")
    await asyncio.sleep(0.9)
    turn.result("1")
    turn.result("2")
    await asyncio.sleep(30)
    assert turn.said == []
    turn.call("3")  # people wait again
    await asyncio.sleep(0.5)
    turn.call("4")
    turn.result("3")
    await asyncio.sleep(30)
    assert turn.times == [31.9]
    turn.filler.close()


async def test_no_filler_is_said_while_the_agent_is_heard() -> None:
    turn = Waiting()
    turn.speech.pieces.append(SpokenPiece("Let me look.", queued_s=4.0, synthesized=True))
    turn.speech.said = True
    turn.call()
    await asyncio.sleep(2.5)  # it is synthesized but not heard yet
    assert turn.said == []
    turn.speech.started = turn.clock()
    await asyncio.sleep(30)
    assert turn.times == [2.5 + 4.0 + 1.0]
    turn.filler.close()


async def test_no_filler_is_said_while_text_waits_for_synthesis() -> None:
    turn = Waiting()
    turn.pieces.put_nowait("Let me look.")
    turn.call()
    await asyncio.sleep(9.5)
    assert turn.said == []
    turn.pieces.get_nowait()
    await asyncio.sleep(30)
    assert len(turn.said) == 1
    turn.filler.close()


async def test_no_filler_is_said_while_a_sentence_is_synthesized() -> None:
    turn = Waiting()
    turn.speech.pieces.append(SpokenPiece("Let me look."))
    turn.call()
    await asyncio.sleep(9.5)
    assert turn.said == []
    turn.speech.pieces[0].silent = True  # synthesis failed, so it is only shown
    await asyncio.sleep(30)
    assert len(turn.said) == 1
    turn.filler.close()


async def test_a_second_filler_waits_until_the_first_was_heard() -> None:
    turn = Waiting()
    turn.speech.pieces.append(SpokenPiece("Well.", queued_s=1.0, synthesized=True))
    turn.speech.started, turn.speech.said = turn.clock() - 20.0, True
    turn.call("1")
    await asyncio.sleep(1.1)
    turn.speech.pieces.append(SpokenPiece(turn.said[0][1], queued_s=3.0, synthesized=True))
    turn.result("1")
    turn.call("2")
    await asyncio.sleep(30)
    assert turn.times == [1.0, 5.0]
    turn.filler.close()


async def test_no_filler_is_said_after_the_turn() -> None:
    turn = Waiting()
    turn.call()
    turn.filler.close()
    turn.filler.close()
    await asyncio.sleep(30)
    assert turn.said == []


async def test_fillers_can_be_switched_off() -> None:
    turn = Waiting(after=0)
    turn.call()
    await asyncio.sleep(30)
    assert turn.said == []
    turn.filler.close()


async def test_a_language_without_fillers_stays_silent() -> None:
    turn = Waiting(language="xx")
    turn.call()
    await asyncio.sleep(30)
    assert turn.said == []
    turn.filler.close()


@pytest.mark.parametrize("language", [*PHRASES, "EN-us"])
def test_fillers_vary_and_never_repeat_in_a_row(language: str) -> None:
    fillers = Fillers("agent-1")
    said = [fillers.next(language) for _ in range(20)]
    assert all(one != next_one for one, next_one in pairwise(said))
    assert set(said) == set(PHRASES[language[:2].lower()])


def test_an_agent_can_have_its_own_fillers() -> None:
    fillers = Fillers("agent-1")
    fillers.own = ("Arr, me parrot is looking.",)
    assert [fillers.next("en"), fillers.next("de")] == ["Arr, me parrot is looking."] * 2
