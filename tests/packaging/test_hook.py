"""The build hook builds the client when it must, and only then."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from types import ModuleType

import pytest

HOOK = Path(__file__).parents[2] / "client/hatch_build.py"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hatch_build", HOOK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


hatch_build = load()


def write(folder: Path, path: str, changed: float, text: str = "") -> None:
    """A file that was last changed at this time."""
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    os.utime(file, (changed, changed))


def lock(**versions: str) -> str:
    """As npm writes it: what is wanted, or what was installed."""
    packages = {f"node_modules/{name}": {"version": version} for name, version in versions.items()}
    return json.dumps({"packages": packages})


class Recorder(hatch_build.ClientBuildHook):  # type: ignore[name-defined, misc]
    """Notes what npm is asked for."""

    def __init__(self, root: Path) -> None:
        super().__init__(str(root), {}, None, None, "", "wheel")
        self.asked: list[str] = []

    def _npm(self, folder: Path, *arguments: str) -> None:
        self.asked.append(arguments[0])

    def build(self) -> list[str]:
        self.initialize("standard", {})
        assert self.dependencies() == ([hatch_build.NODE] if self.asked else [])
        return self.asked


@pytest.fixture(autouse=True)
def not_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(hatch_build.SKIP, raising=False)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Sources, their packages and a client that was built from them."""
    for source in ("client/src/main.tsx", "client/index.html"):
        write(tmp_path, source, 100)
    write(tmp_path, "client/node_modules/.package-lock.json", 100, lock(react="1"))
    write(tmp_path, "client/package-lock.json", 100, lock(react="1"))
    write(tmp_path, "voicebot/server/static/index.html", 300)
    return tmp_path


def test_a_built_client_is_kept(checkout: Path) -> None:
    write(checkout, "client/src/main.test.tsx", 400)
    assert Recorder(checkout).build() == []


@pytest.mark.parametrize("source", ["client/src/deep/down.ts", "client/index.html", "client/public/icon.svg"])
def test_changed_sources_cause_a_rebuild(checkout: Path, source: str) -> None:
    write(checkout, source, 400)
    assert Recorder(checkout).build() == ["run"]


def test_changed_or_half_installed_packages_are_reinstalled(checkout: Path) -> None:
    for changed in (lock(react="2"), lock(react="1", lucide="1")):
        write(checkout, "client/package-lock.json", 400, changed)
        assert Recorder(checkout).build() == ["ci", "run"]
    elsewhere = {"node_modules/mac": {"version": "1", "optional": True}}  # and not for this platform
    wanted = {"packages": {"": {"name": "client"}, **json.loads(lock(react="1"))["packages"], **elsewhere}}
    write(checkout, "client/package-lock.json", 400, json.dumps(wanted))
    assert Recorder(checkout).build() == ["run"]
    (checkout / "client/node_modules/.package-lock.json").unlink()  # as after an interrupted `npm ci`
    assert Recorder(checkout).build() == ["ci", "run"]


def test_building_from_an_sdist_keeps_the_client_inside(checkout: Path) -> None:
    write(checkout, "client/src/main.tsx", 400)
    write(checkout, "PKG-INFO", 400)
    assert Recorder(checkout).build() == []


def test_building_the_client_can_be_skipped(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (checkout / "voicebot/server/static/index.html").unlink()
    monkeypatch.setenv(hatch_build.SKIP, "1")
    assert Recorder(checkout).build() == []


def test_without_sources_and_without_a_client_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="complete checkout"):
        Recorder(tmp_path).build()


def test_a_client_without_its_sources_is_kept(tmp_path: Path) -> None:
    write(tmp_path, "voicebot/server/static/index.html", 1)
    assert Recorder(tmp_path).build() == []


def test_the_hook_watches_the_same_sources_as_the_makefile(checkout: Path) -> None:
    """Both lists of sources name the same files."""
    makefile = (HOOK.parents[1] / "Makefile").read_text()
    listed = makefile.partition("CLIENT_SOURCES := $(shell find ")[2].partition(" \\\n")[0].split()
    assert len(listed) > 3
    for source in listed:
        file = source if Path(source).suffix else f"{source}/file.ts"
        write(checkout, file, 400)
        assert Recorder(checkout).build() == ["run"], source
        write(checkout, file, 100)
