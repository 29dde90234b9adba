"""Jobs for RQ; each runs in a process that was forked for it, the work-horse."""

import os
import time


def total(a, b):
    return a + b


def greedy(mib):
    return len(bytearray(mib << 20))


def wait(directory):
    """Says who works, and goes on when it is told to."""
    with open(os.path.join(directory, "new"), "w") as file:
        file.write(str(os.getpid()))
    os.rename(os.path.join(directory, "new"), os.path.join(directory, "horse"))
    while not os.path.exists(os.path.join(directory, "go")):
        time.sleep(0.01)
    return len(bytearray(512 << 20))
