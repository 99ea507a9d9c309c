"""Run a voice lobby where people and AI agents talk to each other, and look at what they said.

In a notebook:

    from voicebot import Workbench, load

    wb = Workbench()
    await wb.start()
    await wb.spawn("a grumpy lighthouse keeper")
    wb.panel()
    ...
    load("data/conversations").latency

The names below are the public API. Each is imported when it is first used, so that `import voicebot`
is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from voicebot.agent.models.models import Models as Models
    from voicebot.conversation.frames.latency import measure as measure
    from voicebot.conversation.log import ConversationLog as ConversationLog
    from voicebot.conversation.log import new_conversation as new_conversation
    from voicebot.conversation.reading.captions import srt as srt
    from voicebot.conversation.reading.captions import webvtt as webvtt
    from voicebot.conversation.reading.reader import Conversations as Conversations
    from voicebot.conversation.reading.reader import load as load
    from voicebot.errors import VoicebotError as VoicebotError
    from voicebot.events import Event as Event
    from voicebot.llm.base import LLM as LLM
    from voicebot.lobby.lobby import Lobby as Lobby
    from voicebot.persona.create import create_persona as create_persona
    from voicebot.persona.persona import Persona as Persona
    from voicebot.server.hosting import Hosting as Hosting
    from voicebot.settings import Settings as Settings
    from voicebot.settings import load_settings as load_settings
    from voicebot.stt.base import STT as STT
    from voicebot.tts.base import TTS as TTS
    from voicebot.tts.base import VoiceStyle as VoiceStyle
    from voicebot.workbench.workbench import Workbench as Workbench

_HOMES = {
    "ConversationLog": "voicebot.conversation.log",
    "Conversations": "voicebot.conversation.reading.reader",
    "Event": "voicebot.events",
    "Hosting": "voicebot.server.hosting",
    "LLM": "voicebot.llm.base",
    "Lobby": "voicebot.lobby.lobby",
    "Models": "voicebot.agent.models.models",
    "Persona": "voicebot.persona.persona",
    "STT": "voicebot.stt.base",
    "Settings": "voicebot.settings",
    "TTS": "voicebot.tts.base",
    "VoiceStyle": "voicebot.tts.base",
    "VoicebotError": "voicebot.errors",
    "Workbench": "voicebot.workbench.workbench",
    "create_persona": "voicebot.persona.create",
    "load": "voicebot.conversation.reading.reader",
    "load_settings": "voicebot.settings",
    "measure": "voicebot.conversation.frames.latency",
    "new_conversation": "voicebot.conversation.log",
    "srt": "voicebot.conversation.reading.captions",
    "webvtt": "voicebot.conversation.reading.captions",
}

__all__ = [*_HOMES, "__version__"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        value: Any = import_module("voicebot.server.version").__version__
    elif name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module 'voicebot' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
