#!/usr/bin/env python3
"""Makes tests/fixtures/pictures: small files of every kind that people bring, and what Pillow sees in them.

usage: pictures.py [OUT_DIR]   (Pillow 13, numpy)

  FILES                  named after what is special about them
  expected/NAME.png      `ImageOps.exif_transpose(image).convert("RGB")` of each, 16 bits by their high byte
  expected/NAME.alpha.png  its opacity, where it has one
"""
import pathlib, shutil, struct, sys, zlib
import numpy as np
from PIL import Image, ImageOps

OUT = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parents[1] / "fixtures" / "pictures"
WIDTH, HEIGHT = 24, 17


def scene():
    """Smooth colours with an edge, different at every corner."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    rgb = np.stack([x * 255 / (WIDTH - 1), y * 255 / (HEIGHT - 1), 128 + 90 * np.sin(x / 4 + y / 7)], 2)
    rgb[4:9, 3:11] = (250, 20, 60)
    return rgb.round().astype(np.uint8)


def png16(values):
    """A PNG of 16 bits, which Pillow cannot write in colour."""
    height, width, channels = values.shape
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    (OUT / "expected").mkdir(parents=True)
    rgb = scene()
    colour = Image.fromarray(rgb)
    alpha = Image.fromarray((np.mgrid[0:HEIGHT, 0:WIDTH][1] * 10 % 256).astype(np.uint8))
    grey = colour.convert("L")
    see_through = colour.copy()
    see_through.putalpha(alpha)
    colour.save(OUT / "rgb.png")
    see_through.save(OUT / "rgba.png")
    grey.save(OUT / "grey.png")
    Image.merge("LA", (grey, alpha)).save(OUT / "grey_alpha.png")
    colour.quantize(16).save(OUT / "palette.png")
    colour.quantize(16).save(OUT / "palette_clear.png", transparency=3)
    grey.point(lambda v: 255 * (v > 99)).convert("1").save(OUT / "one_bit.png")
    wide = rgb.astype(np.uint32) * 257 + np.arange(HEIGHT * WIDTH * 3).reshape(rgb.shape) % 200
    wide = np.minimum(wide, 65535)
    (OUT / "rgb16.png").write_bytes(png16(wide))
    (OUT / "grey16.png").write_bytes(png16(wide[:, :, :1]))
    (OUT / "rgba16.png").write_bytes(png16(np.concatenate([wide, wide[:, :, :1]], 2)))
    colour.save(OUT / "moving.png", save_all=True, append_images=[colour.transpose(Image.Transpose.FLIP_LEFT_RIGHT)])
    colour.save(OUT / "baseline.jpg", quality=92, subsampling=0)
    colour.save(OUT / "halved_colour.jpg", quality=92, subsampling=2)
    colour.save(OUT / "progressive.jpg", quality=92, subsampling=0, progressive=True)
    grey.save(OUT / "grey.jpg", quality=92)
    colour.convert("CMYK").save(OUT / "cmyk.jpg", quality=95)
    for turn in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = turn
        exif[0x010F] = "a camera with a name"
        colour.save(OUT / f"turn_{turn}.jpg", quality=92, subsampling=0, exif=exif)
    exif = Image.Exif()
    exif[0x0112] = 6
    colour.save(OUT / "turned.png", exif=exif)
    colour.save(OUT / "turned.webp", lossless=True, exif=exif)
    colour.save(OUT / "lossless.webp", lossless=True)
    see_through.save(OUT / "lossless_alpha.webp", lossless=True, exact=True)
    colour.save(OUT / "lossy.webp", quality=95)
    colour.save(OUT / "moving.webp", lossless=True, save_all=True, append_images=[colour.transpose(Image.Transpose.FLIP_TOP_BOTTOM)])
    for path in sorted(OUT.glob("*.*")):
        image = ImageOps.exif_transpose(Image.open(path))
        if path.name == "grey16.png":   # Pillow clips these instead of scaling them
            seen = Image.merge("RGB", [Image.fromarray((wide[:, :, 0] >> 8).astype(np.uint8))] * 3)
        else:
            seen = image.convert("RGB")
        seen.save(OUT / "expected" / f"{path.name}.png")
        clear = image.mode in ("RGBA", "LA") or "transparency" in image.info
        if clear:
            image.convert("RGBA").getchannel("A").save(OUT / "expected" / f"{path.name}.alpha.png")
        print(path.name, image.mode, image.size, path.stat().st_size)


if __name__ == "__main__":
    main()
