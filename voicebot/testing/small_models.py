"""Tiny models that the real faster-whisper and Piper code loads and runs: for tests without a hub.

They say nothing sensible (their weights are random, or a tone), but everything around them
is the real thing: files, tokenizer, decoding, word times, sessions.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

WHISPER_LANGUAGES = ("en", "de", "fr", "es")
PIPER_PHONEMES = "_^$ abcdefghijklmnopqrstuvwxyzəɛɪɔʊʌæɑɒɹɾθðʃʒŋɡˈˌːɜɐɚʲʔ,.;:?!–"  # noqa: RUF001
SAMPLES_PER_PHONEME = 2_000
HOP = 256
"""Samples of one frame of a Piper model."""


def make_whisper_model(folder: Path, *, width: int = 64, layers: int = 2, seed: int = 0) -> Path:
    """Write a CTranslate2 Whisper folder with random weights; `width` is a multiple of 64.

    With its small vocabulary it counts as a model that knows English only.
    """
    from ctranslate2.specs import WhisperSpec

    folder.mkdir(parents=True, exist_ok=True)
    tokens, ids = _whisper_tokenizer(folder / "tokenizer.json")
    heads = width // 64
    spec = WhisperSpec(layers, heads, layers, heads)
    random = np.random.default_rng(seed)

    def weight(*shape: int) -> Any:
        return (random.standard_normal(shape) * 0.05).astype(np.float32)

    def norm(layer: Any) -> None:
        layer.gamma, layer.beta = np.ones(width, np.float32), np.zeros(width, np.float32)

    def linear(layer: Any, outputs: int, inputs: int) -> None:
        layer.weight, layer.bias = weight(outputs, inputs), np.zeros(outputs, np.float32)

    def attention(layer: Any, *, own: bool) -> None:
        norm(layer.layer_norm)
        sizes = (3 * width, width) if own else (width, 2 * width, width)
        for part, outputs in zip(layer.linear, sizes, strict=True):
            linear(part, outputs, width)

    def feed_forward(layer: Any) -> None:
        norm(layer.layer_norm)
        linear(layer.linear_0, 4 * width, width)
        linear(layer.linear_1, width, 4 * width)

    encoder, decoder = spec.encoder, spec.decoder
    encoder.conv1.weight, encoder.conv1.bias = weight(width, 80, 3), np.zeros(width, np.float32)
    encoder.conv2.weight, encoder.conv2.bias = weight(width, width, 3), np.zeros(width, np.float32)
    encoder.position_encodings.encodings = weight(1500, width)
    # it says letters and words; most tokens are special ones, and on some processors it said nothing else
    likelihood = np.array([0.1 if token in ids else 1.0 for token in tokens], np.float32)
    decoder.embeddings.weight = weight(len(tokens), width) * likelihood[:, None]
    decoder.position_encodings.encodings = weight(448, width)
    decoder.projection.weight = decoder.embeddings.weight
    norm(encoder.layer_norm)
    norm(decoder.layer_norm)
    for layer in encoder.layer:
        attention(layer.self_attention, own=True)
        feed_forward(layer.ffn)
    for layer in decoder.layer:
        attention(layer.self_attention, own=True)
        attention(layer.attention, own=False)
        feed_forward(layer.ffn)
    spec.register_vocabulary(tokens)
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = [ids["<|endoftext|>"]]
    spec.config.lang_ids = [ids[f"<|{code}|>"] for code in WHISPER_LANGUAGES]
    spec.config.alignment_heads = [(layers - 1, 0)]
    spec.validate()
    spec.save(str(folder))
    return folder


def _whisper_tokenizer(file: Path) -> tuple[list[str], dict[str, int]]:
    """A byte-level BPE tokenizer with Whisper's special tokens: all tokens by id, and the special ones."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    special = ["<|endoftext|>", "<|startoftranscript|>", *(f"<|{code}|>" for code in WHISPER_LANGUAGES)]
    special += ["<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>"]
    special += ["<|notimestamps|>", *(f"<|{step * 0.02:.2f}|>" for step in range(1501))]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [f"\u0120{word}" for word in ("hello", "world", "what", "is", "the", "weather", "in", "Paris")]
    vocabulary = {token: number for number, token in enumerate([*letters, *words])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in special])
    tokenizer.save(str(file))
    ids = {token: len(vocabulary) + number for number, token in enumerate(special)}
    return [*vocabulary, *special], ids


def make_piper_voice(
    file: Path, *, sample_rate: int = 22_050, speakers: int = 1, word_times: bool = False
) -> Path:
    """Write a Piper voice of a few KB: a tone whose length follows the text and the length scale.

    Speaker n sounds at (n + 1) * 150 Hz. With `word_times` every phoneme lasts a whole number of
    256 samples, and Piper finds those numbers in the model, as it does in real voices.
    """
    import onnx
    from onnx import TensorProto, helper

    def constant(name: str, value: Any) -> Any:
        return onnx.numpy_helper.from_array(np.asarray(value), name)

    inputs = [
        helper.make_tensor_value_info("input", TensorProto.INT64, [1, "phonemes"]),
        helper.make_tensor_value_info("input_lengths", TensorProto.INT64, [1]),
        helper.make_tensor_value_info("scales", TensorProto.FLOAT, [3]),
    ]
    if speakers > 1:
        inputs.append(helper.make_tensor_value_info("sid", TensorProto.INT64, [1]))
    step = np.float32(2 * np.pi * 150 / sample_rate)
    constants = [
        constant("one", np.int64(1)),
        constant("zero", np.int64(0)),
        constant("first_axis", np.array([0], np.int64)),
        constant("hop", np.float32(HOP)),
        constant("frames_each", np.float32(SAMPLES_PER_PHONEME / HOP)),
        constant("per_phoneme", np.float32(SAMPLES_PER_PHONEME)),
        constant("step", step),
        constant("amplitude", np.float32(0.5)),
        constant("shape", np.array([1, 1, -1], np.int64)),
        constant("default_sid", np.array([0], np.int64)),
    ]
    sid = "sid" if speakers > 1 else "default_sid"
    nodes = [
        helper.make_node("Gather", ["scales", "one"], ["length_scale"]),
        *(_frames_of_each() if word_times else _as_long_as_the_text()),
        helper.make_node("Cast", ["float_samples"], ["samples"], to=TensorProto.INT64),
        helper.make_node("Squeeze", ["samples", "first_axis"], ["count"]),
        helper.make_node("Range", ["zero", "count", "one"], ["index"]),
        helper.make_node("Cast", ["index"], ["time"], to=TensorProto.FLOAT),
        helper.make_node("Add", [sid, "one"], ["harmonic"]),
        helper.make_node("Cast", ["harmonic"], ["float_harmonic"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["float_harmonic", "step"], ["speed"]),
        helper.make_node("Mul", ["time", "speed"], ["phase"]),
        helper.make_node("Sin", ["phase"], ["tone"]),
        helper.make_node("Mul", ["tone", "amplitude"], ["soft_tone"]),
        helper.make_node("Reshape", ["soft_tone", "shape"], ["output"]),
    ]
    output = helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 1, "samples"])
    graph = helper.make_graph(nodes, "tone", inputs, [output], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    file.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(file))
    config = {
        "audio": {"sample_rate": sample_rate},
        "espeak": {"voice": "en-us"},
        "phoneme_type": "espeak",
        "num_symbols": len(PIPER_PHONEMES),
        "num_speakers": speakers,
        "speaker_id_map": {f"speaker{number}": number for number in range(speakers)} if speakers > 1 else {},
        "inference": {"noise_scale": 0.667, "length_scale": 1.0, "noise_w": 0.8},
        "phoneme_id_map": {symbol: [number] for number, symbol in enumerate(PIPER_PHONEMES)},
    }
    Path(f"{file}.json").write_text(json.dumps(config), encoding="utf-8")
    return file


def _as_long_as_the_text() -> list[Any]:
    from onnx import TensorProto, helper

    return [
        helper.make_node("Cast", ["input_lengths"], ["phonemes"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["phonemes", "per_phoneme"], ["plain_samples"]),
        helper.make_node("Mul", ["plain_samples", "length_scale"], ["float_samples"]),
    ]


def _frames_of_each() -> list[Any]:
    from onnx import TensorProto, helper

    return [
        helper.make_node("Cast", ["input"], ["ids"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["ids", "ids"], ["nothing_each"]),
        helper.make_node("Add", ["nothing_each", "frames_each"], ["plain_frames"]),
        helper.make_node("Mul", ["plain_frames", "length_scale"], ["float_frames"]),
        helper.make_node("Ceil", ["float_frames"], ["w_ceil"]),
        helper.make_node("ReduceSum", ["w_ceil"], ["frames"], keepdims=0),
        helper.make_node("Mul", ["frames", "hop"], ["all_samples"]),
        helper.make_node("Unsqueeze", ["all_samples", "first_axis"], ["float_samples"]),
    ]
