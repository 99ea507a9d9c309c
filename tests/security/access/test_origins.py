"""The Origin and Host headers that the server accepts, over HTTP and on the WebSocket."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import httpx
import pytest
from starlette.datastructures import Headers

from tests.server.conftest import own_origin
from voicebot.server.endpoints.conversation_routes import conversations
from voicebot.server.endpoints.health import operation
from voicebot.server.endpoints.http import api, pages
from voicebot.server.endpoints.lobby_routes import lobbies
from voicebot.server.hosting import Hosting
from voicebot.server.net.addresses import Addresses, parse_host, parse_origin
from voicebot.store.base import SessionRecord
from voicebot.store.memory import MemoryStore

OWN = "voice.example.org"
FOREIGN = {
    "missing": None,
    "empty": "",
    "opaque": "null",
    "another site": "https://evil.example",
    "a suffix": f"https://evil-{OWN}",
    "below another": f"https://{OWN}.evil.example",
    "above": "https://example.org",
    "below": f"https://www.{OWN}",
    "another port": f"https://{OWN}:8443",
    "plain": f"http://{OWN}",
    "a file": "file://",
    "an extension": f"chrome-extension://{OWN}",
    "a user": f"https://{OWN}@evil.example",
    "a user of ours": f"https://evil@{OWN}",
    "a path": f"https://{OWN}/",
    "a query": f"https://{OWN}?",
    "a backslash": f"https://evil.example\\@{OWN}",
    "a fragment": f"https://evil.example#@{OWN}",
    "a dot at the end": f"https://{OWN}.",
    "two of them": f"https://{OWN} https://evil.example",
    "with a comma": f"https://{OWN}, https://evil.example",
    "port 0": f"https://{OWN}:0",
    "no port": f"https://{OWN}:",
    "a port too large": f"https://{OWN}:65536",
    "look-alike letters": "https://voic\u0435.example.org",
    "a socket's scheme": f"wss://{OWN}",
    "no scheme": OWN,
    "an address": "https://[::1]",
}


def judged(
    origin: str | None, host: str, scheme: str, public_url: str = "", listening: str = "0.0.0.0"
) -> bool:
    raw = [(b"host", host.encode())]
    if origin is not None:
        raw.append((b"origin", origin.encode()))
    return Addresses(public_url, listening).origin_allowed(Headers(raw=raw), scheme)


@pytest.mark.parametrize("what", FOREIGN)
@pytest.mark.parametrize("host", [OWN, "127.0.0.1:8000"])
def test_a_foreign_origin_is_refused(what: str, host: str) -> None:
    assert not judged(FOREIGN[what], host, "wss", f"https://{OWN}/room/")


@pytest.mark.parametrize(
    ("origin", "host", "scheme"),
    [
        (f"https://{OWN}", OWN, "wss"),
        (f"https://{OWN}", "127.0.0.1:8000", "ws"),  # a proxy that names us by our own address
        (f"https://{OWN}:443", OWN, "https"),
        (f"HTTPS://{OWN.upper()}", OWN.upper(), "https"),
        ("http://localhost:8000", "localhost:8000", "ws"),
        ("http://[::1]:8000", "[::1]:8000", "http"),
        ("http://192.168.0.7:8000", "192.168.0.7:8000", "ws"),
        ("http://foo.local:8000", "foo.local:8000", "ws"),
        ("http://voicebot:8000", "voicebot:8000", "http"),
    ],
)
def test_the_servers_own_origin_is_allowed(origin: str, host: str, scheme: str) -> None:
    assert judged(origin, host, scheme, f"https://{OWN}/room/")


def test_two_origin_headers_are_refused() -> None:
    own = (b"origin", b"http://localhost")
    for raw in ([own, own], [own, (b"origin", b"http://evil.example")]):
        headers = Headers(raw=[(b"host", b"localhost"), *raw])
        assert not Addresses().origin_allowed(headers, "http")


def test_two_host_headers_are_refused() -> None:
    raw = [(b"host", b"localhost"), (b"host", b"localhost"), (b"origin", b"http://localhost")]
    assert not Addresses().host_allowed(Headers(raw=raw))
    assert not Addresses().origin_allowed(Headers(raw=raw), "http")
    assert not Addresses().host_allowed(Headers(raw=[]))


@pytest.mark.parametrize(
    ("name", "in_the_network", "on_this_machine"),
    [
        ("localhost", True, True),
        ("lobby.localhost", True, True),
        ("127.0.0.1", True, True),
        ("[::1]", True, True),
        ("192.168.0.7", True, True),
        ("[fe80::1]", True, True),
        (OWN, True, True),
        (socket.gethostname().lower(), True, True),
        (f"{socket.gethostname().lower().partition('.')[0]}.local", True, True),
        ("somebody-elses.local", True, False),
        ("box.lan", True, False),
        ("box.internal", True, False),
        ("box.home.arpa", True, False),
        ("box", True, False),
        ("evil.example", False, False),
        ("127.0.0.1.evil.example", False, False),
        ("localhost.evil.example", False, False),
        ("127.0.0.1.nip.io", False, False),
        ("local", True, False),
        ("notlocalhost.example", False, False),
        (f"evil-{OWN}", False, False),
        (f"{OWN}.evil.example", False, False),
        ("127.1.evil", False, False),
        ("127.evil.example", False, False),
    ],
)
def test_a_name_that_a_website_can_have_is_refused(
    name: str, in_the_network: bool, on_this_machine: bool
) -> None:
    public = f"https://{OWN}"
    assert Addresses(public, "0.0.0.0").known(name) is in_the_network
    assert Addresses(public, "127.0.0.1").known(name) is on_this_machine


@pytest.mark.parametrize(
    "text", ["", "[", "[::1", "a b", "a/b", "a@b", "a:x", "a:0", "a:70000", "a;b", "ä", "a:"]
)
def test_a_malformed_host_is_refused(text: str) -> None:
    assert parse_host(text) is None
    assert parse_origin(f"http://{text}") is None


async def raw_request(hosting: Hosting, *lines: str, body: str = "") -> tuple[int, str]:
    """Send exactly these header lines, and return the status and the whole response."""
    reader, writer = await asyncio.open_connection("127.0.0.1", hosting.port)
    writer.write("\r\n".join([*lines, "Connection: close", "", body]).encode())
    answer = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    return int(answer.split(" ", 2)[1]), answer


@pytest.mark.parametrize(
    "name", ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "x; script-src *"]
)
async def test_a_rebound_name_gets_no_response(hosting: Hosting, name: str) -> None:
    for path in ("/", "/api/session", "/api/openapi.json", "/api/lobbies/demo", "/assets/x.js"):
        status, answer = await raw_request(hosting, f"GET {path} HTTP/1.1", f"Host: {name}")
        assert status == 421
        assert '"code":"host"' in answer
        assert "PUBLIC_URL" in answer
        assert "script-src *" not in answer
    origin = f"Origin: http://{name}"
    status, answer = await raw_request(
        hosting, "POST /api/session HTTP/1.1", f"Host: {name}", origin, "Content-Length: 0"
    )
    assert status == 421
    assert "set-cookie" not in answer.lower()
    for path in ("/health", "/ready"):  # of a load balancer
        assert (await raw_request(hosting, f"GET {path} HTTP/1.1", f"Host: {name}"))[0] == 200


async def test_a_rebound_name_gets_no_socket(hosting: Hosting, visit: Any) -> None:
    ada = await visit(hosting)
    address = f"evil.example:{hosting.port}"
    upgrade = (
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", hosting.port)
    lines = ["GET /ws HTTP/1.1", f"Host: {address}", f"Origin: http://{address}", f"Cookie: {ada.cookie}"]
    writer.write("\r\n".join([*lines, *upgrade, "Connection: Upgrade", "", ""]).encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    close = answer.split(b"\r\n\r\n", 1)[1]
    assert close[0] == 0x88  # a close frame, and nothing before it
    assert int.from_bytes(close[2:4]) == 4403


async def test_repeated_headers_do_not_bypass_the_check(hosting: Hosting) -> None:
    own = own_origin(hosting.url)["Origin"]
    name = own.removeprefix("http://")
    for lines in (
        (f"Host: {name}", f"Origin: {own}", "Origin: http://evil.example"),
        (f"Host: {name}", "Origin: http://evil.example", f"Origin: {own}"),
    ):
        status, _ = await raw_request(hosting, "POST /api/session HTTP/1.1", *lines, "Content-Length: 0")
        assert status == 403
    twice = (f"Host: {name}", f"Host: {name}", f"Origin: {own}")
    status, _ = await raw_request(hosting, "POST /api/session HTTP/1.1", *twice, "Content-Length: 0")
    assert status in {400, 421}


async def test_another_sites_form_changes_nothing(hosting: Hosting, visit: Any) -> None:
    """What a foreign page can send without a preflight: forms, and JSON disguised as text."""
    ada = await visit(hosting, joined="Ada")
    before = set(hosting.agent_sessions)
    agents = [agent.id for agent in hosting.agent_sessions["demo"].lobby.agents]
    bodies = [
        ("application/x-www-form-urlencoded", "name=Tea&description=a+pirate"),
        (
            "multipart/form-data; boundary=x",
            '--x\r\nContent-Disposition: form-data; name="name"\r\n\r\nTea\r\n--x--',
        ),
        ("text/plain", '{"name": "Tea", "description": "a pirate"}'),
        ("application/json", '{"name": "Tea", "description": "a pirate"}'),
    ]
    async with httpx.AsyncClient(base_url=hosting.url, cookies=ada.http.cookies) as http:
        for path in ("api/session", "api/lobbies", "api/lobbies/demo/agents"):
            for type, body in bodies:
                for origin in ("https://evil.example", "null", None):
                    headers = {"Content-Type": type} | ({"Origin": origin} if origin else {})
                    answer = await http.post(path, content=body, headers=headers)
                    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "origin")
                    assert answer.json()["error"]["hint"]
    assert set(hosting.agent_sessions) == before
    assert [agent.id for agent in hosting.agent_sessions["demo"].lobby.agents] == agents


async def test_json_needs_its_content_type(hosting: Hosting, visit: Any) -> None:
    ada = await visit(hosting)
    before = set(hosting.agent_sessions)
    for type in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = await ada.http.post("api/lobbies", content='{"name": "Tea"}', headers={"Content-Type": type})
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "bad_message")
    assert set(hosting.agent_sessions) == before


async def test_the_method_cannot_be_overridden(hosting: Hosting, visit: Any) -> None:
    """No header and no field turns a safe method into another."""
    ada = await visit(hosting, joined="Ada")
    (agent,) = hosting.agent_sessions["demo"].lobby.agents
    address = f"api/lobbies/demo/agents/{agent.id}"
    async with httpx.AsyncClient(base_url=hosting.url, cookies=ada.http.cookies) as http:
        for header in ("X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"):
            for method in ("GET", "HEAD", "OPTIONS"):
                for path in (address, f"{address}?_method=DELETE"):
                    answer = await http.request(method, path, headers={header: "DELETE"})
                    assert answer.status_code in {404, 405}
        for method in ("DELETE", "PATCH", "PUT", "TRACE", "CONNECT", "BREW"):
            assert (await http.request(method, address)).status_code in {400, 403}
    assert hosting.agent_sessions["demo"].lobby.agents == [agent]


class WatchedStore(MemoryStore):
    """Remembers every session that was created."""

    def __init__(self) -> None:
        super().__init__()
        self.made: set[str] = set()

    async def put_session(self, record: SessionRecord) -> None:
        self.made.add(record.handle)
        await super().put_session(record)


async def test_reading_changes_nothing(host: Any, visit: Any) -> None:
    store = WatchedStore()
    hosting = await host(store=store)
    ada = await visit(hosting, joined="Ada")
    lobby = hosting.agent_sessions["demo"].lobby
    await ada.settle()
    version, made = lobby.version, set(store.made)
    paths = [
        route.path
        for router in (api, lobbies, conversations, operation, pages)
        for route in router.routes
        if "GET" in route.methods
    ]
    assert len(paths) >= 7
    async with httpx.AsyncClient(base_url=hosting.url) as stranger:
        for http in (ada.http, stranger):
            for path in paths:
                address = path.replace("{lobby_id}", "demo").replace("{path:path}", "some/page")
                answer = await http.get(address)
                assert answer.status_code < 500 or not hosting.client_built
                assert "set-cookie" not in answer.headers
                answer = await http.head(address)
                assert "set-cookie" not in answer.headers
    assert lobby.version == version
    assert made == store.made != set()
