"""Debian's redis-server on a free port of this machine, which a test can stop and start again."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.coturn import free_port

OPERATING = Path(__file__).parents[2] / "voicebot/server/operating.md"


class RedisServer:
    """Keeps what it is told in `folder`; `stop` as somebody who pulls the plug, or in peace."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder, self._options = folder, options
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        command += ["--appendonly", "yes", "--appendfsync", "always", "--dir", str(self._folder)]
        log = self._folder / "redis.log"
        with log.open("ab") as file:
            self._process = subprocess.Popen([*command, *self._options], stdout=file, stderr=file)
        for _ in range(300):
            with socket.socket() as sock:
                if sock.connect_ex(("127.0.0.1", self.port)) == 0:
                    sock.settimeout(5)
                    sock.sendall(b"PING\r\n")
                    if not sock.recv(64).startswith(b"-LOADING"):
                        return
            try:
                self._process.wait(0.05)  # a moment for it, or its end
                break
            except subprocess.TimeoutExpired:
                continue
        pytest.fail(f"redis-server does not answer:\n{log.read_text(errors='replace')[-2000:]}")

    def hang(self) -> None:
        """From now on it answers nobody, and says so to nobody, until it is killed."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def stop(self) -> None:
        """Kill it. Safe to call twice."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def limited(self) -> str:
        """The address for a user who may do what operating.md says that a server needs."""
        found = re.search(r"^ACL SETUSER voicebot .*$", OPERATING.read_text("utf-8"), re.MULTILINE)
        assert found is not None
        with socket.create_connection(("127.0.0.1", self.port), 5) as sock:
            sock.sendall(f"{found[0]}\r\n".encode())
            assert sock.recv(256) == b"+OK\r\n"
        password = re.search(r" >(\S+)", found[0])
        assert password is not None
        return self.url.replace("://", f"://voicebot:{password[1]}@")


@contextmanager
def redis_server(folder: Path, *options: str) -> Iterator[RedisServer]:
    """One that runs until the end of the block."""
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed: `make provision` says how to install it")
    server = RedisServer(folder, *options)
    try:
        server.start()
        yield server
    finally:
        server.stop()
