"""Half of a surrogate pair in the text of a model breaks no caption, no log and no synthesis."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.agent.stage import Stage
from voicebot.agent.thinking.surrogates import SurrogateRepairer, repair_surrogates
from voicebot.events import LLMFinished, TranscriptFinal, TranscriptInterim
from voicebot.testing.models import Hears

ANY = st.text(st.one_of(st.characters(), st.characters(categories=["Cs"]), st.sampled_from("\ud83d\ude00a")))


@given(st.lists(ANY))
def test_repair_does_not_depend_on_the_pieces(pieces: list[str]) -> None:
    parts = SurrogateRepairer()
    joined = "".join([*(parts.push(piece) for piece in pieces), parts.finish()])
    assert joined == repair_surrogates("".join(pieces))
    assert joined.encode() == joined.encode("utf-8", "replace")
    assert repair_surrogates(joined) == joined


def test_two_halves_of_a_surrogate_pair_are_joined() -> None:
    parts = SurrogateRepairer()
    assert [parts.push("so \ud83d"), parts.push("\ude00 so"), parts.finish()] == ["so ", "\U0001f600 so", ""]
    assert repair_surrogates("a\ud83db") == "a\ufffdb"
    assert repair_surrogates("\ude00\ud83d") == "\ufffd\ufffd"


@pytest.mark.virtual_time
async def test_lone_surrogates_of_models_are_repaired(tmp_path: Path) -> None:
    answer = [
        "Hello \ud83d",
        "\ude00 there.",
        " I have a lone \ud83d",
        " half in me.",
        " And one more\udc00.",
    ]
    heard = Hears("what is\udc00 that", interim=("what\ud83d", "what is\ud83d"))
    async with Stage(tmp_path, stt=[heard], llm=[answer]) as stage:
        ada = await stage.agent()
        await stage.person()
        await stage.media.hear("anna", 1.0)
        said = await stage.said(ada)
        log = stage.session.log
        assert log is not None
        assert log.folder is not None
        assert said == "Hello there. I have a lone \ufffd half in me. And one more\ufffd."
        (finished,) = stage.of(LLMFinished)
        assert finished.text.startswith("Hello \U0001f600 there. I have a lone \ufffd half")
        (question,) = [e for e in stage.of(TranscriptFinal) if e.participant_id == "anna"]
        assert question.text == "what is\ufffd that"
        assert stage.of(TranscriptInterim)[0].text == "what\ufffd"
        assert log.flush()
        lines = (log.folder / "events.jsonl").read_text("utf-8").splitlines()
        assert said in {json.loads(line).get("text") for line in lines}
