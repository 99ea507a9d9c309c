"""Short sentences to say while a slow tool runs, so that people know that the agent is still there."""

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
    """The fillers of one agent. None comes twice in a row, and each agent starts with another one.

    `own` replaces the sentences of the agent's language, for example for a pirate. In a language without
    sentences the agent says nothing.
    """

    def __init__(self, agent_id: str) -> None:
        self.own: Sequence[str] = ()
        self._next = zlib.crc32(agent_id.encode())
        self._last = ""

    def next(self, language: str) -> str:
        """The next sentence; "" if there is none. `language` is an ISO 639-1 code."""
        phrases = self.own or PHRASES.get(language.lower()[:2], ())
        for _ in phrases[:2]:  # take the second one if the first was said last
            self._next += 1
            phrase = phrases[self._next % len(phrases)]
            if phrase != self._last or len(phrases) == 1:
                self._last = phrase
                return phrase
        return ""


class Filler:
    """Watches the tools of one turn, and says one sentence whenever they keep people waiting.

    Args:
        speech: The speech of this turn. Nobody waits while it is heard or about to be.
        after: Seconds of silence before the filler, while a tool runs; 0 means no fillers.
        pending: Returns whether text is waiting for synthesis.
        say: Speaks a sentence; called only if nothing is pending.
        sentence: Returns the next sentence; "" if there is none.
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

    def on_tool(self, report: ToolCall | ToolResult) -> None:
        """Note that a tool of this turn begins or ends. Never blocks."""
        if isinstance(report, ToolCall):
            self._calls.add(report.call_id)
            if self._task is None and self._after > 0:
                self._task = asyncio.get_running_loop().create_task(
                    self._watch(), name=f"filler of {self._speech.speech_id}"
                )
        else:
            self._calls.discard(report.call_id)
            if not self._calls:
                self._stop()

    def close(self) -> None:
        """Say no more fillers."""
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
        """Clock time at which the agent falls silent, as far as it is known."""
        speech, pieces = self._speech, self._speech.pieces
        unmade = any(not (piece.synthesized or piece.silent) for piece in pieces)
        if self._pending() or unmade or (speech.said and speech.started is None):
            return self._clock()  # something is about to be heard
        if speech.started is None:
            return float("-inf")
        end = speech.started + sum(piece.queued_s for piece in pieces)
        # the last filler began in a silence, which the sum does not contain
        return max(end, self._said + pieces[-1].queued_s)
