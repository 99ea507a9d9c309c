"""Debian's coturn on an address of this machine, with time-limited credentials."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def free_port(address: str = "127.0.0.1") -> int:
    with socket.socket() as sock:
        sock.bind((address, 0))
        return int(sock.getsockname()[1])


@contextmanager
def coturn(
    folder: Path, secret: str, *options: str, address: str = "127.0.0.1", tls: int = 0
) -> Iterator[int]:
    """Its port for UDP and TCP, once it listens there (and at `tls`); what it says is in `coturn.log`."""
    program = shutil.which("turnserver")
    if program is None:
        pytest.skip("coturn is not installed: `make provision` says how to install it")
    port = free_port(address)
    command = [program, "-n", "--use-auth-secret", f"--static-auth-secret={secret}", "--realm=voicebot.test"]
    command += [f"--listening-ip={address}", f"--relay-ip={address}", f"--listening-port={port}"]
    command += [f"--tls-listening-port={tls}" if tls else "--no-tls", "--no-dtls", "--no-cli"]
    command += ["--log-file=stdout", *options]
    command += [f"--pidfile={folder / 'coturn.pid'}", f"--userdb={folder / 'coturn.db'}"]
    log = folder / "coturn.log"
    with log.open("wb") as file, subprocess.Popen(command, stdout=file, stderr=file) as server:
        try:
            for number in (port, tls) if tls else (port,):
                wait_until_it_listens(server, address, number, log)
            yield port
        finally:
            server.terminate()


def wait_until_it_listens(server: subprocess.Popen[bytes], address: str, port: int, log: Path) -> None:
    for _ in range(300):
        with socket.socket() as sock:
            if sock.connect_ex((address, port)) == 0:
                return
        try:
            server.wait(0.1)  # a moment for it, or its end
            break
        except subprocess.TimeoutExpired:
            continue
    pytest.fail(f"coturn does not listen:\n{log.read_text(errors='replace')[-2000:]}")
