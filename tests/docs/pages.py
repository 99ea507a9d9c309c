"""The pages that are tested, and how to read them."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
FIGURES = (ROOT / "tests/bench/figures.md").read_text("utf-8")
OPERATING = (ROOT / "voicebot/server/operating.md").read_text("utf-8")


def fenced(text: str, language: str) -> list[str]:
    """The code blocks of this language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
