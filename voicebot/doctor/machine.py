"""Python, packages, folders, ports, the built client, the browser and programs for tests."""

from __future__ import annotations

import errno
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from urllib.parse import urlsplit

from packaging.requirements import Requirement

from voicebot.doctor.check import Check
from voicebot.settings import EVERYWHERE, Settings, is_loopback

OLDEST_PYTHON = (3, 11)
LITTLE_SPACE = 2 * 1024**3
"""Bytes. A small Whisper model and a few hours of recordings fit into it."""
TEST_PROGRAMS = {
    "chromium": "chromium",
    "turnserver": "coturn",
    "redis-server": "redis-server",
    "flite": "flite",
    "espeak-ng": "espeak-ng",
    "openssl": "openssl",
    "ip": "iproute2",
}
"""The programs that `make test` uses, each with its Debian package."""


def python() -> Iterator[Check]:
    """Check the interpreter, and every package that this one depends on."""
    check = partial(Check, "Python", "packages")
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info >= OLDEST_PYTHON:
        yield Check("Python", "Python", "ok", f"{found} ({sys.executable})")
    else:
        yield Check("Python", "Python", "failed", f"{found} is too old", "Install Python 3.11 or newer.")
    try:
        wanted = requires("ai-voicebot") or []
    except PackageNotFoundError:
        yield check(
            "failed",
            "ai-voicebot is not installed",
            "Run `pip install .` in the project's folder, or `make run`.",
        )
        return
    needed = [r for r in map(Requirement, wanted) if r.marker is None or r.marker.evaluate({"extra": ""})]
    missing = []
    for requirement in needed:
        try:
            version(requirement.name)
        except PackageNotFoundError:
            missing.append(requirement.name)
    if missing:
        yield check(
            "failed",
            f"not installed: {', '.join(missing)}",
            f"Run `pip install {' '.join(missing)}`, or reinstall ai-voicebot.",
        )
    else:
        yield check("ok", f"all {len(needed)} are installed")


def data_folder(settings: Settings) -> Check:
    """Check that conversations and models can be written, and that there is room for them."""
    check = partial(Check, "Machine", "data folder")
    folder = settings.data_dir
    try:
        made = next((p for p in (folder, *folder.absolute().parents) if p.exists()), Path("/"))
        if folder.exists():
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(b"x")
        elif not made.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "there is a file with the name of the folder", str(made))
        else:
            with tempfile.TemporaryDirectory(dir=made):
                pass
        free = shutil.disk_usage(made).free
    except OSError as error:
        return check(
            "failed",
            f"{folder} cannot be written: {error.strerror}",
            "Set DATA_DIR to a folder that you can write to. The server does not start without one.",
        )
    room = f"{folder.absolute()}, {free / 1024**3:.0f} GB free"
    if free < LITTLE_SPACE:
        return check("warning", room, "Make room, or set DATA_DIR to a folder on a larger disk.")
    return check("ok", room)


def port(settings: Settings) -> Check:
    """Check that the port of the server is free."""
    check = partial(Check, "Machine", "port")
    where = f"{settings.host}:{settings.port}"
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
    except (socket.gaierror, UnicodeError):
        return check(
            "failed",
            f"HOST={settings.host} is not an address of this machine",
            "Set HOST=127.0.0.1, or HOST=0.0.0.0 for the local network.",
        )
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return check(
                "note",
                f"{where} is taken, so the server will use the next free port",
                "If you need a fixed address, set PORT to a free port.",
            )
        return check(
            "failed",
            f"{where}: {error.strerror}",
            "Set HOST to an address of this machine, and PORT to a number above 1023.",
        )
    return check("ok", f"{where} is free" if settings.port else "any free one")


def client(static: Path) -> Check:
    """Check that the browser client is built."""
    check = partial(Check, "Browser", "client")
    if (static / "index.html").is_file():
        return check("ok", "built")
    return check(
        "failed",
        "the web client is not built",
        "Run `make client` in the folder of the project. (An installed package contains the client.)",
    )


def microphone(settings: Settings) -> Iterator[Check]:
    """Check the address: browsers give the microphone only to https pages and to localhost."""
    check = partial(Check, "Browser", "microphone")
    local = is_loopback(settings.host)
    public = urlsplit(settings.public_url)
    if settings.public_url and public.scheme != "https" and public.hostname not in ("localhost", "127.0.0.1"):
        yield check(
            "failed",
            f"PUBLIC_URL={settings.public_url}: browsers allow the microphone only over https",
            "Put an https proxy in front, and set PUBLIC_URL to its https address.",
        )
    elif local or settings.public_url:
        yield check(
            "ok",
            "works at this address once you allow it in the browser",
            "If nobody can hear you, click the lock next to the address, allow the microphone and reload.",
        )
    else:
        yield check(
            "warning",
            f"HOST={settings.host}: other machines can open the page, but cannot use a microphone over http",
            "Put an https proxy in front, and set PUBLIC_URL. On this machine, open http://localhost"
            + (" (with HOST=0.0.0.0)." if settings.host not in EVERYWHERE else "."),
        )
    yield Check(
        "Browser",
        "notebooks",
        "note",
        "VS Code shows the lobby without a microphone",
        "Use the link in the panel to open it in a browser tab. JupyterLab needs no tab.",
    )


def programs_for_tests() -> Check:
    """Check the programs that the project's own tests use."""
    check = partial(Check, "Machine", "programs for tests")
    missing = sorted(package for program, package in TEST_PROGRAMS.items() if not shutil.which(program))
    if missing:
        return check(
            "note",
            f"not installed: {', '.join(missing)}",
            f"Only `make test` uses them. On Debian: sudo apt install {' '.join(missing)}",
        )
    return check("ok", "all installed")
