#!/usr/bin/python3
"""A worker of the pool: makes thumbnails. Its argument is the folder that they go to; a task is the path of a picture."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "workers"))
sys.dont_write_bytecode = True  # into that folder

import memguard_worker
from PIL import Image

# Batches of large pictures have to switch off Pillow's guard against bombs: it knows pixels, not what memory there is.
Image.MAX_IMAGE_PIXELS = None

folder = pathlib.Path(sys.argv[1])


def thumbnail(task: bytes) -> bytes:
    path = pathlib.Path(task.decode())
    with Image.open(path) as image:
        image.thumbnail((128, 128))
        image.convert("RGB").save(folder / (path.name + ".jpg"))
        return b"%dx%d" % image.size


memguard_worker.serve(thumbnail)
