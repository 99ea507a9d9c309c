"""Tiny models that the real faster-whisper and Piper code loads and runs, for tests without a hub.

Their output is meaningless (random weights, or a tone), but everything around them is real: files,
tokenizer, decoding, word times and sessions.
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
"""Samples per frame of a Piper model."""


_PIPER = """
<ir_version: 9, opset_import: ["": 17]>
tone (int64[1, phonemes] input, int64[1] input_lengths, float[3] scales{inputs})
  => (float[1, 1, samples] output)
<
  int64 one = {{1}}, int64 zero = {{0}}, int64[1] first_axis = {{0}}, int64[3] shape = {{1, 1, -1}},
  float hop = {{{hop}}}, float frames_each = {{{frames_each}}}, float per_phoneme = {{{per_phoneme}}},
  float step = {{{step}}}, float amplitude = {{0.5}}
>
{{
  length_scale = Gather (scales, one)
  {length}
  rounded = Cast <to = 7> (length)
  count = Squeeze (rounded, first_axis)
  index = Range (zero, count, one)
  time = Cast <to = 1> (index)
  harmonic = Add ({speaker}, one)
  float_harmonic = Cast <to = 1> (harmonic)
  speed = Mul (float_harmonic, step)
  phase = Mul (time, speed)
  tone = Sin (phase)
  soft_tone = Mul (tone, amplitude)
  output = Reshape (soft_tone, shape)
}}
"""
"""A model in ONNX's text format. Element type 1 is float32, 7 is int64."""
_AS_LONG_AS_THE_TEXT = """
  phonemes = Cast <to = 1> (input_lengths)
  plain_length = Mul (phonemes, per_phoneme)
  length = Mul (plain_length, length_scale)
"""
_FRAMES_OF_EACH = """
  ids = Cast <to = 1> (input)
  nothing_each = Sub (ids, ids)
  plain_frames = Add (nothing_each, frames_each)
  float_frames = Mul (plain_frames, length_scale)
  w_ceil = Ceil (float_frames)
  frames = ReduceSum <keepdims = 0> (w_ceil)
  all_samples = Mul (frames, hop)
  length = Unsqueeze (all_samples, first_axis)
"""


def make_whisper_model(folder: Path) -> Path:
    """Write a CTranslate2 Whisper folder with random weights; returns it.

    Its small vocabulary makes it an English-only model.
    """
    from ctranslate2.specs import WhisperSpec

    folder.mkdir(parents=True, exist_ok=True)
    tokens, ids = _whisper_tokenizer(folder / "tokenizer.json")
    width, layers, heads = 64, 2, 1
    spec = WhisperSpec(layers, heads, layers, heads)
    random = np.random.default_rng(0)

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
    # most tokens are special; this makes letters and words likely on every processor
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
    """Write a byte-level BPE tokenizer with Whisper's special tokens.

    Returns all tokens by id, and the ids of the special ones.
    """
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

    Speaker n has a tone of (n + 1) * 150 Hz. With `word_times`, every phoneme lasts a multiple of 256
    samples, and the model contains these durations for Piper, as real voices do.
    """
    import onnx

    text = _PIPER.format(
        inputs=", int64[1] sid" if speakers > 1 else "",
        speaker="sid" if speakers > 1 else "first_axis",
        step=2 * np.pi * 150 / sample_rate,
        per_phoneme=SAMPLES_PER_PHONEME,
        frames_each=SAMPLES_PER_PHONEME / HOP,
        hop=HOP,
        length=_FRAMES_OF_EACH if word_times else _AS_LONG_AS_THE_TEXT,
    )
    model = onnx.parser.parse_model(text)
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
