"""Prints the median of so many random numbers: report.py ROWS. Like many a small job it holds them all, and knows of no limit."""
import random
import sys

rows = int(sys.argv[1])
source = random.Random(1)
values = sorted(source.random() for _ in range(rows))
print(f"{rows:,} rows, median {values[rows // 2]:.3f}")
