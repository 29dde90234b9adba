package io.memguard.lab;

import io.memguard.MemoryGuard;
import io.memguard.limits.MemoryLimits;
import io.memguard.outcome.Outcome;

/**
 * A supervisor for containers of the lab: starts one child that wants more than there is, and says
 * how it ended. Its first argument is the child's limit, or {@code none}, or {@code unguarded} for
 * a plain {@link ProcessBuilder}.
 */
final class Supervisor {
  private static final ProcessBuilder GREEDY =
      new ProcessBuilder("perl", "-e", "$x = q(x) x 200_000_000");

  private Supervisor() {}

  public static void main(String[] arguments) throws Exception {
    System.out.println("supervisor up");
    if (arguments[0].equals("unguarded")) {
      System.out.println("child ended: " + GREEDY.inheritIO().start().waitFor());
      return;
    }
    MemoryLimits limits =
        arguments[0].equals("none") ? MemoryLimits.none() : MemoryLimits.of(arguments[0]);
    try (MemoryGuard guard = MemoryGuard.create()) {
      System.out.println("engine: " + guard.capabilities().engine());
      Outcome outcome = guard.run(GREEDY, limits);
      System.out.println("outcome: " + outcome.getClass().getSimpleName());
      System.out.println(outcome.explanation());
    }
  }
}
