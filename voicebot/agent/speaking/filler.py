"""A short sentence while a slow tool runs, so that nobody wonders whether the agent is still there."""

# ruff: noqa: RUF001  (other languages have other letters)
from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Sequence

from voicebot.agent.speaking.speech import Speech
from voicebot.agent.tools.function_tools import ToolCall, ToolResult
from voicebot.clock import Clock

PHRASES: dict[str, tuple[str, ...]] = {
    "en": ("One moment, I am looking that up.", "Let me check.", "Just a second.", "I am on it."),
    "de": ("Einen Moment, ich sehe nach.", "Ich schaue kurz nach.", "Einen Augenblick, bitte.", "Gleich."),
    "fr": ("Un instant, je regarde.", "Je vérifie.", "Une petite seconde.", "Je m'en occupe."),
    "es": ("Un momento, lo estoy mirando.", "Déjame comprobarlo.", "Un segundo.", "Ya voy."),
    "it": ("Un momento, sto guardando.", "Controllo subito.", "Un attimo.", "Ci sono quasi."),
    "pt": ("Um momento, estou a ver.", "Deixe-me verificar.", "Só um segundo.", "Já vejo."),
    "nl": ("Een ogenblik, ik zoek het op.", "Ik kijk het even na.", "Een momentje.", "Ik ben ermee bezig."),
    "pl": ("Chwileczkę, sprawdzam.", "Już patrzę.", "Momencik.", "Zaraz zobaczę."),
    "sv": ("Ett ögonblick, jag kollar.", "Jag ska se efter.", "Vänta lite.", "Strax."),
    "tr": ("Bir dakika, bakıyorum.", "Hemen kontrol ediyorum.", "Bir saniye.", "Hemen bakıyorum."),
    "ru": ("Минутку, я смотрю.", "Сейчас проверю.", "Одну секунду.", "Уже смотрю."),
    "zh": ("稍等，我查一下。", "让我看看。", "请稍等。", "马上就好。"),
    "ja": (
        "少々お待ちください、調べています。",
        "確認しますね。",
        "ちょっと待ってください。",
        "すぐ調べます。",
    ),
}


class Fillers:
    """What one agent says: never the same sentence twice in a row, and not in step with other agents.

    `own` are sentences of the agent's own, such as a pirate's, instead of those of its language; a language
    that has none is not spoken in the meantime, rather than with another language's words.
    """

    def __init__(self, agent_id: str) -> None:
        self.own: Sequence[str] = ()
        self._next = zlib.crc32(agent_id.encode())
        self._last = ""

    def next(self, language: str) -> str:
        """The next sentence; "" when there is none. `language` is an ISO 639-1 code."""
        phrases = self.own or PHRASES.get(language.lower()[:2], ())
        for _ in phrases[:2]:  # the second one follows the first when that was the last one said
            self._next += 1
            phrase = phrases[self._next % len(phrases)]
            if phrase != self._last or len(phrases) == 1:
                self._last = phrase
                return phrase
        return ""


class Filler:
    """Watches one turn's tools and says one sentence for each time that they keep people waiting.

    Args:
        speech: Of this turn: while it is heard, or about to be, nobody is kept waiting.
        after: Seconds of silence with a tool at work; 0: never.
        pending: Text waits to be made into sound.
        say: Makes the voice say a sentence; nothing is pending then.
        sentence: Gives the next sentence; "" when there is none.
    """

    def __init__(
        self,
        speech: Speech,
        *,
        after: float,
        clock: Clock,
        pending: Callable[[], bool],
        say: Callable[[str], None],
        sentence: Callable[[], str],
    ) -> None:
        self._speech, self._after, self._clock = speech, after, clock
        self._pending, self._say, self._sentence = pending, say, sentence
        self._calls: set[str] = set()
        self._task: asyncio.Task[None] | None = None
        self._said = float("-inf")

    def on_tool(self, told: ToolCall | ToolResult) -> None:
        """Pass on what `Generation` tells of its tools. Never waits."""
        if isinstance(told, ToolCall):
            self._calls.add(told.call_id)
            if self._task is None and self._after > 0:
                self._task = asyncio.get_running_loop().create_task(
                    self._watch(), name=f"filler of {self._speech.speech_id}"
                )
        else:
            self._calls.discard(told.call_id)
            if not self._calls:
                self._stop()

    def close(self) -> None:
        """The turn is over, or was cancelled."""
        self._calls.clear()
        self._stop()

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _watch(self) -> None:
        began = self._clock()
        while True:
            wait = max(began, self._heard_until()) + self._after - self._clock()
            if wait <= 0:
                break
            await asyncio.sleep(wait)
        if text := self._sentence():
            self._said = self._clock()
            self._say(text)

    def _heard_until(self) -> float:
        """Clock time at which the agent falls silent, as far as is known."""
        speech, pieces = self._speech, self._speech.pieces
        unmade = any(not (piece.synthesized or piece.silent) for piece in pieces)
        if self._pending() or unmade or (speech.said and speech.started is None):
            return self._clock()  # something is about to be heard
        if speech.started is None:
            return float("-inf")
        end = speech.started + sum(piece.queued_s for piece in pieces)
        # what was said last began when nothing else was heard: there was a gap before it
        return max(end, self._said + pieces[-1].queued_s)
