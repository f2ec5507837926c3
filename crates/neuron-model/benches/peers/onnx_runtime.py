#!/usr/bin/env python3
"""Runs a network on ONNX Runtime whenever it is told to, so that a bench can alternate with it.

    onnx_runtime.py GRAPH BATCH SIZE THREADS

Prints `ready NAME VERSION`, then for every line on standard input the seconds that one run took. The weights are
random: they change no time. Needs numpy, onnx and onnxruntime.
"""

import sys
import time

import numpy as np
import onnxruntime

from graphs import network


def main():
    name, (batch, size, threads) = sys.argv[1], map(int, sys.argv[2:])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(network(name, batch, size), options, providers=["CPUExecutionProvider"])
    images = np.random.default_rng(1).standard_normal((batch, 3, size, size), dtype=np.float32)
    session.run(None, {"input": images})
    print("ready ONNX Runtime", onnxruntime.__version__, flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        session.run(None, {"input": images})
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()
