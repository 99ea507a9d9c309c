"""The notebook's side: start a lobby from a cell, watch it live, change its models."""

from __future__ import annotations

from voicebot.workbench.workbench import Workbench

__all__ = ["Workbench"]
