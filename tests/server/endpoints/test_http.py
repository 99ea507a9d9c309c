"""The HTTP side of a running server."""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from tests.server.conftest import own_origin
from voicebot.events import ModelSwapped
from voicebot.server.hosting import Hosting


async def test_a_session_cookie_is_opaque_and_kept(hosting: Hosting) -> None:
    async with httpx.AsyncClient(base_url=hosting.url, headers=own_origin(hosting.url)) as http:
        first = await http.post("api/session")
        cookie = first.headers["set-cookie"]
        for flag in ("HttpOnly", "SameSite=lax", "Path=/"):
            assert flag in cookie
        assert "Secure" not in cookie
        assert len(http.cookies[f"voicebot_session_{hosting.port}"]) >= 43
        again = await http.post("api/session")
        assert again.json() == first.json()
        assert "set-cookie" not in again.headers
        assert first.headers["cache-control"] == "no-store"
        http.cookies.set(f"voicebot_session_{hosting.port}", "made-up")
        other = await http.post("api/session")
        assert other.json()["session"] != first.json()["session"]


async def test_behind_https_the_cookie_is_bound_to_the_host(hosting: Hosting) -> None:
    async with httpx.AsyncClient(base_url=hosting.url, headers=own_origin(hosting.url)) as http:
        https = own_origin(hosting.url.replace("http:", "https:"))
        answer = await http.post("api/session", headers={"X-Forwarded-Proto": "https"} | https)
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-voicebot_session=")
        assert "Secure" in cookie


async def test_every_answer_carries_the_security_headers(hosting: Hosting) -> None:
    async with httpx.AsyncClient(base_url=hosting.url, headers=own_origin(hosting.url)) as http:
        for path in ("", "api/nothing", "health", "assets/x.js"):
            headers = (await http.get(path)).headers
            policy = dict(
                part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";")
            )
            assert policy["script-src"] == policy["style-src"] == "'self'"
            assert policy["object-src"] == "'none'"
            assert "http://localhost:*" in policy["frame-ancestors"]
            assert "evil" not in policy["frame-ancestors"]
            assert "microphone=(self)" in headers["permissions-policy"]
            assert headers["x-content-type-options"] == "nosniff"
        hostile = await http.get("health", headers={"Host": "x; script-src *"})
        assert "script-src *" not in hostile.headers.get("content-security-policy", "")


@pytest.mark.parametrize(
    ("address", "scheme", "isolated"),
    [
        ("localhost:8000", "http", True),
        ("127.0.0.1:8000", "http", True),
        ("[::1]:8000", "http", True),
        ("voice.example", "https", True),
        ("192.168.0.7:8000", "http", False),
        ("localhost.example:8000", "http", False),
    ],
)
async def test_the_page_is_isolated_on_trustworthy_origins(
    hosting: Hosting, address: str, scheme: str, isolated: bool
) -> None:
    async with httpx.AsyncClient(base_url=hosting.url, headers=own_origin(hosting.url)) as http:
        answer = await http.get("health", headers={"Host": address, "X-Forwarded-Proto": scheme})
        assert ("cross-origin-opener-policy" in answer.headers) is isolated


async def test_other_sites_cannot_change_anything(hosting: Hosting) -> None:
    async with httpx.AsyncClient(base_url=hosting.url, headers=own_origin(hosting.url)) as http:
        for origin in ("null", "http://evil.example", f"https://localhost:{hosting.port}"):
            answer = await http.post("api/session", headers={"Origin": origin})
            assert answer.status_code == 403
            assert answer.json()["error"]["code"] == "origin"
        assert (await http.post("api/session", headers={"Origin": hosting.url[:-1]})).status_code == 200


async def test_a_lobby_is_created_and_read_over_http(hosting: Hosting) -> None:
    async with httpx.AsyncClient(base_url=hosting.url, headers=own_origin(hosting.url)) as http:
        refused = await http.post("api/lobbies", json={"name": "Tea"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "no_session")
        await http.post("api/session")
        made = await http.post("api/lobbies", json={"name": " Tea \u202e room "})
        assert made.status_code == 201
        assert made.json()["name"] == "Tea room"
        read = await http.get(f"api/lobbies/{made.json()['id']}")
        assert read.json() == {"lobby": made.json(), "knock": False, "people": 0, "agents": 0}
        assert made.json()["settings"]["private"] is True
        assert (await http.get("api/lobbies/nothing")).status_code == 404
        for body in ({"name": ""}, {"name": 7}, {}, {"name": "x", "y": 1}, "not json"):
            wrong = await http.post("api/lobbies", json=body)
            assert wrong.status_code == 422
            assert wrong.json()["error"]["code"] == "bad_message"


async def test_only_people_in_a_lobby_can_use_its_agents(hosting: Hosting, visit: Any) -> None:
    ada = await visit(hosting)
    assert (await ada.http.get("api/lobbies/demo/agents")).status_code == 404
    await ada.join("Ada")
    hosting.moderate("demo").make_host(ada.me)
    (first,) = (await ada.http.get("api/lobbies/demo/agents")).json()
    made = await ada.http.post("api/lobbies/demo/agents", json={"description": "a pirate", "name": "Jack"})
    assert made.status_code == 201
    await ada.expect("agent_created", lambda m: m["data"]["participant"]["id"] == made.json()["id"])
    address = f"api/lobbies/demo/agents/{made.json()['id']}"
    for role in ("stt", "tts", "llm"):
        unknown = await ada.http.patch(address, json={role: "nonsense:x"})
        assert (unknown.status_code, unknown.json()["error"]["code"]) == (422, "unknown_model")
        assert "Choose one of" in unknown.json()["error"]["hint"]
    offered = next(o.spec for o in hosting.models.options("tts") if o.spec.startswith("espeak:"))
    mixed = await ada.http.patch(address, json={"tts": offered, "llm": "nonsense:x"})
    assert mixed.status_code == 422
    swapped = await ada.http.patch(address, json={"tts": offered})
    assert swapped.status_code == 200
    log = hosting.agent_sessions["demo"].log
    assert log is not None
    (event,) = [e for e in log.events if isinstance(e, ModelSwapped)]
    assert (event.participant_id, event.role) == (made.json()["id"], "tts")
    assert event.new.startswith("espeak")
    assert (await ada.http.delete(address)).status_code == 204
    assert (await ada.http.delete(address)).status_code == 404
    assert (await ada.http.delete(f"api/lobbies/demo/agents/{ada.me}")).status_code == 404
    assert [a["id"] for a in (await ada.http.get("api/lobbies/demo/agents")).json()] == [first["id"]]


@pytest.mark.parametrize(
    ("role", "spec"),
    [
        ("stt", "faster-whisper:/etc"),
        ("stt", "faster-whisper:someone/some-model"),
        ("tts", "piper:/tmp/voice.onnx"),
        ("llm", "openai:the-dearest-one"),
        ("stt", "openai"),
    ],
)
async def test_people_can_swap_in_offered_models_only(
    hosting: Hosting, visit: Any, role: str, spec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await visit(hosting, joined="Ada")
    hosting.moderate("demo").make_host(ada.me)
    (agent,) = (await ada.http.get("api/lobbies/demo/agents")).json()
    monkeypatch.setattr(hosting.models, "get", None)  # nothing may even be looked at
    answer = await ada.http.patch(f"api/lobbies/demo/agents/{agent['id']}", json={role: spec})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "unknown_model")
    assert spec in answer.json()["error"]["message"]


async def test_only_an_owner_can_change_stt_and_not_for_another_lobby(
    hosting: Hosting, visit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, bob = await visit(hosting, joined="Ada"), await visit(hosting, joined="Bob")
    swapped: list[str] = []

    async def swap(role: str, spec: str, progress: Any) -> None:
        swapped.append(spec)

    monkeypatch.setattr(hosting.models, "swap", swap)
    (agent,) = hosting.agent_sessions["demo"].lobby.agents
    offered = hosting.models.options("stt")[0].spec

    async def ask(who: Any) -> tuple[int, str]:
        answer = await who.http.patch(f"api/lobbies/demo/agents/{agent.id}", json={"stt": offered})
        return answer.status_code, answer.json().get("error", {}).get("code", "")

    assert await ask(bob) == (403, "forbidden")
    assert await ask(ada) == (403, "forbidden")  # host for the moment
    hosting.moderate("demo").make_host(ada.me)
    await hosting.create_lobby("Other", "other")
    assert await ask(ada) == (200, "")
    carl = await visit(hosting)
    await carl.join("Carl", lobby="other")
    assert await ask(ada) == (403, "forbidden")
    await carl.send("leave_lobby", lobby="other")
    await carl.settle()
    assert await ask(ada) == (200, "")
    assert swapped == [offered, offered]


async def test_an_invalid_agent_is_the_callers_error(hosting: Hosting, visit: Any) -> None:
    ada = await visit(hosting, joined="Ada")
    wrong = await ada.http.post("api/lobbies/demo/agents", json={"description": "   "})
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (422, "persona")


async def test_too_many_lobbies_are_the_callers_error(
    hosting: Hosting, visit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voicebot.server.lobby.lobbies.MAX_LOBBIES", 1)
    ada = await visit(hosting)
    refused = await ada.http.post("api/lobbies", json={"name": "Tea"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "too_many")


async def test_impossible_addresses_are_not_internal_errors(hosting: Hosting) -> None:
    async with httpx.AsyncClient(base_url=hosting.url, headers=own_origin(hosting.url)) as http:
        for path in ("%00.js", "a" * 5000 + ".js"):
            assert (await http.get(path)).status_code == 404
        for address in ("[", "x:y", "[::1"):
            assert (await http.get("health", headers={"Host": address})).status_code == 200
            refused = await http.post("api/session", headers={"Host": address})
            assert (refused.status_code, refused.json()["error"]["code"]) == (421, "host")


async def test_only_people_in_a_lobby_get_turn_credentials(host: Any, settings: Any, visit: Any) -> None:
    turn = {"coturn_server": "turn:t.example", "coturn_secret": SecretStr("north-canary")}
    hosting = await host(settings=settings.model_copy(update=turn))
    ada = await visit(hosting)
    assert (await ada.http.get("api/lobbies/demo/ice-servers")).status_code == 404
    await ada.join("Ada")
    answer = (await ada.http.get("api/lobbies/demo/ice-servers")).json()
    assert answer["expires_s"] == 600
    relay = next(s for s in answer["ice_servers"] if s["username"])
    assert relay["username"].split(":")[0].isdigit()
    assert ada.me not in relay["username"]
    await ada.send("ice_servers_request")
    assert (await ada.expect("ice_servers"))["data"]["ice_servers"][1]["urls"] == relay["urls"]
    start = await ada.expect("start_webrtc_negotiation")
    assert start["data"]["ice_servers"][1]["credential"]
    assert "north-canary" not in str([answer, start, ada.received])


async def test_health_and_readiness(hosting: Hosting) -> None:
    async with httpx.AsyncClient(base_url=hosting.url, headers=own_origin(hosting.url)) as http:
        assert (await http.get("health")).json()["status"] == "ok"
        ready = await http.get("ready")
        assert ready.status_code == 200
        assert ready.json()["models"]["llm"] == "offline"
        assert (await http.get("api/openapi.json")).json()["info"]["title"] == "AI Voicebot"


BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
SCRIPT = "assets/app-1234.js"


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A built client; the style sheet is too small to be compressed."""
    folder = tmp_path / "static"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<title>built</title>")
    script = folder / SCRIPT
    script.write_text("const answer = 42;")
    script.with_name(script.name + ".gz").write_bytes(gzip.compress(script.read_bytes()))
    script.with_name(script.name + ".br").write_bytes(b"stands for brotli")
    (folder / "assets" / "app-1234.css").write_text("p{}")
    (tmp_path / "secret.txt").write_text("secret")
    return folder


@pytest.fixture
async def controller(host: Any, built: Path) -> AsyncIterator[httpx.AsyncClient]:
    hosting = await host(static=built)
    async with httpx.AsyncClient(base_url=hosting.url, headers=own_origin(hosting.url)) as http:
        yield http


async def test_the_built_client_is_served_with_its_caching(controller: httpx.AsyncClient) -> None:
    for path in ("", "?lobby=demo", "index.html"):
        page = await controller.get(path)
        assert "built" in page.text
        assert page.headers["cache-control"] == "no-cache"
    script = await controller.get(SCRIPT)
    assert "immutable" in script.headers["cache-control"]
    assert "javascript" in script.headers["content-type"]
    for path in ("assets/gone.js", "api/nothing", "..%2fsecret.txt", "assets/..%2f..%2fsecret.txt"):
        assert (await controller.get(path)).status_code == 404
    assert not controller.cookies  # reading changes nothing


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip, deflate, br", "br"),
        ("gzip, deflate", "gzip"),
        ("br;q=0, GZIP ; q=0.5", "gzip"),
        ("br; q=0.000, gzip;q=0", None),
        ("identity", None),
        ("", None),
    ],
)
async def test_the_smallest_accepted_encoding_of_a_file_is_sent(
    controller: httpx.AsyncClient, built: Path, accepted: str, encoding: str | None
) -> None:
    end = {"br": ".br", "gzip": ".gz", None: ""}[encoding]
    on_disk = (built / (SCRIPT + end)).read_bytes()
    for method in ("HEAD", "GET"):
        async with controller.stream(method, SCRIPT, headers={"Accept-Encoding": accepted}) as answer:
            sent = b"".join([part async for part in answer.aiter_raw()])
        assert answer.status_code == 200
        assert answer.headers.get("content-encoding") == encoding
        assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
        assert answer.headers["vary"] == "Accept-Encoding"
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-length"] == str(len(on_disk))
        assert sent == (on_disk if method == "GET" else b"")
    plain = await controller.get("assets/app-1234.css", headers={"Accept-Encoding": accepted})
    assert plain.text == "p{}"
    assert "content-encoding" not in plain.headers


async def test_a_file_that_the_browser_has_is_not_sent_again(
    controller: httpx.AsyncClient, built: Path
) -> None:
    gzipped = {"Accept-Encoding": "gzip"}
    tags = {
        encoding: (await controller.head(SCRIPT, headers={"Accept-Encoding": encoding})).headers["etag"]
        for encoding in ("br", "gzip", "identity")
    }
    assert len(set(tags.values())) == 3
    for known in (tags["gzip"], f'"other", W/{tags["gzip"]}', "*"):
        answer = await controller.get(SCRIPT, headers=gzipped | {"If-None-Match": known})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == tags["gzip"]
        assert answer.headers["vary"] == "Accept-Encoding"
        assert "immutable" in answer.headers["cache-control"]
    assert (await controller.get(SCRIPT, headers=gzipped | {"If-None-Match": tags["br"]})).status_code == 200

    # a new build of the same size, unpacked with the same time
    tag = (await controller.get("")).headers["etag"]
    before = (built / "index.html").stat()
    (built / "new.html").write_text("<title>BUILT</title>")
    os.utime(built / "new.html", (before.st_atime, before.st_mtime - 60))
    (built / "new.html").replace(built / "index.html")
    answer = await controller.get("", headers={"If-None-Match": tag})
    assert (answer.status_code, answer.text) == (200, "<title>BUILT</title>")


async def test_range_requests_are_supported(controller: httpx.AsyncClient, built: Path) -> None:
    for encoding, end in (("identity", ""), ("gzip", ".gz")):
        asked = {"Accept-Encoding": encoding, "Range": "bytes=2-5"}
        async with controller.stream("GET", SCRIPT, headers=asked) as answer:
            sent = b"".join([part async for part in answer.aiter_raw()])
        whole = (built / (SCRIPT + end)).read_bytes()
        assert (answer.status_code, sent) == (206, whole[2:6])
        assert answer.headers["content-range"] == f"bytes 2-5/{len(whole)}"


@pytest.mark.parametrize(
    ("path", "start"),
    [("tea-room", "./"), ("lobby/tea-room", "../"), ("a/b/", "../../"), ("a%2fb", "./"), ("x.php", "./")],
)
async def test_browsers_get_a_page_for_an_unknown_address(
    controller: httpx.AsyncClient, path: str, start: str
) -> None:
    page = await controller.get(path, headers=BROWSER)
    assert page.status_code == 404
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["vary"] == "Accept"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    links = re.findall('href="([^"]*)"', page.text)
    assert links[0] == start
    assert links[1:] == ([f"{start}?lobby=tea-room"] if "tea-room" in path else [])
    assert "src=" not in page.text
    assert (await controller.head(path, headers=BROWSER)).status_code == 404
    program = await controller.get(path)
    assert program.status_code == 404
    assert program.json()["error"]["code"] == "not_found"


async def test_browsers_get_json_for_an_unknown_api_address(controller: httpx.AsyncClient) -> None:
    for path in ("api", "api/nothing", "api/a/b"):
        answer = await controller.get(path, headers=BROWSER)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


async def test_compressed_files_have_no_address_of_their_own(controller: httpx.AsyncClient) -> None:
    for end in (".br", ".gz"):
        assert (await controller.get(SCRIPT + end)).status_code == 404


async def test_an_unbuilt_client_says_what_to_do(host: Any, tmp_path: Path) -> None:
    hosting = await host(static=tmp_path / "nothing")
    assert not hosting.client_built
    async with httpx.AsyncClient(base_url=hosting.url, headers=own_origin(hosting.url)) as http:
        page = await http.get("")
        assert page.status_code == 503
        assert "make client" in page.text
        assert page.headers["cache-control"] == "no-store"
