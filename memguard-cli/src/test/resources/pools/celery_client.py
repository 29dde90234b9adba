"""Has a pool do a greedy task between honest ones, and says what came of each."""

import sys

from tasks import total, load

honest = [total.delay(n, n) for n in range(10)]
if "greedy" in sys.argv:
    greedy = load.delay(512)
    greedy.get(timeout=40, propagate=False)
    print("greedy", type(greedy.result).__name__)
honest += [total.delay(n, n) for n in range(10, 20)]
print("honest", sum(task.get(timeout=40) for task in honest))
