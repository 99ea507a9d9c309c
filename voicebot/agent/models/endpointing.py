"""Endpointing from the settings, and the learned end-of-turn model in a conversation."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from voicebot.agent.models.endpoint_model import SAMPLES, EndOfTurnModel
from voicebot.errors import ModelFailed
from voicebot.events import Emit, ErrorEvent
from voicebot.settings import Settings
from voicebot.turn.endpointing.policies import (
    DynamicEndpointing,
    Endpointing,
    FixedEndpointing,
    LearnedEndpointing,
)
from voicebot.turn.endpointing.settings import EndpointingSettings

logger = logging.getLogger(__name__)

ANSWER_WITHIN = 2.0
"""Seconds to wait for a learned model. An inference takes 10 to 100 ms; after 2 s the words have decided."""


def constants_of(settings: Settings) -> EndpointingSettings:
    """The constants of endpointing. The bounds are widened if they do not include ENDPOINT_DELAY."""
    delay = settings.endpoint_delay
    return EndpointingSettings(
        min_delay=min(settings.endpoint_min_delay, delay),
        delay=delay,
        max_delay=max(settings.endpoint_max_delay, delay),
    )


def endpointing_of(settings: Settings) -> Endpointing:
    """The kind of endpointing that ENDPOINTING names."""
    kind = settings.endpointing.partition(":")[0]
    if kind == "fixed":
        return FixedEndpointing(settings.endpoint_delay)
    if kind == "onnx":
        return LearnedEndpointing(constants_of(settings))
    return DynamicEndpointing(constants_of(settings))


def model_path(settings: Settings) -> str:
    """The file of the learned model that ENDPOINTING names; "" if it names none."""
    kind, _, path = settings.endpointing.partition(":")
    return path if kind == "onnx" else ""


class EndOfTurn:
    """Asks the learned model, if there is one. Without its answer, the words and pauses decide."""

    def __init__(self, model: Callable[[], EndOfTurnModel | None], emit: Emit) -> None:
        self._model, self._emit = model, emit
        self._told = False

    @property
    def wanted(self) -> bool:
        """Whether there is a learned model to ask."""
        return self._model() is not None

    async def probability(self, pcm: NDArray[np.int16], participant_id: str, turn_id: str) -> float | None:
        """The probability from 0 to 1 that the turn is complete; None without a model or after a failure.

        Only the first failure is an event. `pcm` is int16 of shape (n,), mono, 16 kHz.
        """
        model = self._model()
        if model is None:
            return None
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                return await model.probability(pcm)
        except ModelFailed as error:
            self._failed(error.message, participant_id, turn_id)
        except TimeoutError:
            self._failed(f"{model.name} gave no answer within {ANSWER_WITHIN:g} s.", participant_id, turn_id)
        return None

    def _failed(self, message: str, participant_id: str, turn_id: str) -> None:
        logger.warning("End of turn: %s", message)
        if not self._told:
            self._told = True
            self._emit(
                ErrorEvent(
                    participant_id=participant_id,
                    turn_id=turn_id,
                    code="model_failed",
                    message=f"{message} Turns are ended by their words and pauses instead.",
                    retryable=True,
                )
            )


class Tail:
    """The last 8 s of an utterance for a learned model: int16, mono, 16 kHz."""

    def __init__(self) -> None:
        self._parts: deque[NDArray[np.int16]] = deque()
        self._samples = 0

    def push(self, pcm: NDArray[np.int16]) -> None:
        """Add samples: int16 of shape (n,), mono, 16 kHz."""
        self._parts.append(pcm)
        self._samples += len(pcm)
        while self._samples - len(self._parts[0]) >= SAMPLES:
            self._samples -= len(self._parts.popleft())

    def samples(self) -> NDArray[np.int16]:
        """The last 8 s, or all samples if there are fewer; int16 of shape (n,)."""
        parts = [*self._parts] or [np.zeros(0, np.int16)]
        return np.concatenate(parts)[-SAMPLES:]
