"""In CI a skipped test fails, wherever it was skipped; elsewhere it does not. Settings stay outside."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SKIPS = {
    "call": "import pytest\ndef test_it(): pytest.skip('no flite')\n",
    "mark": "import pytest\n@pytest.mark.skipif(True, reason='no flite')\ndef test_it(): pass\n",
    "module": "import pytest\npytest.importorskip('no_such_module')\ndef test_it(): pass\n",
    "fixture": "import pytest\n@pytest.fixture\ndef f(): pytest.skip('no flite')\ndef test_it(f): pass\n",
}
SETTINGS = {
    "OPENAI_API_KEY": "sk-real",
    "openai_model": "dear",
    "STT_MODEL": "x",
    "Port": "1",
    "OPENAI_ORG_ID": "x",
}
BARE = f"""
import os
from voicebot.settings import load_settings
def test_it():
    assert not {set(SETTINGS)} & set(os.environ)
    assert load_settings() == load_settings(None)
    assert load_settings().port == 8000
"""
XFAIL = "import pytest\n@pytest.mark.xfail(reason='known', strict=True)\ndef test_it(): assert False\n"


def run(folder: Path, source: str, ci: str, *options: str, **env: str) -> int:
    """How pytest ends with this one test."""
    (folder / "test_probe.py").write_text("# one test\n" + source)
    return pytest_in(folder, ci, *options, **env).returncode


def pytest_in(folder: Path, ci: str, *options: str, **env: str) -> subprocess.CompletedProcess[str]:
    shutil.copy(Path(__file__).parent / "conftest.py", folder)
    (folder / "pytest.ini").write_text("[pytest]\n")
    plugins = ["-p", "no:cacheprovider", "-p", "pytest_asyncio.plugin", "-p", "xdist"]  # and no others
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *plugins, *options, str(folder)],
        cwd=folder,
        env={**os.environ, "PYTEST_ADDOPTS": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **env, "CI": ci},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


@pytest.mark.long
@pytest.mark.parametrize("beside", [(), ("-n", "1")], ids=["alone", "beside each other"])
def test_a_skip_fails_in_ci_only(tmp_path: Path, beside: tuple[str, ...]) -> None:
    for kind, source in SKIPS.items():
        (tmp_path / f"test_{kind}.py").write_text(source)
    strict = pytest_in(tmp_path, "true", "-rfE", "--continue-on-collection-errors", *beside)
    for kind in SKIPS:
        assert re.search(rf"^(FAILED|ERROR) test_{kind}\.py", strict.stdout, re.MULTILINE), strict.stdout
    assert strict.stdout.count("nothing may be missing") >= len(SKIPS)
    assert pytest_in(tmp_path, "", *beside).returncode == 0


def test_what_runs_in_real_time_is_told_apart(tmp_path: Path) -> None:
    folder = tmp_path / "e2e"
    folder.mkdir()
    (folder / "test_seen.py").write_text("def test_it(): pass\n")
    assert run(tmp_path, "def test_it(): assert False\n", "", "-m", "live", "-W", "ignore") == 0


def test_an_expected_failure_is_not_a_skip(tmp_path: Path) -> None:
    assert run(tmp_path, XFAIL, "true") == 0


def test_nobodys_own_settings_reach_a_test(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=1\n")
    assert run(tmp_path, BARE, "", **SETTINGS) == 0
