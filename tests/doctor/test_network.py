from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path

import pytest

from tests.doctor.conftest import SECRET
from tests.support.coturn import free_port, given_back
from voicebot.doctor.network import turn_checks
from voicebot.rtc.ice_servers.probe import probe
from voicebot.settings import Settings, load_settings
from voicebot.signaling.turn import ice_plan


def with_turn(server: str, secret: str = SECRET) -> Settings:
    return load_settings(None, coturn_server=server, coturn_secret=secret)


async def test_a_working_coturn_relays_over_udp_and_tcp(coturn: dict[str, int]) -> None:
    checks = await turn_checks(with_turn(f"turn:127.0.0.1:{coturn['plain']}"))
    assert [c.status for c in checks] == ["ok", "ok", "ok"]
    stun, udp, tcp = checks
    assert "sees us as 127.0.0.1:" in stun.detail
    assert "relays over UDP, at 127.0.0.1:" in udp.detail
    assert "relays over TCP, at 127.0.0.1:" in tcp.detail


async def test_a_wrong_secret_is_reported_as_such(coturn: dict[str, int]) -> None:
    checks = await turn_checks(with_turn(f"turn:127.0.0.1:{coturn['plain']}?transport=udp", "wrong"))
    failed = [c for c in checks if c.status == "failed"]
    assert len(failed) == 1
    assert "refuses the credentials (401" in failed[0].detail
    assert "static-auth-secret" in failed[0].advice


async def test_expired_credentials_are_refused(coturn: dict[str, int]) -> None:
    yesterday = time.time() - 86_400
    plan = ice_plan(f"turn:127.0.0.1:{coturn['plain']}?transport=udp", SECRET, "x", yesterday)
    relay = plan.servers[-1]
    found = await probe(relay.urls[0], relay.username, relay.credential)
    assert found.outcome == "unauthorized"


async def test_a_port_where_nothing_listens_is_unreachable() -> None:
    port = free_port()
    found = await probe(f"turn:127.0.0.1:{port}?transport=tcp", "u", "p")
    assert found.outcome == "unreachable"
    assert "no connection over TCP" in found.detail
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        url = f"127.0.0.1:{silent.getsockname()[1]}"
        for silent_url in (f"turn:{url}?transport=udp", f"stun:{url}"):
            found = await probe(silent_url, "u", "p", patience=0.2)
            assert (found.outcome, found.detail) == ("unreachable", "no answer over UDP within 0.2 s")


async def test_a_nonexistent_host_is_reported_as_such() -> None:
    checks = await turn_checks(with_turn("turn:no-such-host.invalid?transport=tcp"))
    assert [c.status for c in checks] == ["failed"]
    assert "'no-such-host.invalid' is not known" in checks[0].detail
    assert "COTURN_SERVER" in checks[0].advice
    for host in ("a..b", "x" * 64):
        assert (await probe(f"turn:{host}?transport=tcp", "u", "p")).outcome == "unknown_host"
        assert (await probe(f"stun:{host}")).outcome == "unknown_host"
        [check] = await turn_checks(with_turn(f"turn:{host}"))
        assert (check.status, check.name) == ("failed", "TURN")


async def test_an_untrusted_certificate_is_reported_as_such(coturn: dict[str, int]) -> None:
    [check] = await turn_checks(with_turn(f"turns:localhost:{coturn['tls']}"))
    assert check.status == "failed"
    assert "TLS handshake failed" in check.detail
    assert "SSL_CERT_FILE" in check.advice


async def test_tls_with_a_known_certificate_relays(
    coturn: dict[str, int], certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    [check] = await turn_checks(with_turn(f"turns:localhost:{coturn['tls']}"))
    assert check.status == "ok", check.detail
    assert "relays over TLS" in check.detail


async def test_one_closed_address_of_several_is_only_a_warning(coturn: dict[str, int]) -> None:
    both = f"turn:127.0.0.1:{coturn['plain']}?transport=udp,turn:127.0.0.1:{free_port()}?transport=tcp"
    statuses = {
        c.name.partition("?")[2]: c.status for c in await turn_checks(with_turn(both)) if "?" in c.name
    }
    assert statuses == {"transport=udp": "ok", "transport=tcp": "warning"}


async def test_a_missing_server_a_missing_secret_and_a_wrong_address() -> None:
    [note] = await turn_checks(load_settings(None))
    assert note.status == "note"
    [nonsense] = await turn_checks(with_turn("turn:a b"))
    assert (nonsense.status, nonsense.name) == ("failed", "TURN")
    found = await probe("http://example.org")
    assert found.outcome == "not_an_address"


async def test_without_a_secret_it_says_that_nothing_is_relayed(coturn: dict[str, int]) -> None:
    checks = await turn_checks(with_turn(f"turn:127.0.0.1:{coturn['plain']}", ""))
    assert [c.status for c in checks] == ["warning", "ok"]
    assert "COTURN_SECRET" in checks[0].advice


async def test_allocations_are_deleted_after_the_check(coturn: dict[str, int], coturn_folder: Path) -> None:
    """By coturn's own account; and nothing is left running on our loop."""
    before = asyncio.all_tasks()
    await turn_checks(with_turn(f"turn:127.0.0.1:{coturn['plain']}"))
    assert asyncio.all_tasks() == before
    await given_back(coturn_folder / "coturn.log", 2)
