"""Chromium that may use nothing but TURN, over TCP and TLS, and with credentials that are no good."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme
from playwright.async_api import BrowserContext, WebSocketRoute

from tests.e2e.conftest import Chromium, Serve, spoken
from tests.e2e.room import Guest
from tests.support.coturn import coturn as start_coturn
from tests.support.coturn import free_port
from tests.support.waiting import GUARD
from voicebot.signaling.turn import credentials

SECRET = "a-secret-for-the-test"
QUESTION = "what is the weather in paris"


@dataclass(frozen=True)
class Relay:
    port: int
    tls: int
    ca: Path
    log: Path

    def url(self, way: str) -> str:
        if way == "tls":
            return f"turns:127.0.0.1:{self.tls}?transport=tcp"
        return f"turn:127.0.0.1:{self.port}?transport={way}"


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Relay]:
    """coturn with a certificate of a private authority."""
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1", "localhost")
    ca, cert, key = (tmp_path / name for name in ("ca.pem", "cert.pem", "key.pem"))
    authority.cert_pem.write_to_path(ca)
    certificate.private_key_pem.write_to_path(key)
    cert.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    tls = free_port()
    options = ["--allow-loopback-peers", "--verbose", f"--cert={cert}", f"--pkey={key}"]
    with start_coturn(tmp_path, SECRET, *options, tls=tls) as port:
        yield Relay(port, tls, ca, tmp_path / "coturn.log")


@pytest.mark.parametrize("way", ["tcp", "tls"])
async def test_people_and_agents_hear_each_other_through_the_relay(
    way: str, relay: Relay, serve: Serve, chromium: Chromium
) -> None:
    """The agents' side has the same server, and trusts the authority by SSL_CERT_FILE.

    UDP is the way in test_repair.py.
    """
    server = serve(COTURN_SERVER=relay.url(way), COTURN_SECRET=SECRET, SSL_CERT_FILE=str(relay.ca))
    tom = await Guest.open(await chromium.context(), server.url, "Tom", relay="1")
    await tom.join()
    await tom.listen()
    await tom.page.locator(
        '[data-testid="connection-badge"][data-state="connected"][data-relay="true"]'
    ).wait_for()
    await tom.caption("^Ada.*hello")
    await tom.hears()
    await tom.ask(spoken(QUESTION), QUESTION)
    if way == "tls":
        assert "TLS" in relay.log.read_text()


class Wire:
    """What the server sends to a page, with the credentials on it replaced; the reason of a failure."""

    def __init__(self, username: str = "", credential: str = "") -> None:
        self.failed: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._username, self._credential = username, credential

    def __call__(self, page: WebSocketRoute) -> None:
        def pass_on(frame: str | bytes) -> None:
            text = str(frame)
            if self._username:
                text = re.sub(r'"username":"[^"]+"', f'"username":"{self._username}"', text)
                text = re.sub(r'"credential":"[^"]+"', f'"credential":"{self._credential}"', text)
            message = json.loads(text)
            if message["type"] == "webrtc_failed" and not self.failed.done():
                self.failed.set_result(message["data"])
            page.send(text)

        page.connect_to_server().on_message(pass_on)


async def failure(context: BrowserContext, url: str, wire: Wire) -> dict[str, Any]:
    """What a relay-only guest is told, who sees it too."""
    await context.route_web_socket("**/ws", wire)
    tom = await Guest.open(context, url, "Tom", relay="1")
    await tom.join()
    async with asyncio.timeout(GUARD):
        told = await wire.failed
    await tom.page.get_by_test_id("failed-banner").wait_for()
    return told


async def test_a_wrong_secret_is_reported_with_the_reason(
    relay: Relay, serve: Serve, chromium: Chromium
) -> None:
    server = serve(COTURN_SERVER=relay.url("udp"), COTURN_SECRET="another")
    told = await failure(await chromium.context(), server.url, Wire())
    assert told["code"] == "no_candidates"
    assert "the TURN server refused" in told["message"]
    await server.says(
        f"{relay.url('udp')} refuses the credentials (401"
    )  # to whoever runs the server, exactly


async def test_expired_credentials_are_reported(relay: Relay, serve: Serve, chromium: Chromium) -> None:
    """Signed with the right secret, but an hour too old: only the page's, so the host has its relay."""
    server = serve(COTURN_SERVER=relay.url("udp"), COTURN_SECRET=SECRET)
    wire = Wire(*credentials(SECRET, "tom", time.time(), -3600))
    told = await failure(await chromium.context(), server.url, wire)
    assert told["code"] == "no_candidates"
    assert "the TURN server refused" in told["message"]
