"""Every command of the README and of operating.md does what it says, and their links lead somewhere."""

from __future__ import annotations

import ast
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from tests.docs.pages import FIGURES, OPERATING, README, ROOT, fenced
from tests.support.notebooks import code_cells
from tests.support.redis_server import redis_server

ADDRESS = re.compile(r"https?://[^\s/]+:\d+/\S*")
PAGES = {
    path: (ROOT / path).read_text("utf-8")
    for path in (
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "voicebot/server/operating.md",
        "voicebot/server/security.md",
        "voicebot/signaling/protocol.md",
        "voicebot/rtc/standards.md",
        "tests/bench/figures.md",
    )
}


def commands() -> list[str]:
    return [
        line
        for block in fenced(README + OPERATING + FIGURES, "sh")
        for line in block.splitlines()
        if line.strip()
    ]


def outer() -> dict[str, str]:
    """The environment without what a surrounding make adds: its ARGS are not for ours."""
    return {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "ARGS")}


def environment(folder: Path) -> dict[str, str]:
    return {
        **outer(),
        "DATA_DIR": str(folder / "data"),
        "DOWNLOAD_TIMEOUT": "0",
        "PYTHONUNBUFFERED": "1",
        "COLUMNS": "200",
        "JUPYTER_CONFIG_DIR": str(folder / "jupyter"),
        "JUPYTER_DATA_DIR": str(folder / "jupyter"),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "lab"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
    }


def checkout(folder: Path) -> Path:
    """This folder, all but the user's `.env` and what they said to their agents."""
    copy = folder / "checkout"
    copy.mkdir()
    for entry in ROOT.iterdir():
        if entry.name not in {".env", ".git", "data"}:
            (copy / entry.name).symlink_to(entry)
    return copy


@contextmanager
def running(command: str, folder: Path, **env: str) -> Iterator[tuple[str, psutil.Process]]:
    """The first address a long-running command prints, and its process; it is stopped as by Ctrl-C."""
    process = subprocess.Popen(
        command.split(),
        cwd=checkout(folder),
        env=environment(folder) | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    said = ""
    try:
        for line in process.stdout:
            said += line
            if found := ADDRESS.search(line):
                yield found[0], psutil.Process(process.pid)
                break
        else:
            pytest.fail(f"{command} ended without an address:\n{said}")
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate(timeout=60)


def installed_by_make() -> None:
    """And nothing has changed since: make must not install a test's copy of this folder."""
    plan = subprocess.run(
        ["make", "--dry-run", "setup", "client"],
        cwd=ROOT,
        env=outer(),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    if "==>" in plan:
        pytest.skip("this checkout was not installed by make, or has changed since: run `make client`")


def page(address: str) -> str:
    # Jupyter prints its address a moment before it listens
    with httpx.Client(transport=httpx.HTTPTransport(retries=5), follow_redirects=True, timeout=30) as client:
        answer = client.get(address)
    assert answer.status_code == 200, answer.text
    return answer.text


def listens_on(process: psutil.Process, port: int) -> set[str]:
    """The addresses at which this process or one that it started waits for people."""
    sockets = [s for p in (process, *process.children(recursive=True)) for s in p.net_connections("inet")]
    return {s.laddr.ip for s in sockets if s.status == psutil.CONN_LISTEN and s.laddr.port == port}


def serves(command: str, folder: Path) -> None:
    installed_by_make()
    with running(command, folder) as (address, process):
        assert address.endswith("/?lobby=demo")
        assert '<div id="root">' in page(address)
        host = command.partition("HOST=")[2] or "127.0.0.1"
        assert listens_on(process, httpx.URL(address).port or 0) == {host}


def opens_the_notebook(command: str, folder: Path) -> None:
    installed_by_make()
    with running(f"{command} ARGS=--no-browser", folder) as (address, _):
        page(address)
        assert "/lab/tree/notebooks/01_quickstart.ipynb" in address


def diagnoses(command: str, folder: Path) -> None:
    installed_by_make()
    done = subprocess.run(
        command.split(),
        cwd=checkout(folder),
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Traceback" not in done.stdout + done.stderr
    # make makes a 2 of the doctor's 1, which stands for a failed check
    assert done.returncode == 0 or ("Error 1" in done.stderr and "failed" in done.stdout), done.stderr
    for part in ("STT", "TTS", "LLM", "TURN"):
        assert part in done.stdout, done.stdout + done.stderr


def copies(command: str, folder: Path) -> None:
    shutil.copy(ROOT / ".env.example", folder)
    subprocess.run(command.split(), cwd=folder, check=True)
    assert (folder / ".env").read_text() == (ROOT / ".env.example").read_text()


def is_this_very_run(command: str, folder: Path) -> None:
    plan = subprocess.run(
        [*command.split(), "--dry-run"], cwd=ROOT, env=outer(), capture_output=True, text=True, check=True
    ).stdout
    for step in ("ruff check", "mypy", "lint-imports", "-m pytest", "run --silent lint", "run --silent test"):
        assert step in plan, step


def measures(command: str, folder: Path) -> None:
    plan = subprocess.run(
        [*command.split(), "--dry-run"], cwd=ROOT, env=outer(), capture_output=True, text=True, check=True
    ).stdout
    assert "-m tests.bench" in plan
    listing = subprocess.run(
        [sys.executable, "-m", "tests.bench", "--list"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert {"voice", "media"} <= set(listing.stdout.split())


def shares_a_redis(command: str, folder: Path) -> None:
    """All three commands; who asks the second server is answered by the first, which has the lobby."""
    with redis_server(folder) as redis, ExitStack() as started:
        assert command == "redis-server --port 6380"  # as `redis` is, but for the port
        addresses = []
        for name in ("one", "two"):
            line = next(line for line in commands() if f"DATA_DIR={name}" in line)
            *settings, program, action = line.split()
            env = dict(setting.split("=", 1) for setting in settings)
            env |= {"STORE": env["STORE"].replace("localhost:6380", f"127.0.0.1:{redis.port}"), "PORT": "0"}
            (folder / name).mkdir()
            run = f"{Path(sys.executable).with_name(program)} {action}"
            addresses.append(started.enter_context(running(run, folder / name, **env))[0])
        assert "lobby=demo" in addresses[0]
        second = httpx.URL(addresses[1]).copy_with(path="/", query=None)
        with httpx.Client(base_url=second, headers={"Origin": str(second).rstrip("/")}, timeout=30) as http:
            http.post("api/session").raise_for_status()
            found = http.get("api/lobbies/demo").raise_for_status().json()
        assert found["lobby"]["id"] == "demo"


def covered_by(file: str, name: str) -> Callable[[str, Path], None]:
    """The command is run by a test elsewhere, which must exist."""

    def check(command: str, folder: Path) -> None:
        tree = ast.parse((ROOT / file).read_text())
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}

    return check


WHEEL = "tests/packaging/test_wheel.py"
RUN: dict[str, Callable[[str, Path], None]] = {
    "make run": serves,
    "make test": is_this_very_run,
    "make lab": opens_the_notebook,
    "cp .env.example .env": copies,
    "make doctor": diagnoses,
    "make run HOST=0.0.0.0": serves,
    "pip install .": covered_by(WHEEL, "test_a_wheel_from_a_checkout_without_a_built_client_builds_it"),
    "voicebot serve": covered_by(WHEEL, "test_the_installed_wheel_serves_the_client"),
    "voicebot doctor": covered_by(WHEEL, "test_the_installed_wheel_runs_the_doctor"),
    "make bench": measures,
    "redis-server --port 6380": shares_a_redis,
    **{
        f"STORE=redis://localhost:6380/0 DATA_DIR={name} PORT={port} voicebot serve": covered_by(
            "tests/docs/test_readme.py", "shares_a_redis"
        )
        for name, port in (("one", 8001), ("two", 8002))
    },
}


def test_every_command_has_its_check() -> None:
    assert sorted(set(commands())) == sorted(RUN)


@pytest.mark.long
@pytest.mark.parametrize("command", RUN)
def test_each_command_does_what_the_readme_says(command: str, tmp_path: Path) -> None:
    RUN[command](command, tmp_path)


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 150


def test_the_first_python_blocks_are_lines_of_the_quickstart() -> None:
    """That notebook is run by tests/e2e/notebook."""
    quickstart = "\n".join(code_cells(ROOT / "notebooks/01_quickstart.ipynb")).splitlines()
    start, tool, _ = fenced(README, "python")
    assert {line for line in (start + tool).splitlines() if line} <= set(quickstart)


def test_the_recordings_are_loaded_as_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "tests/data/golden-conversation", tmp_path / "data/conversations/golden")
    monkeypatch.chdir(tmp_path)
    imports, expression = fenced(README, "python")[-1].strip().split("\n\n")
    names: dict[str, object] = {}
    exec(imports, names)
    assert len(eval(expression, names))


def test_settings_named_in_the_pages_exist() -> None:
    from voicebot.settings import Settings

    known = {name.upper() for name in Settings.model_fields} | {"ARGS", "PYTHON", "CI", "INFO"}
    named = set(re.findall(r"`([A-Z][A-Z_]+)(?:=[^`]*)?`", README + OPERATING))
    assert len(named) > 30
    assert named - known == set()


def anchors(text: str) -> set[str]:
    """As GitHub makes them of headings."""
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES)
def test_links_within_the_project_lead_somewhere(page: str) -> None:
    for path, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", PAGES[page]):
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), path
        assert not anchor or anchor in anchors(target.read_text("utf-8")), anchor


def test_no_registry_is_named() -> None:
    for name in (*PAGES, "Makefile", ".env.example", "environment.yml"):
        text = (ROOT / name).read_text()
        assert not re.search(r"pypi|pythonhosted|npmjs|index-url|registry\.", text, re.IGNORECASE), name
