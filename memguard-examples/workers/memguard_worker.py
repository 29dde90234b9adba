"""A worker of memguard's WorkerPool, in Python: copy this file beside yours.

    import memguard_worker

    def thumbnail(task: bytes) -> bytes:
        ...

    memguard_worker.serve(thumbnail)

What the handler returns is the task's result. What it raises is the task's error, and the worker
lives on; but MemoryError ends it, because what had no memory is in no good state, and memguard sees
why. Whatever is printed goes to stderr: stdout is the pool's. The frame is described in docs/pools.md.
"""

import os
import struct
import sys
import traceback

VERSION = 1
MOST_OF_A_TRACE = 64 << 10
HEADER = struct.Struct(">IcQ")  # the length of what follows; the type; the task's number


def serve(handler):
    """Works on tasks until there are no more."""
    tasks = os.fdopen(os.dup(0), "rb")  # duplicates are not inherited by what the handler starts
    answers = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)

    def say(kind, task, payload=b""):
        answers.write(HEADER.pack(HEADER.size - 4 + len(payload), kind, task))
        answers.write(payload)
        answers.flush()

    say(b"H", VERSION)
    while len(header := tasks.read(HEADER.size)) == HEADER.size:
        length, kind, task = HEADER.unpack(header)
        payload = tasks.read(length - (HEADER.size - 4))
        if len(payload) < length - (HEADER.size - 4):
            return  # the pool has died: half a task is none
        if kind != b"T":
            sys.exit("memguard_worker: a frame of type %r, which is no task" % kind)
        try:
            result = memoryview(handler(payload)).cast("B")  # or a TypeError: a result is bytes
        except MemoryError:
            raise
        except Exception:
            say(b"E", task, traceback.format_exc().encode(errors="backslashreplace")[-MOST_OF_A_TRACE:])
        else:
            say(b"R", task, result)
            result = None  # not to be held while the next task is worked on
        payload = None
