"""What a language-model backend is: something that gives openai-agents a Model.

Our brain runs every agent through openai-agents (`agents.Runner`), so a backend only
has to make an object of openai-agents' `agents.models.interface.Model`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from voicebot.registry import Backend

if TYPE_CHECKING:
    from agents.models.interface import Model


@runtime_checkable
class LLM(Backend, Protocol):
    """A language model ready for openai-agents."""

    notice: str
    """Shown in the UI beside each agent that uses it; "" for a real language model."""

    def model(self) -> Model:
        """The model to give to `agents.Agent(model=...)`; may be shared."""
        ...
