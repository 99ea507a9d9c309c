"""`voicebot doctor --turn` against coturn with the shipped configuration, and with unsafe ones."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.support.coturn import configured, free_port, given_back, own_address
from voicebot.doctor import Check
from voicebot.doctor.network import turn_checks
from voicebot.doctor.relay import relay_checks
from voicebot.rtc.ice_servers.probe import probe
from voicebot.settings import load_settings
from voicebot.signaling.coturn import DENIED, CoturnOptions, turnserver_conf

SECRET = "for-tests-only"


@dataclass(frozen=True)
class Running:
    address: str
    port: int
    tls: int
    log: Path

    async def checks(self, server: str, secret: str = SECRET, **options: bool) -> list[Check]:
        settings = load_settings(None, coturn_server=server, coturn_secret=secret)
        return await turn_checks(settings, proof=True, **options)


Start = Callable[..., AbstractContextManager[Running]]


@pytest.fixture(scope="module")
def start(certificate: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Start:
    """coturn with the shipped configuration at this machine's own address, changed as told."""

    @contextmanager
    def run(*more: str, without: str = "$^", own: bool = True, **options: object) -> Iterator[Running]:
        address, folder = own_address(), tmp_path_factory.mktemp("coturn")
        port, tls = free_port(address), free_port(address)
        chosen = CoturnOptions("voicebot.test", SECRET, port, tls, cert=certificate[0], key=certificate[1])
        conf = turnserver_conf(replace(chosen, listening_ip=address, **options))  # type: ignore[arg-type]
        lines = [line for line in conf.splitlines() if not re.search(without, line)]
        # wherever the tests run: a machine on a private network or not
        lines += [f"allowed-peer-ip={address}"] if own else [f"denied-peer-ip={address}"]
        with configured(folder, "\n".join([*lines, *more]), address=address, ports=(port, tls)) as log:
            yield Running(address, port, tls, log)

    return run


@pytest.fixture(scope="module")
def shipped(start: Start) -> Iterator[Running]:
    with start() as running:
        yield running


@pytest.mark.parametrize("way", ["udp", "tcp", "tls"])
async def test_the_shipped_configuration_passes_every_proof(
    way: str, shipped: Running, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    url = f"turn:{shipped.address}:{shipped.port}?transport={way}"
    if way == "tls":
        url = f"turns:{shipped.address}:{shipped.tls}?transport=tcp"
    found = {(c.group, c.name): c for c in await shipped.checks(url)}
    assert {(c.status, c.detail) for c in found.values() if c.status != "ok"} == set()
    assert "data arrives both ways" in found["Relay", url].detail
    assert f"of {len(DENIED)} ranges that must not be reached are denied" in found["Denied", url].detail
    assert found["Credentials", f"expired, {url}"].detail == "refuses credentials that expired an hour ago"
    assert found["Credentials", f"wrong secret, {url}"].status == "ok"


async def test_every_allocation_of_the_proofs_is_deleted(start: Start) -> None:
    """By coturn's own account."""
    with start("verbose") as running:
        await running.checks(f"turn:{running.address}:{running.port}?transport=udp")
        await given_back(running.log, 4)


async def test_every_denied_range_that_is_open_is_listed_with_its_line(start: Start) -> None:
    opened = r"denied-peer-ip=(10\.|169\.254|64:ff9b::-)"
    with start(without=opened) as running:
        checks = await running.checks(f"turn:{running.address}:{running.port}?transport=udp")
    failed = {c.name: c for c in checks if c.group == "Denied" and c.status == "failed"}
    assert {"10.0.0.0/8", "169.254.0.0/16"} <= set(failed)
    assert "CreatePermission is granted" in failed["169.254.0.0/16"].detail
    assert "denied-peer-ip=169.254.0.0-169.254.255.255" in failed["169.254.0.0/16"].advice
    assert "--allow-private" in failed["10.0.0.0/8"].advice
    assert "172.16.0.0/12" not in failed


async def test_allow_private_accepts_open_private_networks(start: Start) -> None:
    with start(allow_private=True) as running:
        url = f"turn:{running.address}:{running.port}?transport=udp"
        meant = [c for c in await running.checks(url, allow_private=True) if c.status != "ok"]
        unmeant = [c.name for c in await running.checks(url) if c.status == "failed"]
    assert meant == []
    assert {"10.0.0.0/8", "192.168.0.0/16"} <= set(unmeant)
    assert "127.0.0.0/8" not in unmeant


async def test_a_relay_that_denies_itself_is_explained(start: Start) -> None:
    with start(own=False) as running:
        url = f"turn:{running.address}:{running.port}?transport=udp"
        [relay] = [c for c in await running.checks(url) if c.group == "Relay"]
    assert relay.status == "failed"
    assert "denies that address as a peer (403" in relay.detail
    assert "--external-ip" in relay.advice


async def test_a_server_that_accepts_anybody_fails(start: Start) -> None:
    with start("no-auth", without="auth-secret") as running:
        url = f"turn:{running.address}:{running.port}?transport=udp"
        failed = [c for c in await running.checks(url) if c.group == "Credentials" and c.status == "failed"]
    assert [c.detail for c in failed] == [
        "accepts credentials that expired an hour ago",
        "accepts credentials of another secret",
    ]
    assert all("use-auth-secret" in c.advice for c in failed)


async def test_a_clock_that_is_ahead_is_distinguished_from_a_wrong_secret(shipped: Running) -> None:
    url = f"turn:{shipped.address}:{shipped.port}?transport=udp"
    long_ago = time.time() - 7200  # our clock is two hours behind
    settings = load_settings(None, coturn_server=url, coturn_secret=SECRET)
    checks = await turn_checks(settings, lambda: long_ago, proof=True)
    [clock] = [c for c in checks if c.group == "Credentials"]
    assert (clock.status, "ahead of ours" in clock.detail, "NTP" in clock.advice) == ("failed", True, True)
    wrong = await shipped.checks(url, secret="another")
    assert [c for c in wrong if c.group == "Credentials"] == []
    assert [c.status for c in wrong if c.name == url] == ["failed"]


async def test_an_unreachable_address_needs_no_proof() -> None:
    found = await probe(f"turn:127.0.0.1:{free_port()}?transport=tcp", "u", "p")
    assert await relay_checks(found, SECRET, time.time()) == []


IPV6 = ("listening-ip=::1", "relay-ip=::1")


async def test_the_ranges_of_ipv6_are_proven_where_it_is_relayed(start: Start) -> None:
    with start(*IPV6) as running:
        url = f"turn:{running.address}:{running.port}?transport=udp"
        [denied] = [c for c in await running.checks(url) if c.group == "Denied"]
        said = running.log.read_text()
    assert denied.status == "ok"
    assert denied.detail == f"{len(DENIED)} of {len(DENIED)} ranges that must not be reached are denied"
    assert "Bad configuration format" not in said
    assert "Unknown" not in said


async def test_opening_private_networks_keeps_cloud_metadata_services_denied(start: Start) -> None:
    with start(*IPV6, allow_private=True) as running:
        url = f"turn:{running.address}:{running.port}?transport=udp"
        [denied] = [c for c in await running.checks(url, allow_private=True) if c.group == "Denied"]
    private = sum(one.private for one in DENIED)
    assert denied.status == "ok"
    assert denied.detail.startswith(f"{len(DENIED) - private} of {len(DENIED)} ranges")
    assert f"{private} are open because of --allow-private" in denied.detail


async def test_denying_ipv4_alone_leaves_ways_around_it(start: Start) -> None:
    with start(*IPV6, without=r"denied-peer-ip=[0-9a-f]*:") as running:
        url = f"turn:{running.address}:{running.port}?transport=udp"
        checks = await running.checks(url)
    failed = {c.name: c.advice for c in checks if c.group == "Denied" and c.status == "failed"}
    assert {"fd00:ec2::/32", "fec0::/10", "::ffff:0:0:0/96", "2001::/23", "3fff::/20"} <= set(failed)
    assert {"::ffff:0:0/96", "64:ff9b::/96", "2002::/16", "2001::/32", "fe80::/10", "fc00::/7"} <= set(failed)
    assert "denied-peer-ip=::ffff:0:0-::ffff:ffff:ffff" in failed["::ffff:0:0/96"]
