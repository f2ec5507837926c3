#!/usr/bin/env python3
"""Writes the seeds of pictures: small files in every form that is read. Needs Pillow; other versions of it write other bytes."""

from pathlib import Path

from PIL import Image

HERE = Path(__file__).parent


def picture(mode, size=(21, 13)):
    """Colours that vary in every direction."""
    image = Image.new("RGB", size)
    image.putdata([(9 * x % 256, 17 * y % 256, 5 * (x + y) % 256) for y in range(size[1]) for x in range(size[0])])
    return image.convert(mode)


def save(target, name, image, **options):
    folder = HERE / target
    folder.mkdir(exist_ok=True)
    image.save(folder / name, **options)


def main():
    jpeg = dict(format="JPEG", quality=60, optimize=True)
    save("jpeg", "ok-420", picture("RGB"), subsampling=2, **jpeg)
    save("jpeg", "ok-422", picture("RGB", (35, 9)), subsampling=1, **jpeg)
    save("jpeg", "ok-444", picture("RGB", (9, 7)), subsampling=0, **jpeg)
    save("jpeg", "ok-gray", picture("L"), **jpeg)
    save("jpeg", "ok-cmyk", picture("CMYK"), **jpeg)
    save("jpeg", "ok-restarts", picture("RGB", (40, 33)), restart_marker_blocks=2, **jpeg)
    save("jpeg", "ok-progressive", picture("RGB", (40, 33)), progressive=True, **jpeg)
    save("jpeg", "ok-progressive-gray", picture("L", (19, 40)), progressive=True, **jpeg)
    save("jpeg", "ok-one-pixel", picture("RGB", (1, 1)), **jpeg)

    save("pictures", "ok-png-rgb", picture("RGB"), format="PNG")
    save("pictures", "ok-png-palette", picture("P"), format="PNG")
    save("pictures", "ok-png-alpha", picture("RGBA"), format="PNG")
    save("pictures", "ok-png-bits", picture("1"), format="PNG")
    save("pictures", "ok-png-16", picture("L").convert("I;16"), format="PNG")
    save("pictures", "ok-gif", picture("P"), format="GIF")
    frames = [picture("P", (5, 4)), picture("P", (5, 4)).transpose(Image.Transpose.ROTATE_180)]
    save("pictures", "ok-gif-frames", frames[0], format="GIF", save_all=True, append_images=frames[1:])
    save("pictures", "ok-bmp", picture("RGB"), format="BMP")
    save("pictures", "ok-bmp-palette", picture("P"), format="BMP")
    save("pictures", "ok-pgm", picture("L"), format="PPM")
    save("pictures", "ok-ppm", picture("RGB", (4, 3)), format="PPM")
    save("pictures", "ok-webp-lossy", picture("RGB"), format="WEBP", quality=50)
    save("pictures", "ok-webp-lossless", picture("RGBA"), format="WEBP", lossless=True)
    for compression in ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"]:
        save("pictures", f"ok-tiff-{compression}", picture("RGB"), format="TIFF", compression=compression)
    save("pictures", "ok-tiff-jpeg", picture("RGB"), format="TIFF", compression="jpeg")
    save("pictures", "ok-tiff-palette", picture("P"), format="TIFF")
    save("pictures", "ok-tiff-bits", picture("1"), format="TIFF")
    save("pictures", "ok-tiff-float", picture("F"), format="TIFF")
    save("pictures", "ok-tiff-cmyk", picture("CMYK"), format="TIFF")


if __name__ == "__main__":
    main()
