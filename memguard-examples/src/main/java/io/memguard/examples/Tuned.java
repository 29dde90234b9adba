package io.memguard.examples;

import io.memguard.MemoryGuard;
import io.memguard.limits.LaunchOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.limits.RuntimeTuning;
import io.memguard.outcome.Outcome;
import java.util.Arrays;

/** The example of docs/tuning.md. */
public final class Tuned {
  private Tuned() {}

  /**
   * Runs a job without tuning and with it, under the same limit.
   *
   * @param arguments the limit, and the job's command
   * @throws Exception if it could not be started
   */
  public static void main(String[] arguments) throws Exception {
    MemoryLimits limits = MemoryLimits.of(arguments[0]);
    ProcessBuilder job = new ProcessBuilder(Arrays.copyOfRange(arguments, 1, arguments.length));
    // [docs]
    try (MemoryGuard guard = MemoryGuard.create()) {
      Outcome untuned = guard.run(job, limits);
      System.out.println(untuned.explanation());

      LaunchOptions options = LaunchOptions.defaults().withTuning(RuntimeTuning.auto());
      Outcome tuned = guard.run(job, limits, options);
      System.out.println(tuned.explanation());
      tuned.evidence().tuning().forEach((name, value) -> System.out.println(name + "=" + value));
    }
    // [docs]
  }
}
