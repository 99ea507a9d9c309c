"""Endpointing from the settings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.agent.stage import Stage
from voicebot.agent.models.endpoint_model import SAMPLES
from voicebot.agent.models.endpointing import Tail, constants_of, endpointing_of, model_path
from voicebot.errors import SettingsError
from voicebot.events import EndpointConfirmed
from voicebot.settings import load_settings
from voicebot.turn.endpointing.policies import DynamicEndpointing, FixedEndpointing, LearnedEndpointing
from voicebot.turn.endpointing.settings import EndpointingSettings


def test_default_settings_give_the_default_constants() -> None:
    assert endpointing_of(load_settings(None)) == DynamicEndpointing()
    assert constants_of(load_settings(None)) == EndpointingSettings()


def test_fixed_endpointing_uses_only_the_delay() -> None:
    assert endpointing_of(load_settings(None, endpointing="fixed", endpoint_delay=0.8)) == FixedEndpointing(
        0.8
    )


def test_learned_endpointing_has_the_bounds_of_the_settings() -> None:
    settings = load_settings(None, endpointing="ONNX: ~/turn.onnx", endpoint_max_delay=4)
    assert endpointing_of(settings) == LearnedEndpointing(EndpointingSettings(max_delay=4))
    assert model_path(settings) == "~/turn.onnx"
    assert model_path(load_settings(None)) == ""


@pytest.mark.parametrize(("delay", "least", "greatest"), [(0.2, 0.2, 3.0), (4.0, 0.3, 4.0)])
def test_a_delay_outside_the_bounds_widens_them(delay: float, least: float, greatest: float) -> None:
    constants = constants_of(load_settings(None, endpoint_delay=delay))
    assert (constants.min_delay, constants.delay, constants.max_delay) == (least, delay, greatest)


@pytest.mark.parametrize(
    "value", ["", "onnx", "onnx:", "model.onnx", "dynamic:x", "fixed:0.5", "fast", "ONNX :"]
)
def test_an_unknown_endpointing_is_refused_with_the_known_ones(value: str) -> None:
    with pytest.raises(SettingsError, match=r"ENDPOINTING=.*onnx:/path/model\.onnx"):
        load_settings(None, endpointing=value)


def test_contradictory_bounds_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"ENDPOINT_MAX_DELAY=0\.4: .*ENDPOINT_MIN_DELAY, which is 0\.6"):
        load_settings(None, endpoint_min_delay=0.6, endpoint_max_delay=0.4)
    with pytest.raises(SettingsError, match=r"ENDPOINT_MIN_DELAY=3"):
        load_settings(None, endpoint_min_delay=3)


@pytest.mark.virtual_time
@pytest.mark.parametrize(("endpointing", "delay"), [("dynamic", 1.5), ("fixed", 0.5)])
async def test_a_lobby_uses_the_endpointing_of_the_settings(
    tmp_path: Path, endpointing: str, delay: float
) -> None:
    async with Stage(tmp_path, stt=["i like tea and"], llm=["And?"], endpointing=endpointing) as stage:
        ada = await stage.agent()
        await stage.person()
        await stage.media.hear("anna", 1.0)
        await stage.said(ada)
        assert stage.of(EndpointConfirmed)[0].delay_s == pytest.approx(delay, abs=0.02)


@pytest.mark.virtual_time
async def test_an_agents_name_alone_waits_longer_for_the_rest(tmp_path: Path) -> None:
    async with Stage(tmp_path, stt=["ada"], llm=["Yes?"], endpointing="dynamic") as stage:
        ada = await stage.agent()
        await stage.person()
        await stage.media.hear("anna", 0.5)
        await stage.said(ada)
        assert stage.of(EndpointConfirmed)[0].reason == "only Ada was called: 1.2 s"


def test_the_last_eight_seconds_are_kept() -> None:
    tail = Tail()
    assert len(tail.samples()) == 0
    for number in range(300):
        tail.push(np.full(512, number, np.int16))
    kept = tail.samples()
    assert len(kept) == SAMPLES
    assert kept[-1] == 299
    assert kept[0] == 299 - (SAMPLES - 1) // 512
    assert len(tail._parts) <= SAMPLES // 512 + 1
