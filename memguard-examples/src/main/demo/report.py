#!/usr/bin/env python3
"""Prints one line about a day's orders: how many, and their revenue.

usage: report.py FILE

Like many a small job it loads the whole file, and knows nothing about memory limits: Python raises MemoryError by itself.
"""
import json
import pathlib
import sys


def main() -> None:
    path = pathlib.Path(sys.argv[1])
    orders = json.loads(path.read_text(encoding="utf-8"))
    cents = sum(line["quantity"] * line["cents"] for order in orders for line in order["lines"])
    print(f"{path.stem}: {len(orders):,} orders, {cents / 100:,.2f}")


if __name__ == "__main__":
    main()
