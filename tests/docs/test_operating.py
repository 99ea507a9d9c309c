"""The configurations in operating.md parse, and its names and numbers are those of the code."""

from __future__ import annotations

import configparser
import re
import signal

import yaml
from pydantic import SecretStr

from tests.docs.pages import OPERATING, fenced
from voicebot.lobby.capacity import Capacity
from voicebot.media.base import MediaStats
from voicebot.server.endpoints.health import operation
from voicebot.server.lobby.lobbies import MAX_LOBBIES
from voicebot.server.net.drain import SPEECH_SECONDS
from voicebot.server.net.limits import Limits
from voicebot.server.telemetry.metrics import PRESENT, Metrics, Present
from voicebot.settings import Settings
from voicebot.signaling.messages import MAX_FRAME


def only(language: str) -> str:
    [block] = fenced(OPERATING, language)
    return block


def default(name: str) -> str:
    value = Settings.model_fields[name].default
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def test_the_table_of_settings_is_that_of_the_code() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| (?:`(.*?)`)? *\| (.+) \|$", OPERATING, re.MULTILINE)
    assert sorted(rows) == sorted(
        (name.upper(), default(name), str(field.description)) for name, field in Settings.model_fields.items()
    )


def test_the_limits_are_those_of_the_code() -> None:
    section = OPERATING.split("## Limits")[1].split("## Monitoring")[0]
    told = dict(re.findall(r"^\| (.+?) \| (.*\d.*) \|$", section, re.MULTILINE))
    limits, capacity = Limits(), Capacity()
    assert told == {
        "lobbies on one server": f"{MAX_LOBBIES}",
        "people in a lobby; with their camera on": f"{capacity.humans}; {capacity.video}",
        "agents in a lobby": f"{capacity.agents}",
        "people who wait for admission to a lobby": f"{capacity.waiting}",
        "WebSockets of one session; of one address": (
            f"{limits.sockets_per_session}; {limits.sockets_per_address}"
        ),
        "new sessions from one address": (
            f"{limits.sessions_burst} at once, then 1 in {1 / limits.sessions_per_second:.0f} s"
        ),
        "new lobbies of one session; of one address": (
            f"{limits.lobbies_burst} at once, then 1 in {1 / limits.lobbies_per_second:.0f} s;"
            " five times that"
        ),
        "messages of one session": f"{limits.burst} at once, then {limits.messages_per_second:.0f} a second",
        "a message": f"{MAX_FRAME // 1024} KiB",
        "an empty lobby that was made in a browser": (
            f"ends after {limits.empty_lobby:.0f} s; after {limits.unused_lobby:.0f} s if nobody ever came"
        ),
    }


def test_the_service_waits_for_longer_than_the_server_drains() -> None:
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string(only("ini"))
    service = unit["Service"]
    assert signal.Signals[service["KillSignal"]] is signal.SIGTERM
    environment = dict(entry.split("=") for entry in service["Environment"].split())
    assert {name.lower() for name in environment} <= set(Settings.model_fields)
    settings = Settings(_env_file=None, **{k.lower(): v for k, v in environment.items()})  # type: ignore[arg-type, call-arg]
    assert float(service["TimeoutStopSec"]) >= settings.drain_seconds + SPEECH_SECONDS + 20
    assert service["ExecStart"].endswith("/voicebot serve")


def test_the_proxy_example_sets_the_headers_that_the_server_needs() -> None:
    block = only("nginx")
    headers = dict(re.findall(r"proxy_set_header (\S+) (\S+);", block))
    assert headers["Host"] == "$host"
    assert headers["X-Forwarded-Proto"] == "$scheme"
    assert headers["Upgrade"] == "$http_upgrade"
    assert {"X-Forwarded-For", "Connection"} <= set(headers)
    assert block.count("{") == block.count("}")


def test_the_prometheus_example_has_the_address_and_the_token() -> None:
    [job] = yaml.safe_load(only("yaml"))["scrape_configs"]
    [target] = job["static_configs"][0]["targets"]
    assert target == f"127.0.0.1:{Settings.model_fields['port'].default}"
    assert job["authorization"]["credentials"] == "<METRICS_TOKEN>"
    assert "metrics_token" in Settings.model_fields


def test_the_paths_it_names_exist() -> None:
    paths = {route.path for route in operation.routes}  # type: ignore[attr-defined]
    assert paths == {"/health", "/ready", "/metrics"}
    for path in paths:
        assert f"`{path}`" in OPERATING


def test_the_metrics_it_names_exist() -> None:
    metrics = Metrics()
    metrics.registry.register(
        Present(
            lambda: dict.fromkeys(PRESENT, 0.0), lambda: MediaStats(0.0, 0, late_frames=0, lost_packets=0)
        )
    )
    there = {family.name for family in metrics.registry.collect()}
    named = set(re.findall(r"`(voicebot_[a-z_]+)`", OPERATING))
    assert len(named) > 10
    assert named <= there
