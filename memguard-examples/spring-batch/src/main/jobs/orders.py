#!/usr/bin/env python3
"""The commands of the batch. They know nothing of memory limits: Python raises MemoryError by itself, and they exit with 1.

usage: orders.py generate DIR     writes twelve days of orders, two of them large, one a decompression bomb
       orders.py total FILE       prints how many orders a day has, and their sum
       orders.py ledger DIR       loads all days that totals.csv names, and writes ledger.txt
"""
import gzip
import json
import pathlib
import sys

ORDERS = {5: 150_000, 9: 400_000}
BOMB = 7


def generate(directory: pathlib.Path) -> None:
    for day in range(1, 13):
        path = directory / f"day-{day:02}.json.gz"
        if day == BOMB:
            # 16 MiB of blanks, 128 times: 2 GiB in a file of 2 MiB.
            path.write_bytes(gzip.compress(b" " * (16 << 20)) * 128)
            continue
        orders = [{"id": n, "customer": f"c-{n * day % 997}", "cents": n * 37 * day % 9973} for n in range(ORDERS.get(day, 4_000))]
        with gzip.open(path, "wt", compresslevel=1) as out:
            json.dump(orders, out)


def load(path: pathlib.Path) -> list:
    with gzip.open(path) as file:
        return json.loads(file.read())


def total(path: pathlib.Path) -> None:
    orders = load(path)
    print(f"{len(orders)},{sum(order['cents'] for order in orders) / 100:.2f}")


def ledger(directory: pathlib.Path) -> None:
    names = [line.split(",")[0] for line in (directory / "totals.csv").read_text().splitlines()]
    days = [load(directory / name) for name in names]
    count = sum(len(day) for day in days)
    (directory / "ledger.txt").write_text(f"{len(days)} days, {count} orders\n")


if __name__ == "__main__":
    try:
        {"generate": generate, "total": total, "ledger": ledger}[sys.argv[1]](pathlib.Path(sys.argv[2]))
    except MemoryError:
        sys.exit(f"{sys.argv[1]}: MemoryError")
