"""Speech recognition on the fake media plane, in virtual time: no end of a turn is lost."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest

from voicebot.agent.hearing.recognition import RecognitionSettings, SpeechRecognition
from voicebot.agent.hearing.utterance import Utterance
from voicebot.agent.models.endpointing import EndOfTurn
from voicebot.agent.models.models import Models
from voicebot.conversation.log import ConversationLog
from voicebot.errors import ModelFailed
from voicebot.events import (
    EndpointCancelled,
    EndpointConfirmed,
    EndpointPredicted,
    ErrorEvent,
    Event,
    TranscriptFinal,
    TranscriptInterim,
    Word,
)
from voicebot.media import base as media
from voicebot.media.base import AwaitSilence, OpenHost
from voicebot.media.utterances import WINDOW_SECONDS
from voicebot.settings import Settings
from voicebot.stt.base import Transcription
from voicebot.testing.media import FakeMediaPlane
from voicebot.testing.models import Hears, ScriptedLLM, ScriptedSTT, ScriptedSTTStream, ScriptedTTS
from voicebot.turn.echo import Echo
from voicebot.turn.endpointing.policies import (
    DynamicEndpointing,
    EndpointDecision,
    Endpointing,
    FixedEndpointing,
    LearnedEndpointing,
    Pause,
)

pytestmark = pytest.mark.virtual_time

E = TypeVar("E", bound=Event)


class Ear:
    """Anna's speech recognition, and what it reported."""

    def __init__(self, stt: ScriptedSTT, endpointing: Endpointing, **more: Any) -> None:
        clock = asyncio.get_running_loop().time
        self.plane, self.stt = FakeMediaPlane(), stt
        self.deaf: set[type[media.Notice]] = set()
        """Notices that get lost on the way."""
        self.doubt: float | None = None
        """What the VAD says of the silences."""
        self.log = ConversationLog("test", None, clock=clock)
        self.turns: list[str] = []
        """What the recognition reported, in order."""
        self.drafts: list[Utterance] = []
        self.heard: list[Utterance] = []
        self.changed = asyncio.Event()
        self._numbers = itertools.count(1)
        settings = Settings(_env_file=None)  # type: ignore[call-arg]
        self.recognition = SpeechRecognition(
            "anna",
            self,
            RecognitionSettings(endpointing, **more),
            models=Models(settings, stt=stt, tts=ScriptedTTS(), llm=ScriptedLLM()),
            log=self.log,
            clock=clock,
        )

    def on_speech_began(self, participant_id: str) -> str:
        self.turns.append("begin")
        return f"turn-{self.turns.count('begin')}"

    def on_partial(self, participant_id: str, text: str) -> None:
        pass

    def on_draft(self, draft: Utterance, expects_more: bool) -> None:
        self.turns.append("drafted")
        self.drafts.append(draft)

    def on_speech_went_on(self, participant_id: str) -> None:
        self.turns.append("went on")

    def on_turn_ended(self, participant_id: str) -> None:
        self.turns.append("ended")

    def on_utterance(self, utterance: Utterance) -> None:
        self.turns.append("heard")
        self.heard.append(utterance)
        self.changed.set()

    def await_silence(self, participant_id: str, until: float) -> None:
        self.plane.send(AwaitSilence("h", participant_id, until))

    def detect_echo(self, text: str, start: float, end: float, words: Sequence[Word]) -> Echo:
        return Echo(0.0, text, "no agent could be heard")

    def names(self) -> list[str]:
        return ["Ada"]

    def new_id(self, what: str) -> str:
        return f"{what}-{next(self._numbers)}"

    def on_notice(self, notice: media.Notice) -> None:
        if type(notice) in self.deaf:
            return
        match notice:
            case media.VoiceActivityStarted():
                self.recognition.started(notice)
            case media.SpeechAudio():
                self.recognition.audio(notice)
            case media.VoiceActivityStopped():
                self.recognition.stopped(notice)
            case media.SilenceReached():
                self.recognition.silence(dataclasses.replace(notice, probability=self.doubt))

    async def utterances(self, count: int = 1) -> list[Utterance]:
        async with asyncio.timeout(60):
            while len(self.heard) < count:
                self.changed.clear()
                await self.changed.wait()
        return self.heard

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.log.events if isinstance(event, kind)]


@asynccontextmanager
async def ear(
    *script: str | Hears | Exception,
    endpointing: Endpointing | None = None,
    stt: ScriptedSTT | None = None,
    **more: Any,
) -> AsyncIterator[Ear]:
    current = Ear(stt or ScriptedSTT(script), endpointing or DynamicEndpointing(), **more)
    await current.plane.start(current.on_notice)
    current.plane.send(OpenHost("h", media.HearingSettings()))
    try:
        yield current
    finally:
        await current.recognition.aclose()
        await current.plane.close()
    current.stt.assert_consumed()


class Undrafted(ScriptedSTT):
    """A third party's recogniser, without `draft`."""

    def stream(self) -> ScriptedSTTStream:
        stream = super().stream()
        stream.draft = None  # type: ignore[assignment,method-assign]
        return stream


class Slow(ScriptedSTT):
    """Its drafts take some seconds (of the loop)."""

    def __init__(self, script: Sequence[str | Hears | Exception], seconds: float) -> None:
        super().__init__(script)
        self.seconds, self.given_up = seconds, 0
        self.asked: list[float] = []
        """When, by the loop's time."""

    def stream(self) -> ScriptedSTTStream:
        stream = super().stream()
        write = stream.draft

        async def draft() -> Transcription:
            self.asked.append(asyncio.get_running_loop().time())
            try:
                await asyncio.sleep(self.seconds)
            except asyncio.CancelledError:
                self.given_up += 1
                raise
            return await write()

        stream.draft = draft  # type: ignore[method-assign]
        return stream


# ---------------------------------------------------------------- how a turn ends


@pytest.mark.parametrize(
    ("text", "delay", "reason"),
    [
        ("What is the weather?", 0.3, "a complete question: 0.3 s"),
        ("the sea is deep", 0.5, "it may be complete: 0.5 s"),
        ("i like tea and", 1.5, "ends with 'and': 1.5 s"),
        ("um", 2.0, "ends with 'um': 2 s"),
        ("hey Ada", 1.2, "only Ada was called: 1.2 s"),
    ],
)
async def test_the_words_decide_how_much_silence_ends_the_turn(text: str, delay: float, reason: str) -> None:
    async with ear(text) as anna:
        await anna.plane.hear("anna", 1.0)
        (utterance,) = await anna.utterances()
        assert utterance.text == text
        (confirmed,) = anna.of(EndpointConfirmed)
        assert confirmed.delay_s == pytest.approx(delay, abs=0.01)
        assert (confirmed.reason, confirmed.text) == (reason, text)


async def test_a_draft_changes_the_decision_and_both_are_events() -> None:
    async with ear("What is it?") as anna:
        await anna.plane.hear("anna", 1.0)
        await anna.utterances()
        first, second = anna.of(EndpointPredicted)
        assert (first.delay_s, first.text, first.reason) == (0.5, "", "no words yet: 0.5 s")
        assert (second.delay_s, second.text) == (0.3, "What is it?")
        assert anna.of(TranscriptInterim)[-1].text == "What is it?"


async def test_a_draft_that_changes_little_is_no_event() -> None:
    async with ear("the sea is deep") as anna:
        await anna.plane.hear("anna", 1.0)
        await anna.utterances()
        assert len(anna.of(EndpointPredicted)) == 1


async def test_a_late_draft_ends_the_turn_at_once() -> None:
    async with ear(stt=Slow(["What is it?"], 0.32)) as anna:
        await anna.plane.hear("anna", 1.0)
        await anna.utterances()
        (written,), (confirmed,) = anna.of(TranscriptInterim), anna.of(EndpointConfirmed)
        assert confirmed.delay_s > 0.3
        assert confirmed.t == pytest.approx(written.t, abs=0.01)


async def test_a_partial_result_during_the_pause_is_used() -> None:
    hears = Hears("i like tea and", interim=["i", "i like", "i like tea"])
    async with ear(stt=Undrafted([hears])) as anna:
        speaking = asyncio.create_task(anna.plane.hear("anna", 1.0))
        await anna.plane.wait_for(media.VoiceActivityStopped)
        stream = anna.stt.streams[0]
        stream.interim = lambda: Transcription("i like tea and")  # type: ignore[method-assign]
        await speaking
        await anna.utterances()
        assert [e.text for e in anna.of(EndpointPredicted)] == ["i like tea", "i like tea and"]
        assert anna.of(EndpointConfirmed)[0].reason == "ends with 'and': 1.5 s"
        assert not anna.drafts


async def test_words_older_than_the_speech_are_not_trusted() -> None:
    hears = Hears("I like tea. And coffee.", interim=["I like tea."])
    async with ear(stt=Undrafted([hears])) as anna:
        await anna.plane.hear("anna", 3.0)
        await anna.utterances()
        reason = anna.of(EndpointConfirmed)[0].reason
        assert reason == "a complete sentence, the newest words are not known yet: 0.5 s"


async def test_a_draft_of_the_same_words_shows_that_none_is_missing() -> None:
    hears = Hears("Is it late?", interim=["Is it late?"])
    async with ear(hears) as anna:
        await anna.plane.hear("anna", 3.0)
        await anna.utterances()
        told = [e.reason for e in anna.of(EndpointPredicted)]
        assert told[0] == "a complete question, the newest words are not known yet: 0.5 s"
        assert anna.of(EndpointConfirmed)[0].reason == told[1] == "a complete question: 0.3 s"
        assert len(anna.of(TranscriptInterim)) == 1


async def test_a_draft_without_words_withdraws_a_wrong_interim() -> None:
    async with ear(Hears("", interim=["and"])) as anna:
        await anna.plane.hear("anna", 0.6)
        await anna.utterances()
        (confirmed,) = anna.of(EndpointConfirmed)
        assert (confirmed.reason, confirmed.text) == ("no words yet: 0.5 s", "")
        assert [draft.text for draft in anna.drafts] == [""]


async def test_an_uncertain_silence_gets_more_time_once() -> None:
    async with ear("What is it?") as anna:
        anna.doubt = 0.25
        await anna.plane.hear("anna", 1.0)
        await anna.utterances()
        (confirmed,) = anna.of(EndpointConfirmed)
        assert confirmed.reason == "a complete question, the silence is doubtful (speech at 0.25): 0.45 s"
        assert confirmed.delay_s == pytest.approx(0.45, abs=0.02)
        assert [e.delay_s for e in anna.of(EndpointPredicted)] == [0.5, 0.3, 0.45]


async def test_a_certain_silence_ends_the_turn() -> None:
    async with ear("What is it?") as anna:
        anna.doubt = 0.05
        await anna.plane.hear("anna", 1.0)
        await anna.utterances()
        assert anna.of(EndpointConfirmed)[0].reason == "a complete question: 0.3 s"


async def test_fixed_endpointing_needs_no_words() -> None:
    async with ear("i like tea and", endpointing=FixedEndpointing(0.7)) as anna:
        await anna.plane.hear("anna", 1.0)
        await anna.utterances()
        (confirmed,) = anna.of(EndpointConfirmed)
        assert (confirmed.delay_s, confirmed.reason) == (
            pytest.approx(0.7, abs=0.01),
            "fixed silence of 0.7 s",
        )


# ---------------------------------------------------------------- preemptive transcription


async def test_a_draft_has_the_ids_of_the_utterance() -> None:
    async with ear("What is it?") as anna:
        await anna.plane.hear("anna", 1.0)
        (utterance,) = await anna.utterances()
        (draft,) = anna.drafts
        assert (draft.turn_id, draft.utterance_id) == (utterance.turn_id, utterance.utterance_id)
        assert (draft.text, draft.end) == (utterance.text, utterance.end)
        assert anna.turns == ["begin", "drafted", "ended", "heard"]


@pytest.mark.parametrize(("known", "after"), [("i like tea and", 0.3), ("i like tea and coffee", 0.15)])
async def test_a_draft_waits_longer_after_half_a_sentence(known: str, after: float) -> None:
    stt = Slow([Hears("i like tea and coffee", interim=["i", "i like", "i like tea and"])], 0.01)
    async with ear(stt=stt) as anna:
        speaking = asyncio.create_task(anna.plane.hear("anna", 1.0))
        await anna.plane.wait_for(media.VoiceActivityStopped)
        stopped = asyncio.get_running_loop().time()
        stt.streams[0].interim = lambda: Transcription(known)  # type: ignore[method-assign]
        await speaking
        await anna.utterances()
        assert [at - stopped for at in stt.asked] == pytest.approx([after], abs=0.01)


async def test_speech_that_continues_withdraws_the_draft() -> None:
    async with ear("i like tea and coffee") as anna:
        await anna.plane.hear("anna", 1.0, -0.4, 1.0)
        await anna.utterances()
        assert anna.turns == ["begin", "drafted", "went on", "drafted", "ended", "heard"]
        (cancelled,) = anna.of(EndpointCancelled)
        assert cancelled.delay_s == pytest.approx(0.4, abs=WINDOW_SECONDS)
        assert cancelled.text == "i like tea and coffee"
        assert cancelled.reason == "speech went on"


async def test_a_draft_in_progress_is_cancelled_when_speech_continues() -> None:
    stt = Slow(["one two"], 1.0)
    async with ear(stt=stt) as anna:
        await anna.plane.hear("anna", 1.0, -0.4, 1.0)
        await anna.utterances()
        assert stt.given_up == 1
        assert len(anna.drafts) == 0


async def test_the_final_transcript_waits_for_a_draft_in_progress() -> None:
    stt = Slow(["one two"], 1.0)
    async with ear(stt=stt) as anna:
        await anna.plane.hear("anna", 1.0)
        await anna.utterances()
        assert stt.given_up == 0
        assert anna.turns == ["begin", "ended", "heard"]  # too late to prepare an answer
        begun, final = anna.of(EndpointPredicted)[0], anna.of(TranscriptFinal)[0]
        assert final.t - begun.t == pytest.approx(1.0, abs=0.01)


async def test_a_draft_that_has_not_begun_does_not_delay_the_final_transcript() -> None:
    hears = Hears("i like tea and", interim=["i", "i like", "i like tea and"])
    async with ear(hears) as anna:
        speaking = asyncio.create_task(anna.plane.hear("anna", 1.0))
        await anna.plane.wait_for(media.VoiceActivityStopped)
        await asyncio.sleep(0)
        anna.recognition.lost()
        await anna.utterances()
        (confirmed,), (final,) = anna.of(EndpointConfirmed), anna.of(TranscriptFinal)
        assert final.t == pytest.approx(confirmed.t, abs=0.01)
        assert not anna.drafts
        await speaking


async def test_a_draft_that_hangs_does_not_block_the_final_transcript() -> None:
    async with ear(stt=Slow(["one two"], 1e3)) as anna:
        await anna.plane.hear("anna", 1.0)
        (utterance,) = await anna.utterances()
        assert utterance.text == "one two"


async def test_a_failed_draft_does_not_affect_the_final_transcript() -> None:
    stt = ScriptedSTT(["one two"])
    async with ear(stt=stt) as anna:
        speaking = asyncio.create_task(anna.plane.hear("anna", 1.0))
        await anna.plane.wait_for(media.VoiceActivityStarted)

        async def fail() -> Transcription:
            raise ModelFailed("no drafts today")

        stt.streams[0].draft = fail  # type: ignore[method-assign]
        await speaking
        (utterance,) = await anna.utterances()
        assert utterance.text == "one two"
        assert not anna.drafts
        assert not anna.of(ErrorEvent)


async def test_an_empty_draft_is_reported_too() -> None:
    async with ear("") as anna:
        await anna.plane.hear("anna", 0.3)
        (utterance,) = await anna.utterances()
        assert utterance.text == ""
        assert anna.turns == ["begin", "drafted", "ended", "heard"]


# ---------------------------------------------------------------- the speaker's habits


async def test_pauses_of_a_speaker_are_remembered() -> None:
    async with ear("the sea is deep", "and wide") as anna:
        await anna.plane.hear("anna", 1.0, -0.3, 1.0)
        await anna.utterances()
        await anna.plane.hear("anna", 1.0, after=5.0)
        await anna.utterances(2)
        assert anna.recognition.statistics.pauses == (pytest.approx(0.3, abs=WINDOW_SECONDS),)
        assert anna.recognition.statistics.turns == 2


async def test_pauses_after_unfinished_sentences_are_not_counted() -> None:
    async with ear("i like tea and") as anna:
        await anna.plane.hear("anna", 1.0, -1.2, 1.0)
        await anna.utterances()
        assert anna.recognition.statistics.pauses == ()


async def test_speech_right_after_an_endpoint_counts_as_a_pause() -> None:
    async with ear("The sea is deep.", "It is wide.") as anna:
        await anna.plane.hear("anna", 1.0, -0.6, 1.0)
        await anna.utterances(2)
        assert anna.recognition.statistics.pauses == (pytest.approx(0.6, abs=0.02),)
        assert anna.recognition.statistics.turns == 1


async def test_the_delay_adapts_to_somebody_who_thinks_aloud() -> None:
    async with ear(*["the sea is deep"] * 9) as anna:
        for _ in range(6):
            await anna.plane.hear("anna", 0.5, -0.7, 0.5)
            await asyncio.sleep(5)
        ends = [e.reason for e in anna.of(EndpointConfirmed)]
        assert ends[0] == "it may be complete: 0.5 s"
        assert ends[-1].startswith("it may be complete, this speaker makes long pauses (x1.")
        assert len(ends) == len(anna.heard) == 8  # two of six turns fell into two each
        assert len(anna.of(EndpointCancelled)) == 4
        anna.stt.stream()


# ---------------------------------------------------------------- no end is lost


async def test_a_silence_without_a_notice_still_ends_the_turn() -> None:
    async with ear("the sea is deep") as anna:
        anna.deaf = {media.SilenceReached}
        await anna.plane.hear("anna", 1.0)
        (utterance,) = await anna.utterances()
        assert utterance.text == "the sea is deep"
        (confirmed,) = anna.of(EndpointConfirmed)
        assert confirmed.reason == "it may be complete: 0.5 s; the media plane did not answer"
        assert confirmed.delay_s == pytest.approx(2.5, abs=0.05)
        asked = [c.until for c in anna.plane.commanded(media.AwaitSilence)]
        assert len(asked) == 2
        assert asked[0] == asked[1]


async def test_a_notice_of_silence_after_a_repeated_request_counts() -> None:
    async with ear("the sea is deep") as anna:
        anna.deaf = {media.SilenceReached}
        await anna.plane.hear("anna", 1.0)
        await anna.plane.wait_for(media.SilenceReached)
        anna.deaf = set()
        await anna.utterances()
        (confirmed,) = anna.of(EndpointConfirmed)
        assert confirmed.reason == "it may be complete: 0.5 s"
        assert confirmed.delay_s == pytest.approx(1.5, abs=0.05)


async def test_a_notice_for_an_earlier_shorter_wait_does_not_end_the_turn() -> None:
    async with ear(stt=Slow(["i like tea and"], 0.05)) as anna:
        await anna.plane.hear("anna", 1.0)
        spoken = anna.plane.notices[-1].time  # type: ignore[union-attr]
        anna.recognition.silence(
            media.SilenceReached("h", "anna", spoken + 0.5)
        )  # it had been asked for before
        assert not anna.of(EndpointConfirmed)
        await anna.utterances()
        assert anna.of(EndpointConfirmed)[0].delay_s == pytest.approx(1.5, abs=0.02)


async def test_silence_without_an_utterance_is_ignored() -> None:
    async with ear() as anna:
        anna.recognition.silence(media.SilenceReached("h", "anna", 5.0))
        assert not anna.log.events


@pytest.mark.parametrize("pause", [0.0, -0.3])
async def test_a_lost_connection_ends_the_turn(pause: float) -> None:
    async with ear("one two") as anna:
        speaking = asyncio.create_task(anna.plane.hear("anna", 1.0, pause, 3.0 if not pause else -0.1))
        await asyncio.sleep(1.25)
        anna.recognition.lost()
        (utterance,) = await anna.utterances()
        (confirmed,) = anna.of(EndpointConfirmed)
        assert confirmed.reason == "the connection ended"
        assert utterance.end - utterance.start == pytest.approx(
            1.0 if pause else 1.25, abs=WINDOW_SECONDS + 0.01
        )
        anna.recognition.lost()
        await speaking
        assert len(anna.of(EndpointConfirmed)) == 1


async def test_a_recogniser_that_hangs_loses_one_utterance() -> None:
    hang = Hears("never", gate=asyncio.Event())
    async with ear(hang, "the next") as anna:
        await anna.plane.hear("anna", 1.0)
        await anna.plane.hear("anna", 1.0, after=2.0)
        lost, heard = await anna.utterances(2)
        assert (lost.text, heard.text) == ("", "the next")
        (error,) = anna.of(ErrorEvent)
        assert "no text within 30 s" in error.message


class Broken:
    """Somebody's own endpointing."""

    def __init__(self, answer: float | Exception) -> None:
        self._answer = answer

    def decide(self, pause: Pause) -> EndpointDecision:
        if isinstance(self._answer, Exception):
            raise self._answer
        return EndpointDecision(self._answer, "mine")


@pytest.mark.parametrize("answer", [ZeroDivisionError("oh"), float("nan"), float("inf"), -1.0, 60.0])
async def test_endpointing_that_fails_is_replaced_by_a_fixed_delay(answer: float | Exception) -> None:
    async with ear("one two", endpointing=Broken(answer)) as anna:
        await anna.plane.hear("anna", 1.0)
        await anna.utterances()
        (confirmed,) = anna.of(EndpointConfirmed)
        assert confirmed.reason == "endpointing failed (see the log): fixed silence of 0.5 s"


async def test_closing_during_a_pause_cancels_everything() -> None:
    stt = Slow(["one two"], 1.0)
    async with ear(stt=stt) as anna:
        await anna.plane.hear("anna", 1.0)
        await anna.recognition.aclose()
        assert stt.given_up == 1
        assert stt.streams[0].cancelled
        await asyncio.sleep(10)
        assert not anna.of(EndpointConfirmed)


async def test_closing_before_the_final_transcript_frees_the_recogniser() -> None:
    stt = Slow(["one two", "three"], 60.0)
    async with ear(stt=stt) as anna:
        await anna.plane.hear("anna", 1.0)
        await anna.plane.hear("anna", 1.0, after=2.0)
        await anna.plane.wait_for(media.SilenceReached, count=2)
        assert len(anna.of(EndpointConfirmed)) == 2
        await anna.recognition.settle(2.0)
        await anna.recognition.aclose()
        assert [stream.cancelled for stream in stt.streams] == [True, True]
        assert not anna.heard


# ---------------------------------------------------------------- a learned model


class Guess:
    """Stands for the learned model: says the next of these, after a while."""

    name = "onnx:guess"

    def __init__(self, *answers: float | Exception, after: float = 0.05) -> None:
        self.answers, self.after = list(answers), after
        self.asked: list[float] = []

    async def probability(self, pcm: Any) -> float:
        self.asked.append(len(pcm) / 16_000)
        await asyncio.sleep(self.after)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def asking(anna: Ear, guess: Guess) -> None:
    model = EndOfTurn(lambda: guess, anna.log.emit)  # type: ignore[arg-type,return-value]
    anna.recognition._settings = dataclasses.replace(anna.recognition._settings, end_of_turn=model)


async def test_a_learned_model_decides_once_it_answers() -> None:
    guess = Guess(0.1, 0.9)
    async with ear("the sea is deep", endpointing=LearnedEndpointing()) as anna:
        asking(anna, guess)
        await anna.plane.hear("anna", 1.0, -1.0, 1.0)
        await anna.utterances()
        told = [(e.delay_s, e.probability) for e in anna.of(EndpointPredicted)]
        assert told == [(0.5, None), (3.0, 0.1), (0.5, None), (0.3, 0.9)]
        (confirmed,) = anna.of(EndpointConfirmed)
        assert confirmed.probability == 0.9
        assert confirmed.reason == "the model finds the turn complete (0.90): 0.3 s"
        assert anna.of(EndpointCancelled)[0].probability == 0.1
        assert guess.asked == [pytest.approx(1.15, abs=0.1), pytest.approx(3.15, abs=0.1)]


async def test_a_learned_model_gets_at_most_eight_seconds() -> None:
    guess = Guess(0.9)
    async with ear("a long story", endpointing=LearnedEndpointing()) as anna:
        asking(anna, guess)
        await anna.plane.hear("anna", 12.0)
        await anna.utterances()
        assert guess.asked == [8.0]


async def test_words_decide_if_the_learned_model_fails_which_is_reported_once() -> None:
    guess = Guess(ModelFailed("out of memory."), ModelFailed("out of memory."))
    async with ear("What is it?", "What is it?", endpointing=LearnedEndpointing()) as anna:
        asking(anna, guess)
        await anna.plane.hear("anna", 1.0)
        await anna.plane.hear("anna", 1.0, after=3.0)
        await anna.utterances(2)
        assert [e.reason for e in anna.of(EndpointConfirmed)] == ["a complete question: 0.3 s"] * 2
        (error,) = anna.of(ErrorEvent)
        assert error.message == "out of memory. Turns are ended by their words and pauses instead."
        assert (error.code, error.participant_id) == ("model_failed", "anna")


async def test_words_decide_if_the_learned_model_does_not_answer() -> None:
    guess = Guess(0.1, after=60.0)
    async with ear("i like tea and", endpointing=LearnedEndpointing()) as anna:
        asking(anna, guess)
        await anna.plane.hear("anna", 1.0, -1.4, 1.0, -1.4, 1.0)
        await anna.utterances()
        assert anna.of(EndpointConfirmed)[0].reason == "ends with 'and': 1.5 s"
