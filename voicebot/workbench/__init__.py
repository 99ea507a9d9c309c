"""The workbench in a notebook: it starts a lobby, shows it live, and swaps its models."""

from __future__ import annotations

from voicebot.workbench.workbench import Workbench

__all__ = ["Workbench"]
