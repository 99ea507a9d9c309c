from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Self

import pytest

from voicebot import registry
from voicebot.errors import MissingDependency, ModelLoadError, UnknownModel
from voicebot.registry import Availability, Progress, no_progress
from voicebot.settings import Settings, load_settings


class Parrot:
    """A backend as a third party would write one."""

    def __init__(self, model: str) -> None:
        self.name = f"parrot:{model}"

    @classmethod
    def known_models(cls, settings: Settings) -> tuple[str, ...]:
        return ("green",)

    @classmethod
    def availability(cls, model: str, settings: Settings) -> Availability:
        return Availability("ready", "in the tree")

    @classmethod
    async def load(cls, model: str, settings: Settings, progress: Progress = no_progress) -> Self:
        progress("catching the parrot", 0.5)
        return cls(model or "green")

    async def aclose(self) -> None:
        pass


class Halfway:
    @classmethod
    def known_models(cls, settings: Settings) -> tuple[str, ...]:
        return ()


@pytest.fixture
def announced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Entry points of the kinds that third parties get wrong."""
    (tmp_path / "needs_more.py").write_text("import a_package_that_is_not_there\n")
    (tmp_path / "explodes.py").write_text("raise RuntimeError('boom')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "parrots", sys.modules[__name__])
    targets = {
        "parrot": "parrots:Parrot",
        "halfway": "parrots:Halfway",
        "lonely": "needs_more:Thing",
        "bomb": "explodes:Thing",
        "renamed": "parrots:NoSuchClass",
    }
    points = [EntryPoint(name, value, "voicebot.tts") for name, value in targets.items()]
    monkeypatch.setattr(registry, "entry_points", lambda group: [p for p in points if p.group == group])


@pytest.mark.parametrize(
    ("spec", "split"),
    [
        ("espeak", ("espeak", "")),
        ("piper:en_US-lessac", ("piper", "en_US-lessac")),
        ("openai:tts-1/alloy", ("openai", "tts-1/alloy")),
        ("faster-whisper:C:/models/mine", ("faster-whisper", "C:/models/mine")),
        (" piper : x ", ("piper", "x")),
        ("", ("", "")),
    ],
)
def test_a_spec_is_split_into_provider_and_model(spec: str, split: tuple[str, str]) -> None:
    assert registry.split_spec(spec) == split


async def test_a_backend_of_another_package_is_loaded_by_name(announced: None) -> None:
    steps: list[tuple[str, float | None]] = []
    loaded = await registry.load_backend(
        "tts", "parrot:blue", load_settings(None), lambda what, done: steps.append((what, done))
    )
    assert loaded.name == "parrot:blue"
    assert isinstance(loaded, registry.Backend)
    assert steps == [("catching the parrot", 0.5)]
    assert list(registry.providers("tts")) == ["bomb", "halfway", "lonely", "parrot", "renamed"]


def test_an_unknown_name_lists_the_known_ones(announced: None) -> None:
    with pytest.raises(UnknownModel, match="'pirot'") as caught:
        registry.backend_class("tts", "pirot")
    assert "bomb, halfway, lonely, parrot, renamed" in caught.value.hint
    with pytest.raises(UnknownModel) as none:
        registry.backend_class("stt", "x")
    assert "none" in none.value.hint


def test_a_missing_package_is_named(announced: None) -> None:
    with pytest.raises(MissingDependency, match="a_package_that_is_not_there"):
        registry.backend_class("tts", "lonely")


def test_a_module_that_fails_to_import_raises_model_load_error(announced: None) -> None:
    with pytest.raises(ModelLoadError, match="boom"):
        registry.backend_class("tts", "bomb")
    with pytest.raises(ModelLoadError, match="NoSuchClass"):
        registry.backend_class("tts", "renamed")


def test_the_error_for_a_class_that_is_no_backend_names_what_is_missing(announced: None) -> None:
    with pytest.raises(ModelLoadError, match="availability, load, aclose"):
        registry.backend_class("tts", "halfway")


@pytest.mark.parametrize("role", ["stt", "tts", "llm", "vad"])
def test_all_backends_of_this_package_are_announced(role: registry.Role) -> None:
    found = registry.providers(role)
    assert found
    for name, point in found.items():
        if point.value.startswith("voicebot."):
            loaded = point.load()
            assert role == "vad" or isinstance(registry.backend_class(role, name), type)
            assert loaded.__doc__
