package io.memguard.examples;

import io.memguard.MemoryGuard;
import io.memguard.limits.MemoryLimits;
import io.memguard.outcome.ChildOutOfMemoryException;
import io.memguard.recover.RetryPolicy;

/** The README's first example. */
public final class QuickStart {
  private QuickStart() {}

  /**
   * Runs a job, and again with more memory where it was refused some.
   *
   * @param arguments the job's command
   * @throws Exception if it could not be started, or failed for another reason than memory
   */
  public static void main(String[] arguments) throws Exception {
    // [README]
    try (MemoryGuard guard = MemoryGuard.create()) {
      ProcessBuilder job = new ProcessBuilder(arguments).inheritIO();
      guard
          .run(
              job,
              MemoryLimits.of("64MiB"),
              RetryPolicy.onOutOfMemory().maxAttempts(4).growBy(2.0).upTo("1GiB"))
          .orThrow();
    } catch (ChildOutOfMemoryException e) {
      System.err.println("Too large for here: " + e.outcome().explanation());
    }
    // [README]
  }
}
