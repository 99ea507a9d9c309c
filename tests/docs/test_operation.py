"""What the README says to those who run a server: configurations that parse and name what there is."""

from __future__ import annotations

import configparser
import re
import signal
from pathlib import Path

import yaml

from voicebot.media.base import MediaStats
from voicebot.server.endpoints.health import operation
from voicebot.server.net.drain import SENTENCE
from voicebot.server.telemetry.metrics import PRESENT, Metrics, Present
from voicebot.settings import Settings

README = (Path(__file__).parents[2] / "README.md").read_text()


def fenced(language: str) -> str:
    [block] = re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    return str(block)


def test_the_service_waits_for_longer_than_the_server_drains() -> None:
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string(fenced("ini"))
    service = unit["Service"]
    assert signal.Signals[service["KillSignal"]] is signal.SIGTERM
    environment = dict(entry.split("=") for entry in service["Environment"].split())
    assert {name.lower() for name in environment} <= set(Settings.model_fields)
    settings = Settings(_env_file=None, **{k.lower(): v for k, v in environment.items()})  # type: ignore[arg-type, call-arg]
    assert float(service["TimeoutStopSec"]) >= settings.drain_seconds + SENTENCE + 20
    assert service["ExecStart"].endswith("/voicebot serve")


def test_the_proxy_passes_on_what_the_server_asks_for() -> None:
    block = fenced("nginx")
    headers = dict(re.findall(r"proxy_set_header (\S+) (\S+);", block))
    assert headers["Host"] == "$host"
    assert headers["X-Forwarded-Proto"] == "$scheme"
    assert headers["Upgrade"] == "$http_upgrade"
    assert {"X-Forwarded-For", "Connection"} <= set(headers)
    assert block.count("{") == block.count("}")


def test_prometheus_is_told_where_and_with_what() -> None:
    [job] = yaml.safe_load(fenced("yaml"))["scrape_configs"]
    [target] = job["static_configs"][0]["targets"]
    assert target == f"127.0.0.1:{Settings.model_fields['port'].default}"
    assert job["authorization"]["credentials"] == "<METRICS_TOKEN>"
    assert "metrics_token" in Settings.model_fields


def test_the_paths_it_names_exist() -> None:
    paths = {route.path for route in operation.routes}  # type: ignore[attr-defined]
    assert paths == {"/health", "/ready", "/metrics"}
    for path in paths:
        assert f"`{path}`" in README


def test_the_metrics_it_names_exist() -> None:
    metrics = Metrics()
    metrics.registry.register(
        Present(
            lambda: dict.fromkeys(PRESENT, 0.0), lambda: MediaStats(0.0, 0, late_frames=0, lost_packets=0)
        )
    )
    there = {family.name for family in metrics.registry.collect()}
    named = set(re.findall(r"`(voicebot_[a-z_]+)`", README))
    assert len(named) > 10
    assert named <= there
