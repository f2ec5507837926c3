#!/usr/bin/env python3
"""Writes small pictures in many formats, and what Pillow makes of them (`expected.tsv`). Last run with Pillow 13.0.0.

`expected.tsv`: operation, file, parameters, SHA-256 of the resulting 8-bit RGB pixels. Operations: `decode`
(parameters: height x width), `resize` (height x width, filter), `crop` (resize, side, filter).
"""
import hashlib
import struct
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).parent
FILTERS = {"bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC}


def scene(height, width, seed=0):
    """Smooth colours, an edge and some noise: something for every frequency."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (3, 4, 3), dtype=np.uint8))
    pixels = np.asarray(small.resize((width, height), Image.BICUBIC)).astype(np.int32)
    pixels += rng.integers(-20, 21, (height, width, 1))
    pixels[height // 2 :, : width // 3] //= 3
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def frame_header(jpeg):
    """Offset of the start-of-frame segment's length."""
    at = 2
    while jpeg[at + 1] not in (0xC0, 0xC1, 0xC2):
        at += 2 + struct.unpack(">H", jpeg[at + 2 : at + 4])[0]
    return at + 2


def resampled(jpeg, factors, height, width):
    """The same blocks under other sampling factors: nonsense to look at, but every encoder's layout at hand."""
    at = frame_header(jpeg)
    changed = bytearray(jpeg)
    changed[at + 3 : at + 7] = struct.pack(">HH", height, width)
    changed[at + 9] = factors
    return bytes(changed)


def save(name, image, **options):
    image.save(HERE / name, **options)


def jpegs():
    image = scene(37, 53)
    for name, subsampling in (("444", 0), ("422", 1), ("420", 2)):
        save(f"jpeg_{name}.jpg", image, quality=80, subsampling=subsampling)
        save(f"jpeg_{name}_progressive.jpg", image, quality=70, subsampling=subsampling, progressive=True)
    save("jpeg_gray.jpg", image.convert("L"), quality=85)
    save("jpeg_gray_progressive.jpg", image.convert("L"), quality=85, progressive=True, restart_marker_blocks=3)
    save("jpeg_best_quality.jpg", image, quality=100, subsampling=0)
    save("jpeg_worst_quality.jpg", image, quality=1)
    save("jpeg_restarts.jpg", image, quality=80, restart_marker_blocks=2)
    save("jpeg_restarts_progressive.jpg", image, quality=80, restart_marker_rows=1, progressive=True)
    save("jpeg_rgb.jpg", image, quality=80, keep_rgb=True)
    save("jpeg_1x1.jpg", scene(1, 1), quality=80)
    save("jpeg_narrow.jpg", scene(40, 3), quality=80)
    save("jpeg_tall.jpg", scene(150, 40), quality=80)
    save("jpeg_cmyk.jpg", image.convert("CMYK"), quality=80)
    cmyk = bytearray((HERE / "jpeg_cmyk.jpg").read_bytes())
    cmyk[cmyk.index(b"Adobe") + 11] = 2
    (HERE / "jpeg_ycck.jpg").write_bytes(cmyk)

    half = (HERE / "jpeg_422.jpg").read_bytes()
    (HERE / "jpeg_440.jpg").write_bytes(resampled(half, 0x12, 70, 29))
    quarter = (HERE / "jpeg_420.jpg").read_bytes()
    (HERE / "jpeg_411.jpg").write_bytes(resampled(quarter, 0x41, 23, 125))
    (HERE / "jpeg_1x4.jpg").write_bytes(resampled(quarter, 0x14, 91, 31))

    plain = (HERE / "jpeg_420.jpg").read_bytes()
    (HERE / "jpeg_trailing_garbage.jpg").write_bytes(plain + b"\x00\xff\xc0garbage" * 9)
    (HERE / "jpeg_fill_bytes.jpg").write_bytes(plain[:2] + b"\xff\xff\xff" + plain[2:])
    restarts = (HERE / "jpeg_restarts.jpg").read_bytes()
    lost, doubled = restarts.index(b"\xff\xd1"), restarts.index(b"\xff\xd3")
    (HERE / "jpeg_lost_restart.jpg").write_bytes(restarts[:lost] + restarts[lost + 2 :])
    (HERE / "jpeg_doubled_restart.jpg").write_bytes(restarts[:doubled] + b"\xff\xd3" + restarts[doubled:])
    half_way = (plain.index(b"\xff\xda") + len(plain)) // 2
    (HERE / "jpeg_early_end.jpg").write_bytes(plain[:half_way] + b"\xff\xd9")


def others():
    image = scene(21, 34)
    alpha = Image.fromarray((np.arange(21 * 34) % 256).astype(np.uint8).reshape(21, 34))
    rgba = image.copy()
    rgba.putalpha(alpha)
    save("png_rgba.png", rgba)
    save("png_gray_alpha.png", Image.merge("LA", (image.convert("L"), alpha)))
    save("png_palette.png", image.quantize(32))
    save("png_one_bit.png", image.convert("1"))
    save("png_named.jpg", image, format="PNG")
    save("webp_lossless.webp", image, lossless=True)
    save("webp_lossy.webp", image, quality=70)
    save("tiff.tif", image, compression="tiff_lzw")
    save("bmp.bmp", image)
    save("ppm.ppm", image)
    save("gif_two_frames.gif", image.quantize(64), save_all=True, append_images=[scene(21, 34, 1).quantize(64)])


def tiff_of_samples(name, samples, bits, meaning, more=()):
    """A TIFF of rows of packed samples, for what Pillow does not write."""
    height, width = samples.shape
    rows = np.zeros((height, -(-width * bits // 8)), np.uint8)
    for x in range(width):
        rows[:, x * bits // 8] |= samples[:, x] << (8 - bits - x * bits % 8)
    tags = [(256, 4, [width]), (257, 4, [height]), (258, 3, [bits]), (259, 3, [1]), (262, 3, [meaning]), (273, 4, [8]),
            (277, 3, [1]), (278, 4, [height]), (279, 4, [rows.size]), *more]
    start = 8 + rows.size
    entries, values = b"", b""
    for tag, kind, numbers in tags:
        data = struct.pack(f"<{len(numbers)}{'HI'[kind == 4]}", *numbers)
        if len(data) > 4:
            values, data = values + data, struct.pack("<I", start + 2 + 12 * len(tags) + 4 + len(values))
        entries += struct.pack("<HHI4s", tag, kind, len(numbers), data)
    directory = struct.pack("<H", len(tags)) + entries + bytes(4) + values
    (HERE / name).write_bytes(b"II*\0" + struct.pack("<I", start) + rows.tobytes() + directory)


def odd():
    """What Pillow reads and few others do."""
    image = scene(21, 34)
    gray = np.asarray(image.convert("L"))
    save("tiff_palette.tif", image.quantize(32), compression="tiff_lzw")
    palette = [int(level) * 257 for level in np.random.default_rng(3).integers(0, 256, 48)]
    tiff_of_samples("tiff_palette_4_bits.tif", gray >> 4, 4, 3, [(320, 3, palette)])
    tiff_of_samples("tiff_gray_4_bits.tif", gray >> 4, 4, 1)
    tiff_of_samples("tiff_gray_2_bits_inverted.tif", gray >> 6, 2, 0)
    save("tiff_gray_alpha.tif", Image.merge("LA", (image.convert("L"),) * 2), compression="tiff_lzw")
    save("tiff_float.tif", Image.fromarray(gray * np.float32(1.25) - 20), compression="tiff_lzw")
    save("tiff_integers.tif", Image.fromarray(gray.astype(np.int32) * 3 - 100), compression="tiff_lzw")
    for orientation in range(2, 9):
        save(f"tiff_turned_{orientation}.tif", image, compression="tiff_lzw", tiffinfo={274: orientation})
    save("tiff_turned_palette.tif", image.quantize(32), compression="tiff_lzw", tiffinfo={274: 6})
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="8"/></x:xmpmeta>'
    save("tiff_turned_by_xmp.tif", image.convert("L"), compression="tiff_lzw", tiffinfo={700: xmp})
    save("tiff_big.tif", image.convert("L"), compression="tiff_lzw", big_tiff=True)
    png = bytearray((HERE / "png_palette.png").read_bytes())
    (HERE / "png_without_end.png").write_bytes(png[:-12])
    data = png.index(b"IDAT")
    png[data + 4 + struct.unpack(">I", png[data - 4 : data])[0]] ^= 1
    (HERE / "png_wrong_checksum.png").write_bytes(png)


def crop(image, resize, side, filter):
    """torchvision's Resize and CenterCrop."""
    width, height = image.size
    if width <= height:
        size = (resize, int(resize * height / width))
    else:
        size = (int(resize * width / height), resize)
    left, top = (int(round((length - side) / 2)) for length in size)
    return image.resize(size, filter).crop((left, top, left + side, top + side))


def expected():
    def row(operation, path, parameters, image):
        return "\t".join([operation, path.name, parameters, hashlib.sha256(np.asarray(image).tobytes()).hexdigest()])

    for path in sorted(path for path in HERE.iterdir() if path.suffix not in (".py", ".tsv")):
        image = Image.open(path).convert("RGB")
        yield row("decode", path, f"{image.height}x{image.width}", image)
    path = HERE / "jpeg_444.jpg"
    image = Image.open(path).convert("RGB")
    for name, filter in FILTERS.items():
        for height, width in ((1, 1), (7, 90), (100, 20), (37, 53), (38, 52), (13, 17), (224, 224)):
            yield row("resize", path, f"{height}x{width} {name}", image.resize((width, height), filter))
        for file in ("jpeg_444.jpg", "jpeg_420.jpg", "jpeg_411.jpg", "jpeg_tall.jpg", "jpeg_narrow.jpg", "jpeg_1x1.jpg", "png_palette.png"):
            for resize, side in ((256, 224), (20, 20), (16, 9), (61, 32), (232, 224), (255, 240), (518, 518)):
                image_of_file = Image.open(HERE / file).convert("RGB")
                yield row("crop", HERE / file, f"{resize} {side} {name}", crop(image_of_file, resize, side, filter))


if __name__ == "__main__":
    jpegs()
    others()
    odd()
    (HERE / "expected.tsv").write_text("\n".join(expected()) + "\n")
