#!/usr/bin/env python3
"""Prints one line about a file of orders: how many, their revenue, the product that earned most.

usage: report.py FILE

Like many a small job it loads the whole file, and knows nothing about memory limits: Python raises MemoryError by itself.
"""
import collections
import json
import pathlib
import sys


def main() -> None:
    path = pathlib.Path(sys.argv[1])
    orders = json.loads(path.read_text(encoding="utf-8"))
    earned = collections.Counter()
    for order in orders:
        for line in order["lines"]:
            earned[line["product"]] += line["quantity"] * line["cents"]
    best = max(earned, key=earned.get)
    print(f"{path.stem}: {len(orders):,} orders, {sum(earned.values()) / 100:,.2f}, most by {best}")


if __name__ == "__main__":
    main()
