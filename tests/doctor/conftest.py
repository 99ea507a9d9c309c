"""A real coturn and a real OpenAI-compatible HTTP server."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

SECRET = "for-tests-only"


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    command += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run(command, check=True, capture_output=True)
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture(scope="session")
def coturn(
    tmp_path_factory: pytest.TempPathFactory, certificate: tuple[Path, Path]
) -> Iterator[dict[str, int]]:
    """Its ports: {"plain": ..., "tls": ...}."""
    if shutil.which("turnserver") is None:
        pytest.skip("coturn is not installed (apt install coturn)")
    folder = tmp_path_factory.mktemp("coturn")
    ports = {"plain": free_port(), "tls": free_port()}
    cert, key = certificate
    command = ["turnserver", "-n", "--use-auth-secret", f"--static-auth-secret={SECRET}", "--realm=test"]
    command += [f"--listening-port={ports['plain']}", f"--tls-listening-port={ports['tls']}"]
    command += [
        "--listening-ip=127.0.0.1",
        "--relay-ip=127.0.0.1",
        "--no-cli",
        "--no-dtls",
        "--log-file=stdout",
    ]
    command += [f"--cert={cert}", f"--pkey={key}", f"--pidfile={folder / 'pid'}", f"--userdb={folder / 'db'}"]
    with (
        open(folder / "log", "w") as output,
        subprocess.Popen(command, stdout=output, stderr=output) as server,
    ):
        while not (listens(ports["plain"]) and listens(ports["tls"])):
            if server.poll() is not None:
                pytest.fail("coturn did not start:\n" + (folder / "log").read_text()[-2000:])
        yield ports
        server.terminate()


def listens(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


Answer = Callable[[str, str], tuple[int, object]]


@pytest.fixture
def openai_server() -> Iterator[Callable[[Answer], str]]:
    """Starts a server that answers GET with `answer(path, key) -> (status, JSON)`; gives its /v1 address."""
    running: list[tuple[ThreadingHTTPServer, threading.Thread]] = []

    def start(answer: Answer) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                key = self.headers.get("Authorization", "").removeprefix("Bearer ")
                status, content = answer(self.path, key)
                body = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        running.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}/v1"

    yield start
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()
