from __future__ import annotations

import subprocess
import sys

import pytest

import voicebot

PUBLIC = {
    "ConversationLog",
    "Conversations",
    "Event",
    "Hosting",
    "LLM",
    "Lobby",
    "Models",
    "Persona",
    "STT",
    "Settings",
    "TTS",
    "VoiceStyle",
    "VoicebotError",
    "Workbench",
    "__version__",
    "create_persona",
    "load",
    "load_settings",
    "measure",
    "new_conversation",
    "srt",
    "webvtt",
}


def test_the_public_names_are_exactly_these() -> None:
    assert set(voicebot.__all__) == PUBLIC
    assert set(dir(voicebot)) >= PUBLIC


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_every_public_name_is_there_and_documented(name: str) -> None:
    value = getattr(voicebot, name)
    assert name == "__version__" or value.__doc__


def test_an_unknown_name_raises_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        _ = voicebot.nonsense


def test_the_import_is_light() -> None:
    heavy = ["aiortc", "fastapi", "pandas", "agents", "anywidget", "av", "numpy", "pydantic", "onnxruntime"]
    program = f"import sys, voicebot; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"


def test_the_server_starts_without_what_only_notebooks_need() -> None:
    heavy = ["pandas", "pyarrow", "plotly", "ipywidgets", "anywidget"]
    program = f"import sys, voicebot.server.hosting; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"


def test_settings_and_errors_import_no_media() -> None:
    heavy = ["aiortc", "fastapi", "uvicorn", "ipywidgets", "anywidget", "agents"]
    program = (
        "import sys, voicebot, voicebot.conversation.log; voicebot.load_settings; voicebot.Event;"
        f" print([m for m in {heavy} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"
