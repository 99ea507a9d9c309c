"""A learned end-of-turn model: small but real ONNX files with the real features and onnxruntime."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from voicebot.agent.models.endpoint_model import FRAMES, MAX_WAITING, MELS, SAMPLES, EndOfTurnModel, features
from voicebot.agent.models.models import Models
from voicebot.errors import ModelFailed, ModelLoadError
from voicebot.settings import Settings
from voicebot.testing.models import ScriptedLLM, ScriptedSTT, ScriptedTTS

SHAPE = (1, MELS, FRAMES)


def make_model(
    file: Path,
    *,
    shape: Sequence[int | str] = SHAPE,
    name: str = "input_features",
    outputs: int = 1,
    logits: bool = False,
    inputs: int = 1,
) -> Path:
    """Write a tiny model that predicts an end if the last 0.1 s is quieter than the rest."""
    import onnx
    from onnx import TensorProto, helper

    def constant(key: str, value: Any) -> Any:
        return onnx.numpy_helper.from_array(np.asarray(value), key)

    constants = [
        constant("start", np.array([-10], np.int64)),
        constant("end", np.array([2**31], np.int64)),
        constant("axis", np.array([2], np.int64)),
        constant("shape", np.array([1, 1], np.int64)),
        constant("times", np.array([[1, outputs]], np.int64).reshape(2)),
        constant("steep", np.float32(100 if logits else 10)),
    ]
    nodes = [
        helper.make_node("Slice", [name, "start", "end", "axis"], ["last"]),
        helper.make_node("ReduceMean", ["last"], ["end_level"], keepdims=0),
        helper.make_node("ReduceMean", [name], ["level"], keepdims=0),
        helper.make_node("Sub", ["level", "end_level"], ["fall"]),
        helper.make_node("Add" if logits else "Mul", ["fall", "steep"], ["logit"]),
        helper.make_node("Identity" if logits else "Sigmoid", ["logit"], ["value"]),
        helper.make_node("Reshape", ["value", "shape"], ["one"]),
        helper.make_node("Tile", ["one", "times"], ["logits"]),
    ]
    takes = [helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))]
    takes += [helper.make_tensor_value_info(f"more{n}", TensorProto.FLOAT, [1]) for n in range(inputs - 1)]
    gives = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, outputs])
    graph = helper.make_graph(nodes, "end of turn", takes, [gives], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, str(file))
    return file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return make_model(tmp_path / "turns.onnx")


def tone(seconds: float) -> NDArray[np.int16]:
    return (8000 * np.sin(np.arange(round(seconds * 16_000)) * 2 * np.pi * 300 / 16_000)).astype(np.int16)


QUIET = np.zeros(3200, np.int16)


async def test_the_model_distinguishes_an_end_from_a_pause(file: Path) -> None:
    model = await EndOfTurnModel.load(str(file))
    try:
        assert model.name == "onnx:turns.onnx"
        ended = await model.probability(np.concatenate([tone(2), QUIET]))
        going_on = await model.probability(tone(2))
        assert 0 <= going_on < 0.5 < ended <= 1
        assert await model.probability(np.zeros(0, np.int16)) == pytest.approx(0.5, abs=0.2)
    finally:
        await model.aclose()


async def test_a_model_with_any_batch_size_is_accepted(tmp_path: Path) -> None:
    file = make_model(tmp_path / "m.onnx", shape=("batch", MELS, FRAMES), name="mel")
    model = await EndOfTurnModel.load(str(file))
    assert 0 <= await model.probability(tone(1)) <= 1
    await model.aclose()


def test_features_of_short_audio_begin_with_silence() -> None:
    from faster_whisper.feature_extractor import FeatureExtractor

    extract = FeatureExtractor(chunk_length=8)
    found = features(np.concatenate([tone(20), QUIET]), extract)
    assert (found.shape, found.dtype) == (SHAPE, np.float32)
    assert np.array_equal(found, features(np.concatenate([tone(20), QUIET])[-SAMPLES:], extract))
    short = features(tone(1), extract)[0]
    level = short.mean(axis=0)
    assert level[:690].max() < level[710:].min()  # 7 s of silence, then a second of sound
    assert features(tone(1) // 4, extract) == pytest.approx(
        features(tone(1), extract), abs=0.05
    )  # loudness is taken out


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ({"shape": (1, 40, 800)}, r"takes input_features tensor\(float\) \[1, 40, 800\] instead of float32"),
        ({"shape": (1, 80, 3000)}, "instead of float32"),
        ({"inputs": 2}, r"more0 tensor\(float\)"),
        ({"logits": True}, "instead of one probability"),
        ({"outputs": 3}, "instead of one probability"),
    ],
)
async def test_a_model_of_another_shape_is_refused(
    tmp_path: Path, made: dict[str, Any], message: str
) -> None:
    file = make_model(tmp_path / "other.onnx", **made)
    with pytest.raises(ModelLoadError, match=message) as caught:
        await EndOfTurnModel.load(str(file))
    assert "other.onnx is not an end-of-turn model" in caught.value.message
    assert "ENDPOINTING=dynamic" in caught.value.hint


async def test_a_missing_or_unreadable_model_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a model")
    with pytest.raises(ModelLoadError, match=r"broken\.onnx cannot be loaded as an ONNX model"):
        await EndOfTurnModel.load(str(broken))
    for path in ("nowhere.onnx", str(tmp_path)):
        with pytest.raises(ModelLoadError, match="There is no file") as caught:
            await EndOfTurnModel.load(path)
        assert path in caught.value.message


async def test_a_relative_path_is_looked_up_in_the_project(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").touch()
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    model = await EndOfTurnModel.load("turns.onnx")
    await model.aclose()


async def test_a_full_queue_is_refused_at_once(file: Path) -> None:
    model = await EndOfTurnModel.load(str(file))
    asked = [asyncio.create_task(model.probability(tone(1))) for _ in range(MAX_WAITING + 1)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert [isinstance(a, ModelFailed) for a in answers] == [False] * MAX_WAITING + [True]
    assert "too slow" in str(answers[-1])
    assert 0 <= await model.probability(tone(1)) <= 1
    await model.aclose()


async def test_a_closed_model_raises_an_error(file: Path) -> None:
    model = await EndOfTurnModel.load(str(file))
    await model.aclose()
    await model.aclose()
    with pytest.raises(ModelFailed, match="was closed"):
        await model.probability(tone(1))


# ---------------------------------------------------------------- among the other models


def models(tmp_path: Path, endpointing: str) -> Models:
    settings = Settings(_env_file=None, data_dir=tmp_path, endpointing=endpointing)  # type: ignore[call-arg]
    return Models(settings, stt=ScriptedSTT(), tts=ScriptedTTS(), llm=ScriptedLLM())


async def test_models_load_the_end_of_turn_model_at_the_start(tmp_path: Path, file: Path) -> None:
    loaded = models(tmp_path, f"onnx:{file}")
    assert loaded.end_of_turn is None
    await loaded.start()
    assert loaded.end_of_turn is not None
    first = loaded.end_of_turn
    await loaded.start()
    assert loaded.end_of_turn is first
    await loaded.aclose()
    assert loaded.end_of_turn is None


async def test_a_wrong_end_of_turn_model_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match=r"There is no file .*none\.onnx for ENDPOINTING"):
        await models(tmp_path, f"onnx:{tmp_path / 'none.onnx'}").start()


async def test_without_the_setting_there_is_none(tmp_path: Path) -> None:
    loaded = models(tmp_path, "dynamic")
    await loaded.start()
    assert loaded.end_of_turn is None
    await loaded.aclose()
