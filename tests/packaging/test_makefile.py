"""The Makefile's help is complete and its first step says clearly what is wrong with a Python."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import LIVE

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
INNER = {"setup", "help"}  # `setup` is a step of others


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "ARGS")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def pretend(folder: Path, trick: str) -> str:
    """A Python that runs `trick` before what it is asked to run with -c."""
    script = folder / "python"
    script.write_text(
        f"#!/bin/sh\nexec {sys.executable} -c '{trick}; import sys; exec(sys.argv[1])' \"$2\"\n"
    )
    script.chmod(0o755)
    return str(script)


def test_help_lists_every_target() -> None:
    phony = {name for line in re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.M) for name in line.split()}
    listed = set(re.findall(r"^  ([a-z-]+) ", make().stdout, re.M))
    assert phony - INNER <= listed
    assert {"run", "lab", "test", "bench"} <= listed
    assert make("help").stdout == make().stdout


def test_tests_in_real_time_have_their_own_workers() -> None:
    beside, live = re.findall(r"-m pytest.*", make("--dry-run", "pytest", "JOBS=5", "LIVE_JOBS=2").stdout)
    assert "-n 5 " in beside
    assert '-m "not live"' in beside
    assert set(re.findall(r"--ignore=tests/(\w+)", beside)) == set(LIVE)
    assert "-n 2 " in live
    assert "-m live " in live
    paths = {ROOT / path for path in live.split() if path.startswith("tests/")}
    marked = {
        file for file in (ROOT / "tests").rglob("test_*.py") if re.search(r"mark\.live", file.read_text())
    }
    assert paths == {ROOT / "tests" / folder for folder in LIVE} | marked
    [chosen] = re.findall(r"-m pytest.*", make("--dry-run", "pytest", "ARGS=tests/turn -k floor").stdout)
    assert chosen == "-m pytest tests/turn -k floor"


def test_an_old_python_is_named(tmp_path: Path) -> None:
    old = pretend(tmp_path, "import sys; sys.version_info = (3, 10, 9)")
    done = make("run", f"PYTHON={old}", f"VENV={tmp_path}/venv")
    assert done.returncode != 0
    assert "Python 3.11 or newer is needed" in done.stderr
    assert "is 3.10" in done.stderr
    assert not (tmp_path / "venv").exists()


def test_a_python_without_venv_says_what_to_install(tmp_path: Path) -> None:
    bare = pretend(tmp_path, 'import sys; sys.modules["ensurepip"] = None')
    done = make("run", f"PYTHON={bare}", f"VENV={tmp_path}/venv")
    assert done.returncode != 0
    assert f"apt-get install python{sys.version_info[0]}.{sys.version_info[1]}-venv" in done.stderr


def test_without_any_python_make_says_what_to_install(tmp_path: Path) -> None:
    done = make("run", f"PYTHON={tmp_path}/none", f"VENV={tmp_path}/venv")
    assert done.returncode != 0
    assert "Install Python 3.11 or newer" in done.stderr


def test_installed_packages_are_not_installed_again(tmp_path: Path) -> None:
    for stamp in (".made", ".locked", ".installed"):  # in this order
        (tmp_path / stamp).touch()
    again = make("--dry-run", "setup", f"VENV={tmp_path}")
    assert "pip install" not in again.stdout
    (tmp_path / ".locked").unlink()
    assert "pip install" in make("--dry-run", "setup", f"VENV={tmp_path}").stdout


def test_npm_is_found_in_an_environment_at_any_path(tmp_path: Path) -> None:
    for venv, where in ((str(tmp_path), tmp_path), (".elsewhere", ROOT / ".elsewhere")):
        asked = make("--dry-run", "vitest", f"VENV={venv}").stdout
        assert f'PATH="{where}/bin:$PATH" {where}/bin/npm run' in asked


def test_the_client_is_rebuilt_only_when_its_sources_have_changed() -> None:
    if not (ROOT / "client/node_modules/.installed").exists():
        pytest.skip("the client was not built by make: run `make client`")
    build = "npm run --silent build"
    assert build not in make("--dry-run", "run").stdout
    assert build in make("--dry-run", "--what-if=client/src/main.tsx", "run").stdout
    assert build not in make("--dry-run", "--what-if=client/src/names.test.ts", "run").stdout
