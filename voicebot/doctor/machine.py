"""Python, packages, folders, ports, the built client, the browser and programs for tests."""

from __future__ import annotations

import errno
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from urllib.parse import urlsplit

from packaging.requirements import Requirement

from voicebot.doctor.check import Check
from voicebot.settings import EVERYWHERE, Settings, is_loopback

OLDEST_PYTHON = (3, 11)
LITTLE_SPACE = 2 * 1024**3
"""Bytes: a Whisper small model and a few hours of recordings."""
TEST_PROGRAMS = {
    "chromium": "chromium",
    "turnserver": "coturn",
    "redis-server": "redis-server",
    "flite": "flite",
    "espeak-ng": "espeak-ng",
    "openssl": "openssl",
    "ip": "iproute2",
}
"""What `make test` needs: program and its Debian package."""


def python() -> Iterator[Check]:
    """The interpreter and every package that this one depends on."""
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info >= OLDEST_PYTHON:
        yield Check("Python", "Python", "ok", f"{found} ({sys.executable})")
    else:
        yield Check("Python", "Python", "failed", f"{found} is too old", "Install Python 3.11 or newer.")
    try:
        wanted = requires("ai-voicebot") or []
    except PackageNotFoundError:
        yield Check(
            "Python",
            "packages",
            "failed",
            "ai-voicebot itself is not installed",
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
        yield Check(
            "Python",
            "packages",
            "failed",
            f"not installed: {', '.join(missing)}",
            f"Run `pip install {' '.join(missing)}`, or install ai-voicebot again.",
        )
    else:
        yield Check("Python", "packages", "ok", f"all {len(needed)} that are needed")


def data_folder(settings: Settings) -> Check:
    """Can conversations and models be written, and is there room for them?"""
    folder = settings.data_dir
    try:
        made = next((p for p in (folder, *folder.absolute().parents) if p.exists()), Path("/"))
        if folder.exists():
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(b"x")
        elif not made.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "a file is in the way", str(made))
        else:
            with tempfile.TemporaryDirectory(dir=made):
                pass
        free = shutil.disk_usage(made).free
    except OSError as error:
        return Check(
            "Machine",
            "data folder",
            "failed",
            f"{folder} cannot be written: {error.strerror}",
            "Set DATA_DIR to a folder you may write to; the server does not start without one.",
        )
    room = f"{folder.absolute()}, {free / 1024**3:.0f} GB free"
    if free < LITTLE_SPACE:
        return Check(
            "Machine", "data folder", "warning", room, "Make room, or set DATA_DIR to a larger disk."
        )
    return Check("Machine", "data folder", "ok", room)


def port(settings: Settings) -> Check:
    """Is the server's port free?"""
    where = f"{settings.host}:{settings.port}"
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
    except (socket.gaierror, UnicodeError):
        return Check(
            "Machine",
            "port",
            "failed",
            f"HOST={settings.host} is no address of this machine",
            "Set HOST=127.0.0.1, or HOST=0.0.0.0 to let the local network in.",
        )
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return Check(
                "Machine",
                "port",
                "note",
                f"{where} is in use; the server takes the next free one",
                "Set PORT to another one for a fixed address.",
            )
        return Check(
            "Machine",
            "port",
            "failed",
            f"{where}: {error.strerror}",
            "Set HOST to an address of this machine and PORT above 1023.",
        )
    return Check("Machine", "port", "ok", f"{where} is free" if settings.port else "any free one")


def client(static: Path) -> Check:
    """Is the page that people talk through there?"""
    if (static / "index.html").is_file():
        return Check("Browser", "client", "ok", "built")
    return Check(
        "Browser",
        "client",
        "failed",
        "the browser client is not built",
        "Run `make client` in the project's folder; an installed package carries it.",
    )


def microphone(settings: Settings) -> Iterator[Check]:
    """Browsers give the microphone only to https and to the machine itself."""
    local = is_loopback(settings.host)
    public = urlsplit(settings.public_url)
    if settings.public_url and public.scheme != "https" and public.hostname not in ("localhost", "127.0.0.1"):
        yield Check(
            "Browser",
            "microphone",
            "failed",
            f"PUBLIC_URL={settings.public_url}: browsers give the microphone only over https",
            "Put an https proxy in front and set PUBLIC_URL to its https address.",
        )
    elif local or settings.public_url:
        yield Check(
            "Browser",
            "microphone",
            "ok",
            "allowed at this address once the browser's question is answered",
            "If nobody hears you: the lock beside the address, Microphone, Allow; then reload.",
        )
    else:
        yield Check(
            "Browser",
            "microphone",
            "warning",
            f"HOST={settings.host}: other machines get the page but no microphone over plain http",
            "Put an https proxy in front and set PUBLIC_URL; on this machine open http://localhost"
            + (" (with HOST=0.0.0.0)." if settings.host not in EVERYWHERE else "."),
        )
    yield Check(
        "Browser",
        "notebooks",
        "note",
        "VS Code shows the lobby without a microphone",
        "Use the panel's link to open it in a browser tab; JupyterLab shows it in place.",
    )


def programs_for_tests() -> Check:
    """What the project's own tests need beyond Python."""
    missing = sorted(package for program, package in TEST_PROGRAMS.items() if not shutil.which(program))
    if missing:
        return Check(
            "Machine",
            "programs for tests",
            "note",
            f"not installed: {', '.join(missing)}",
            f"Only for `make test`; on Debian: sudo apt install {' '.join(missing)}",
        )
    return Check("Machine", "programs for tests", "ok", "all installed")
