"""Takes memory, has a helper do so too, and is refused some: docs/watch.md shows what --watch says of it."""

import os
import signal
import time


def grow(mebibytes, step=4):
    held = []
    for _ in range(mebibytes // step):
        held.append(b"x" * (step << 20))
        time.sleep(0.02)
    return held


print("reading 12 files", flush=True)
read = grow(60)
print("sorting", flush=True)
child = os.fork()
if child == 0:
    helper = grow(48)
    time.sleep(30)
    os._exit(0)
time.sleep(0.5)
print("merging", flush=True)
merged = grow(40)
try:
    bytearray(300 << 20)
except MemoryError:
    print("merging in steps, since there is no room for all", flush=True)
time.sleep(3)
os.kill(child, signal.SIGKILL)
