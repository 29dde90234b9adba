package io.memguard.events;

import io.memguard.limits.MemoryLimits;
import java.time.Duration;
import java.util.Objects;

/**
 * A child was started.
 *
 * @param name what {@link io.memguard.limits.LaunchOptions#withName} calls it, or else the program
 * @param pid the child
 * @param program the file name of what was launched, without its directory
 * @param limits what was asked for
 * @param took from when it had its memory of the budget until it was started
 */
public record ChildLaunch(
    String name, long pid, String program, MemoryLimits limits, Duration took) {
  /**
   * Checks the values.
   *
   * @param name what it is called
   * @param pid the child
   * @param program the file name of what was launched, without its directory
   * @param limits what was asked for
   * @param took how long it took
   */
  public ChildLaunch {
    Objects.requireNonNull(name, "name");
    Objects.requireNonNull(program, "program");
    Objects.requireNonNull(limits, "limits");
    Objects.requireNonNull(took, "took");
  }
}
