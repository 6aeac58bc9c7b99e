"""Writes tiny.onnx and tiny.onnx.json: a "voice" in Piper's format that hums one tone for each phoneme.

It is no voice to listen to: it exercises loading, phonemes, inference and resampling in tests, without a download.
Needs the package onnx (made with 1.23): python3 make_voice.py
"""
import json

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper, save

RATE = 22050
SAMPLES = 512  # of one phoneme at length scale 1


def constant(name, value, dtype):
    return numpy_helper.from_array(np.array(value, dtype), name)


nodes = [
    helper.make_node("Gather", ["scales", "one"], ["length_scale"], axis=0),
    helper.make_node("Mul", ["length_scale", "samples"], ["length"]),
    helper.make_node("Range", ["zero", "length", "step"], ["t"]),
    helper.make_node("Cast", ["input"], ["ids"], to=TensorProto.FLOAT),
    helper.make_node("Mul", ["ids", "hz"], ["above"]),
    helper.make_node("Add", ["above", "lowest"], ["pitch"]),
    helper.make_node("Reshape", ["pitch", "column"], ["pitches"]),
    helper.make_node("Mul", ["pitches", "t"], ["phase"]),
    helper.make_node("Sin", ["phase"], ["wave"]),
    helper.make_node("Mul", ["wave", "loudness"], ["tone"]),
    helper.make_node("Reshape", ["tone", "audio"], ["output"]),
]
turn = 2 * np.pi / RATE
constants = [
    constant("one", 1, np.int64),
    constant("samples", SAMPLES, np.float32),
    constant("zero", 0, np.float32),
    constant("step", 1, np.float32),
    constant("hz", 10 * turn, np.float32),
    constant("lowest", 150 * turn, np.float32),
    constant("column", [-1, 1], np.int64),
    constant("loudness", 0.3, np.float32),
    constant("audio", [1, 1, -1], np.int64),
]
graph = helper.make_graph(
    nodes,
    "hum",
    [
        helper.make_tensor_value_info("input", TensorProto.INT64, [1, "phonemes"]),
        helper.make_tensor_value_info("input_lengths", TensorProto.INT64, [1]),
        helper.make_tensor_value_info("scales", TensorProto.FLOAT, [3]),
    ],
    [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 1, "samples"])],
    constants,
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
checker.check_model(model)
save(model, "tiny.onnx")

symbols = "_^$ !,.:;?abcdefhijklmnoprstuvwxzæðŋɐɑɒɔəɚɛɜɡɪɹʃʊʌʒˈˌːθ"
voice = {
    "audio": {"sample_rate": RATE},
    "espeak": {"voice": "en-gb"},
    "inference": {"noise_scale": 0.667, "length_scale": 1.0, "noise_w": 0.8},
    "num_speakers": 1,
    "speaker_id_map": {},
    "phoneme_id_map": {symbol: [n] for n, symbol in enumerate(symbols)},
}
with open("tiny.onnx.json", "w", encoding="utf-8") as out:
    json.dump(voice, out, ensure_ascii=False)
