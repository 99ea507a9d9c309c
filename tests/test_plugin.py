"""A backend in a package of its own: found by its entry point, loaded by its name."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from voicebot.agent.models.choose import choose
from voicebot.errors import MissingDependency, ModelLoadError, UnknownModel
from voicebot.registry import backend_class, load_backend, providers
from voicebot.settings import Settings
from voicebot.tts.base import TTS, VoiceStyle

CONTRIBUTING = Path(__file__).parents[1] / "CONTRIBUTING.md"
settings = Settings(_env_file=None)  # type: ignore[call-arg]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages, first on the path."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def install(site: Path, module: str, source: str, points: str, role: str = "tts") -> None:
    """What an installer leaves behind: the module and its metadata."""
    (site / f"{module}.py").write_text(source)
    info = site / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[voicebot.{role}]\n{points}\n")


def documented(language: str) -> str:
    """The example of that language in "Adding a backend"."""
    section = CONTRIBUTING.read_text(encoding="utf-8").partition("## Adding a backend")[2]
    return section.partition(f"```{language}\n")[2].partition("```")[0]


async def test_the_documented_backend_is_found_and_works(site: Path) -> None:
    project = tomllib.loads(documented("toml"))["project"]
    point = project["entry-points"]["voicebot.tts"]["beep"]
    install(site, "voicebot_beep", documented("python"), f"beep = {point}")
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


BROKEN_AT_LOAD = """
from voicebot.registry import Availability, no_progress

class Engine:
    name = "engine"
    notice = ""
    fails = True
    known_models = classmethod(lambda cls, settings: ())
    availability = classmethod(lambda cls, model, settings: Availability("ready", "has an engine"))

    @classmethod
    async def load(cls, model, settings, progress=no_progress):
        if cls.fails:
            raise TimeoutError("the engine is cold")
        return cls()

    async def aclose(self):
        pass
"""


async def test_whatever_a_plugin_raises_is_a_clear_error(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(site, "voicebot_engine", BROKEN_AT_LOAD, "engine = voicebot_engine:Engine")
    with pytest.raises(ModelLoadError, match=r"engine:x cannot be loaded: the engine is cold\."):
        await load_backend("tts", "engine:x", settings)
    monkeypatch.setenv("PATH", "")  # no flite
    choice, _ = await choose("tts", settings.model_copy(update={"download_timeout": 0.0}))
    assert choice.spec == "espeak:en-us"
    assert choice.reason.startswith("the built-in one, because ")
    assert "engine cannot be loaded: the engine is cold" in choice.reason
    del sys.modules["voicebot_engine"]


async def test_a_language_model_of_another_package_comes_before_the_offline_one(site: Path) -> None:
    source = BROKEN_AT_LOAD.replace("fails = True", "fails = False")
    install(site, "voicebot_engine", source, "engine = voicebot_engine:Engine", "llm")
    choice, _ = await choose("llm", settings)
    assert (choice.spec, choice.reason) == ("engine", "the best that is ready: has an engine")
    del sys.modules["voicebot_engine"]


def test_an_unknown_provider_lists_the_known_ones_and_the_nearest() -> None:
    with pytest.raises(UnknownModel, match=r"Did you mean piper\?.*espeak, flite, openai, piper"):
        backend_class("tts", "pipr")
