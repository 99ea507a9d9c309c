"""A real coturn and a real OpenAI-compatible HTTP server."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.coturn import coturn as start_coturn
from tests.support.coturn import free_port, own_addresses

SECRET = "for-tests-only"


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: `make provision` says how to install it")
    folder = tmp_path_factory.mktemp("tls")
    names = ",".join(["DNS:localhost", *(f"IP:{address}" for address in ("127.0.0.1", *own_addresses()))])
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=localhost", "-addext", f"subjectAltName={names}"]
    command += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run(command, check=True, capture_output=True)
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture(scope="session")
def coturn_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `coturn.log` is."""
    return tmp_path_factory.mktemp("coturn")


@pytest.fixture(scope="session")
def coturn(coturn_folder: Path, certificate: tuple[Path, Path]) -> Iterator[dict[str, int]]:
    """Its ports: {"plain": ..., "tls": ...}."""
    cert, key = certificate
    options = [f"--cert={cert}", f"--pkey={key}", "--verbose"]
    tls = free_port()
    with start_coturn(coturn_folder, SECRET, *options, tls=tls) as plain:
        yield {"plain": plain, "tls": tls}


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
