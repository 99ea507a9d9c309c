"""What every test shares: nobody's own settings and caches; a skip in CI is a failure."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import certifi
import httpx
import pytest

from tests.support.waiting import GUARD
from voicebot.settings import Settings

pytest_plugins = ["voicebot.testing.pytest_plugin"]

HERE = Path(__file__).parent
LIVE = {"bench", "e2e", "media", "notebooks"}
"""Folders of tests that hear and see in real time."""

STRICT = os.environ.get("CI", "").lower() in ("true", "1")

# Tests, and what they start, must not see the settings of whoever runs them, still less pay with their key.
for _name in list(os.environ):
    if _name.lower() in Settings.model_fields or _name.upper().startswith("OPENAI_"):
        del os.environ[_name]

# nor read or fill their caches
_CACHES = tempfile.TemporaryDirectory(prefix="voicebot-caches-", ignore_cleanup_errors=True)
os.environ["XDG_CACHE_HOME"] = _CACHES.name

# httpx reads the certificate authorities for each client that is made. One in place of all the world's halves
# what a short test costs, and nothing here talks to the outside.
_END = "-----END CERTIFICATE-----"
_AUTHORITY = Path(_CACHES.name, "authority.pem")
_AUTHORITY.write_text(Path(certifi.where()).read_text("utf-8").partition(_END)[0] + _END)
os.environ["SSL_CERT_FILE"] = str(_AUTHORITY)

# The five seconds for which httpx waits are too few on a busy machine.
for _function in (httpx.AsyncClient.__init__, httpx.Client.__init__, httpx.get):
    _function.__kwdefaults__["timeout"] = GUARD


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path) -> Iterator[None]:
    """In an empty folder nobody's `.env` is read, and nothing is left in theirs."""
    with contextlib.chdir(tmp_path):
        yield


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if LIVE & set(item.path.relative_to(HERE).parts[:-1]):
            item.add_marker("live")
    # the longest first, so that at the end nobody waits for one that began late
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_runtest_setup(item: pytest.Item) -> None:
    for program in (program for marker in item.iter_markers("needs") for program in marker.args):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed: `make provision` says how to install it")


def _fail(report: pytest.TestReport | pytest.CollectReport) -> None:
    where = report.longrepr
    reason = where[2] if isinstance(where, tuple) else str(where)
    report.outcome = "failed"
    report.longrepr = f"Skipped in CI, where nothing may be missing: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if STRICT and report.skipped and not hasattr(report, "wasxfail"):
        _fail(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if STRICT and report.skipped:
        _fail(report)
    return report
