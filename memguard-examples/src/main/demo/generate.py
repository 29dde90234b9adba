#!/usr/bin/env python3
"""Writes the demo's order files, one a day: six ordinary days, and Black Friday and Cyber Monday with ten times the orders.

usage: generate.py DIRECTORY

The same files on every run. Loading an ordinary day takes about 23 MiB of memory, a large one about 125 MiB.
"""
import json
import pathlib
import random
import sys

DAYS = [f"2026-11-{day}" for day in range(23, 31)]
LARGE = {"2026-11-27", "2026-11-30"}
PRODUCTS = ["kettle", "toaster", "lamp", "chair", "desk", "shelf", "rug", "clock"]


def order(chance: random.Random, number: int) -> dict:
    lines = [
        {"product": chance.choice(PRODUCTS), "quantity": chance.randint(1, 4), "cents": chance.randint(499, 49_999)}
        for _ in range(chance.randint(1, 4))
    ]
    return {"order": number, "customer": f"customer-{chance.randint(1, 9_999)}", "lines": lines}


def main() -> None:
    directory = pathlib.Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    for day in DAYS:
        chance = random.Random(day)
        orders = [order(chance, number) for number in range(88_000 if day in LARGE else 8_800)]
        (directory / f"{day}.json").write_text(json.dumps(orders), encoding="utf-8")


if __name__ == "__main__":
    main()
