"""Takes memory step by step, with a helper beside it for a while: docs/watch.md shows its memory."""

import os
import time


def grow(mebibytes, step=4):
    held = []
    for _ in range(mebibytes // step):
        held.append(b"x" * (step << 20))
        time.sleep(0.02)
    return held


print("reading", flush=True)
read = grow(30)
time.sleep(0.4)
print("checking", flush=True)
if os.fork() == 0:
    helper = grow(20)
    time.sleep(0.6)
    os._exit(0)
os.wait()
print("sorting", flush=True)
sorted_ = grow(40)
time.sleep(0.3)
print("merging", flush=True)
merged = b"y" * (60 << 20)
time.sleep(0.4)
