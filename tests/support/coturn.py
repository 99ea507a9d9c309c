"""Debian's coturn on an address of this machine, with time-limited credentials."""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.waiting import GUARD


def free_port(address: str = "127.0.0.1") -> int:
    with socket.socket() as sock:
        sock.bind((address, 0))
        return int(sock.getsockname()[1])


@contextmanager
def coturn(
    folder: Path, secret: str, *options: str, address: str = "127.0.0.1", tls: int = 0
) -> Iterator[int]:
    """Its port for UDP and TCP, once it listens there (and at `tls`); what it says is in `coturn.log`."""
    port = free_port(address)
    command = ["-n", "--use-auth-secret", f"--static-auth-secret={secret}", "--realm=voicebot.test"]
    command += [f"--listening-ip={address}", f"--relay-ip={address}", f"--listening-port={port}"]
    command += [f"--tls-listening-port={tls}" if tls else "--no-tls", "--no-dtls", "--no-cli"]
    with _running(
        folder, [*command, "--log-file=stdout", *options], address, (port, tls) if tls else (port,)
    ):
        yield port


@contextmanager
def configured(
    folder: Path, conf: str, *options: str, address: str, ports: tuple[int, ...], within: tuple[str, ...] = ()
) -> Iterator[Path]:
    """coturn with this turnserver.conf, once it listens at `ports`; gives its log.

    `within` goes before the command, such as `ip netns exec NAME`.
    """
    path = folder / "turnserver.conf"
    path.write_text(conf)
    with _running(folder, ["-c", str(path), *options], address, ports, within) as log:
        yield log


@contextmanager
def _running(
    folder: Path, arguments: list[str], address: str, ports: tuple[int, ...], within: tuple[str, ...] = ()
) -> Iterator[Path]:
    program = shutil.which("turnserver")
    if program is None:
        pytest.skip("coturn is not installed: `make provision` says how to install it")
    files = [f"--pidfile={folder / 'coturn.pid'}", f"--userdb={folder / 'coturn.db'}"]
    command = [*within, program, *arguments, *files]
    log = folder / "coturn.log"
    with log.open("wb") as file, subprocess.Popen(command, stdout=file, stderr=file) as server:
        try:
            for number in ports:
                wait_until_it_listens(server, address, number, log, within)
            yield log
        finally:
            server.terminate()


async def given_back(log: Path, at_least: int) -> None:
    """Await that, by coturn's own account, all allocations were given back, and that there were so many."""
    async with asyncio.timeout(GUARD):
        while True:
            made = _sessions(log, r"new, .*lifetime=\d+")
            if len(made) >= at_least and made == _sessions(log, r"refreshed, .*lifetime=0\b"):
                return
            await asyncio.sleep(0.1)  # another process: there is nothing to await


def _sessions(log: Path, what: str) -> list[str]:
    return sorted(re.findall(rf"session (\d+): {what}", log.read_text()))


def own_addresses() -> list[str]:
    """The address of this machine that is not loopback, where it has one; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("198.51.100.1", 9))
        except OSError:
            return []
        return [str(sock.getsockname()[0])]


def own_address() -> str:
    """That address; the test is skipped where there is none."""
    if not (found := own_addresses()):
        pytest.skip("needs a network address")
    return found[0]


def wait_until_it_listens(
    server: subprocess.Popen[bytes], address: str, port: int, log: Path, within: tuple[str, ...] = ()
) -> None:
    ask = f"import socket; raise SystemExit(socket.socket().connect_ex(({address!r}, {port})))"
    for _ in range(300):
        if within:
            if subprocess.run([*within, sys.executable, "-c", ask]).returncode == 0:
                return
        else:
            with socket.socket() as sock:
                if sock.connect_ex((address, port)) == 0:
                    return
        try:
            server.wait(0.1)  # a moment for it, or its end
            break
        except subprocess.TimeoutExpired:
            continue
    pytest.fail(f"coturn does not listen:\n{log.read_text(errors='replace')[-2000:]}")
