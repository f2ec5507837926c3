#!/usr/bin/env python3
"""Runs a network on OpenVINO in bf16 whenever it is told to, so that a bench can alternate with it.

    openvino_bf16.py GRAPH BATCH SIZE THREADS

As `onnx_runtime.py`. Needs numpy, onnx and openvino.
"""

import sys
import time

import numpy as np
import openvino

from graphs import network


def main():
    name, (batch, size, threads) = sys.argv[1], map(int, sys.argv[2:])
    core = openvino.Core()
    settings = {"INFERENCE_PRECISION_HINT": "bf16", "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
    compiled = core.compile_model(core.read_model(network(name, batch, size)), "CPU", settings)
    request = compiled.create_infer_request()
    images = np.random.default_rng(1).standard_normal((batch, 3, size, size), dtype=np.float32)
    request.infer([images])
    precision = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    print("ready OpenVINO", openvino.__version__.split("-")[0], precision, flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        request.infer([images])
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()
