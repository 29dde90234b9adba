#!/usr/bin/env python3
"""A job of the queue: takes memory, works for a moment, prints one line.

usage: job.py NUMBER MIB   takes MIB and prints "NUMBER SQUARE"
       job.py NUMBER bomb  takes memory without end
       job.py NUMBER fail  exits with 3

It knows nothing about limits and queues: Python raises MemoryError by itself.
"""
import sys
import time


def main() -> None:
    number, what = int(sys.argv[1]), sys.argv[2]
    if what == "fail":
        sys.exit(3)
    held = []
    while what == "bomb" or len(held) < int(what):
        held.append(b"x" * (1 << 20))
    time.sleep(0.05)
    print(number, number * number)


if __name__ == "__main__":
    main()
