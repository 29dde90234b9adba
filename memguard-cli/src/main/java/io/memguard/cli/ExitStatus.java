package io.memguard.cli;

import io.memguard.launch.LaunchException;
import io.memguard.launch.LaunchStep;
import io.memguard.outcome.Outcome;

/**
 * The exit status of {@code memguard run}: timeout(1) and env(1) number alike, and 137 is what
 * schedulers take for out of memory.
 */
final class ExitStatus {
  static final int TIMED_OUT = 124;
  static final int OWN_ERROR = 125;
  static final int OUT_OF_MEMORY = 137;

  private static final int CANNOT_EXECUTE = 126;
  private static final int NOT_FOUND = 127;

  private ExitStatus() {}

  /**
   * Returns the status for an outcome.
   *
   * @param outOfMemory the status for every out-of-memory outcome
   */
  static int of(Outcome outcome, int outOfMemory) {
    if (outcome instanceof Outcome.OutOfMemory) {
      return outOfMemory;
    }
    if (outcome instanceof Outcome.TimedOut) {
      return TIMED_OUT;
    }
    return outcome.evidence().status().exitValue();
  }

  /** Returns the status for a command that was never run. */
  static int of(LaunchException failure) {
    if (failure.step() != LaunchStep.EXEC) {
      return OWN_ERROR;
    }
    return failure.errnoName().equals("ENOENT") ? NOT_FOUND : CANNOT_EXECUTE;
  }
}
