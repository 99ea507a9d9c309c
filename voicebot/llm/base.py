"""The interface of a language-model backend.

Every agent runs through openai-agents (`agents.Runner`), so a backend only has to provide an
`agents.models.interface.Model`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from voicebot.registry import Backend

if TYPE_CHECKING:
    from agents.models.interface import Model


@runtime_checkable
class LLM(Backend, Protocol):
    """The Protocol of a language-model backend, for openai-agents."""

    notice: str
    """What people should know about each agent that uses it; "" for a real language model."""

    def model(self) -> Model:
        """Return the model for `agents.Agent(model=...)`. Several agents may share it."""
