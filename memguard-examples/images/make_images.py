#!/usr/bin/python3
"""Makes a folder of pictures as people upload them: make_images.py FOLDER COUNT [BOMBS [LARGE]]

Photos and drawings of several sizes and formats; among them some large ones (6000 x 6000, which need more memory than a usual
worker has), and decompression bombs: files of under a megabyte that are up to 900 million pixels of one colour, and more than
any worker here has, once they are open. One in a hundred is a bomb and one in two hundred is large, unless said otherwise.
"""

import pathlib
import random
import shutil
import struct
import sys
import zlib

from PIL import Image, ImageDraw, ImageOps

SIZES = [(320, 240), (320, 240), (640, 480), (640, 480), (800, 600), (1600, 1200)]
FORMATS = ["jpg"] * 8 + ["png", "png", "webp", "gif"]
OPTIONS = {"jpg": {"quality": 80}, "png": {"compress_level": 1}, "webp": {"quality": 70, "method": 0}, "gif": {}}
GREY, COLOUR = 0, 2  # PNG's colour types
ROWS = 100


def write_png(path, width, height, colour_type):
    """Writes a black picture, which takes neither memory nor time: the same compressed rows again and again."""

    def chunk(kind, data):
        file.write(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)))

    rows = bytes(ROWS * (1 + width * (3 if colour_type == COLOUR else 1)))
    packer = zlib.compressobj(wbits=-15)  # without header and checksum
    packed = packer.compress(rows) + packer.flush(zlib.Z_FULL_FLUSH)  # stands for itself wherever it is
    checksum = len(rows) * (height // ROWS) % 65521 << 16 | 1  # Adler-32 of so many zeros
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour_type, 0, 0, 0))
        chunk(b"IDAT", b"\x78\x9c" + packed * (height // ROWS) + b"\x03\x00" + struct.pack(">I", checksum))
        chunk(b"IEND", b"")


def picture(number, size, tints):
    """A picture of its own: light from a corner, some shapes, a number."""
    light = Image.linear_gradient("L").rotate(tints.choice((0, 90, 180, 270))).resize(size, Image.Resampling.BILINEAR)
    dark, bright = ("#%02x%02x%02x" % tuple(tints.randrange(at, at + 128) for _ in "rgb") for at in (0, 128))
    image = ImageOps.colorize(light, dark, bright)
    draw = ImageDraw.Draw(image)
    for _ in range(12):
        x, y, r = tints.randrange(size[0]), tints.randrange(size[1]), tints.randrange(10, 90)
        draw.ellipse((x - r, y - r, x + r, y + r), fill=tuple(tints.randrange(256) for _ in "rgb"))
    draw.text((10, 10), "number %d" % number, fill="white")
    return image


def main(folder, count, bombs=None, large=None):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    count = int(count)
    bombs = count // 100 if bombs is None else int(bombs)
    large = count // 200 if large is None else int(large)
    tints = random.Random(1)  # the same pictures each time
    special = tints.sample(range(count), bombs + large)
    first = {}

    def one_of_a_kind(kind, number, make):
        path = folder / f"{number:05}-{kind}.png"
        if kind in first:
            shutil.copyfile(first[kind], path)  # such pictures take a while to make
        else:
            first[kind] = path
            make(path)

    for i, number in enumerate(special):
        if i >= bombs:
            one_of_a_kind(
                "large",
                number,
                lambda path: picture(number, (750, 750), tints).resize((6000, 6000)).save(path, compress_level=1),
            )
        elif i % 2:
            one_of_a_kind("colour-bomb", number, lambda path: write_png(path, 16000, 16000, COLOUR))
        else:
            one_of_a_kind("grey-bomb", number, lambda path: write_png(path, 30000, 30000, GREY))
    for number in sorted(set(range(count)) - set(special)):
        kind = tints.choice(FORMATS)
        path = folder / f"{number:05}.{kind}"
        picture(number, tints.choice(SIZES), tints).save(path, **OPTIONS[kind])


if __name__ == "__main__":
    main(*sys.argv[1:])
