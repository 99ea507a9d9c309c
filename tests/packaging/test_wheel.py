"""What is shipped carries the built client, and works without Node or this folder."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "voicebot/server/static"
pytestmark = pytest.mark.skipif(
    not (STATIC / "index.html").exists(), reason="the client is not built: make client"
)


def run(*command: str | Path, cwd: Path, **env: str) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An sdist of this folder, and the wheel that is built from the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    return next(dist.glob("*.whl"))


def static_files() -> set[str]:
    return {str(p.relative_to(ROOT)) for p in STATIC.rglob("*") if p.is_file()}


def test_the_wheel_contains_only_the_package_and_the_client(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert static_files() <= names
    tops = {name.split("/")[0] for name in names}
    assert tops == {"voicebot", next(top for top in tops if top.endswith(".dist-info"))}
    assert "voicebot/signaling/templates/turnserver.conf" in names  # what voicebot coturn prints
    assert "voicebot/server/endpoints/templates/page.css" in names
    assert any(name.endswith("dist-info/licenses/LICENSE") for name in names)
    sources = {str(p.relative_to(ROOT)) for p in (ROOT / "voicebot").rglob("*.py")}
    assert sources <= names


def test_the_sdist_contains_the_sources_and_the_client(dist: Path) -> None:
    with tarfile.open(next(dist.glob("*.tar.gz"))) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    assert static_files() <= names
    assert {"LICENSE", "README.md", "Makefile", "requirements.lock", "client/package-lock.json"} <= names
    assert not [name for name in names if "node_modules" in name or name.startswith((".venv", "data/c"))]


def test_a_wheel_from_a_checkout_without_a_built_client_builds_it(tmp_path: Path) -> None:
    """As `pip install .` from git does; the client's packages are borrowed from this folder."""
    modules = ROOT / "client/node_modules"
    if not modules.exists():
        pytest.skip("the client's packages are not installed: make client")
    copy = tmp_path / "checkout"
    ignore = shutil.ignore_patterns("static", "node_modules", ".*", "__pycache__", "data", "dist")
    shutil.copytree(ROOT, copy, ignore=ignore)
    (copy / "client/node_modules").symlink_to(modules)
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, copy, cwd=tmp_path)
    names = zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist()
    assert "voicebot/server/static/index.html" in names
    for end in (r"\.js", r"\.js\.br", r"\.js\.gz"):
        assert any(re.fullmatch(rf"voicebot/server/static/assets/.+{end}", name) for name in names)


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean environment with our wheel; its dependencies are those of this one."""
    folder = tmp_path_factory.mktemp("clean")
    venv.create(folder, with_pip=False, symlinks=True)
    site = next(folder.glob("lib/python*/site-packages"))
    run(
        sys.executable, "-m", "pip", "--python", folder / "bin/python", "install", "-q", "--no-deps",
        "--no-index", "--disable-pip-version-check", wheel, cwd=folder,
    )  # fmt: skip
    # after our own site-packages, so that the wheel wins over the editable install
    paths = [sysconfig.get_path("purelib"), *(p for p in sys.path if p.endswith("site-packages"))]
    (site / "dependencies.pth").write_text("\n".join(dict.fromkeys(paths)) + "\n")
    return folder


@pytest.fixture
def served(installed: Path, tmp_path: Path) -> Iterator[str]:
    """The address that `voicebot serve` of the installed wheel prints."""
    env = {
        **os.environ,
        "PORT": "0",
        "DATA_DIR": str(tmp_path / "data"),
        "DOWNLOAD_TIMEOUT": "0",
        "PYTHONUNBUFFERED": "1",
        "PATH": os.defpath,
    }
    process = subprocess.Popen(
        [installed / "bin/voicebot", "serve"],
        cwd=tmp_path,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    said = ""
    try:
        for line in process.stdout:
            said += line
            if found := re.search(r"http://\S+?:\d+", line):
                yield found[0]
                break
        else:
            pytest.fail(f"it never printed its address:\n{said}")
    finally:
        process.terminate()
        process.communicate(timeout=30)


def test_the_installed_wheel_serves_the_client(served: str, installed: Path) -> None:
    where = run(installed / "bin/python", "-c", "import voicebot; print(voicebot.__file__)", cwd=installed)
    assert Path(where.strip()).is_relative_to(installed), "the wheel itself is not what was imported"
    page = httpx.get(served + "/", follow_redirects=True)
    assert page.status_code == 200
    assert '<div id="root">' in page.text
    script = re.search(r'src="\.?/?(assets/[^"]+\.js)"', page.text)
    assert script is not None, page.text
    assert httpx.get(f"{served}/{script[1]}").status_code == 200


def test_the_installed_wheel_runs_the_doctor(installed: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [installed / "bin/voicebot", "doctor"],
        cwd=tmp_path,
        env={**os.environ, "DATA_DIR": str(tmp_path / "data"), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    assert "TURN" in done.stdout
    assert "Traceback" not in done.stderr
