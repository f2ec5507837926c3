#!/usr/bin/env python3
"""The peer of the loader's bench: Pillow, doing what torchvision's Resize(256) + CenterCrop(224) do.

Reads paths from standard input, one a line, up to an empty line. Then, for every further line, processes all
files on one core and prints the seconds it took.
"""
import sys
import time

import numpy as np
from PIL import Image


def crop(path, resize=256, side=224):
    image = Image.open(path).convert("RGB")
    width, height = image.size
    if width <= height:
        size = (resize, int(resize * height / width))
    else:
        size = (int(resize * width / height), resize)
    image = image.resize(size, Image.BILINEAR)
    left, top = (int(round((length - side) / 2)) for length in size)
    return np.asarray(image.crop((left, top, left + side, top + side)))


def main():
    paths = []
    for line in sys.stdin:
        if line == "\n":
            break
        paths.append(line.rstrip("\n"))
    for _ in sys.stdin:
        start = time.perf_counter()
        for path in paths:
            crop(path)
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()
