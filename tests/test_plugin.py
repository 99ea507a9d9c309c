"""A backend in a package of its own: found by its entry point, loaded by its name."""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest

from voicebot.errors import MissingDependency, ModelLoadError, UnknownModel
from voicebot.registry import backend_class, load_backend, providers
from voicebot.settings import Settings
from voicebot.tts.base import TTS, VoiceStyle

PLUGIN = """
    import numpy as np

    from voicebot.errors import UnknownModel
    from voicebot.registry import Availability, no_progress
    from voicebot.tts.base import TTSCapabilities


    class BeepTTS:
        capabilities = TTSCapabilities(streaming=False)
        sample_rate = 16_000

        def __init__(self, pitch):
            self.name = f"beep:{pitch}"
            self._pitch = pitch

        @classmethod
        def known_models(cls, settings):
            return ("440",)

        @classmethod
        def availability(cls, model, settings):
            return Availability("ready", "a sine wave")

        @classmethod
        async def load(cls, model, settings, progress=no_progress):
            if model and not model.isdigit():
                raise UnknownModel(f"{model!r} is no pitch.", hint="Give a number of Hz.")
            return cls(int(model or 440))

        def voices(self):
            return ("beep",)

        async def synthesize(self, text, style):
            time = np.arange(len(text) * 800) / self.sample_rate
            yield (np.sin(2 * np.pi * self._pitch * time) * 8000 * style.volume).astype(np.int16)

        async def aclose(self):
            pass
"""
settings = Settings(_env_file=None)  # type: ignore[call-arg]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages, first on the path."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def install(site: Path, module: str, source: str, points: str) -> None:
    """What an installer leaves behind: the module and its metadata."""
    (site / f"{module}.py").write_text(dedent(source))
    info = site / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[voicebot.tts]\n{points}\n")


async def test_a_third_partys_backend_is_found_and_works(site: Path) -> None:
    install(site, "voicebot_beep", PLUGIN, "beep = voicebot_beep:BeepTTS")
    assert "beep" in providers("tts")
    assert "voicebot_beep" not in sys.modules  # nothing is imported before it is named
    tts = await load_backend("tts", "beep:220", settings)
    assert isinstance(tts, TTS)
    assert tts.name == "beep:220"
    (pcm,) = [pcm async for pcm in tts.synthesize("hello", VoiceStyle())]
    assert pcm.dtype == np.int16
    assert len(pcm) == 4000
    with pytest.raises(UnknownModel, match="Give a number"):
        await load_backend("tts", "beep:low", settings)
    del sys.modules["voicebot_beep"]


@pytest.mark.parametrize(
    ("source", "error", "says"),
    [
        ("import no_such_engine", MissingDependency, "no_such_engine.*Install"),
        ("raise RuntimeError('half written')", ModelLoadError, "fails on import: half written"),
        (
            "class BeepTTS: pass",
            ModelLoadError,
            "has no known_models, availability, load, aclose.*CONTRIBUTING",
        ),
        ("x = 1", ModelLoadError, "BeepTTS"),
    ],
)
def test_a_broken_plugin_is_a_clear_error(site: Path, source: str, error: type[Exception], says: str) -> None:
    install(site, "voicebot_broken", source, "broken = voicebot_broken:BeepTTS")
    with pytest.raises(error, match=says):
        backend_class("tts", "broken")
    assert "espeak" in providers("tts")  # the others are not touched
    assert backend_class("tts", "espeak").__name__ == "EspeakTTS"
    sys.modules.pop("voicebot_broken", None)


def test_an_unknown_provider_lists_the_known_ones_and_the_nearest() -> None:
    with pytest.raises(UnknownModel, match=r"Did you mean piper\?.*espeak, flite, openai, piper"):
        backend_class("tts", "pipr")
