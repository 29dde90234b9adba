package io.memguard.support;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.MemoryGuard;
import io.memguard.limits.MemoryLimits;
import java.io.IOException;

/** Plays one scenario twice, with the JDK's process and with a guarded one, and compares. */
public final class Parity {
  private Parity() {}

  /** Starts a child, by the JDK or by a guard. */
  @FunctionalInterface
  public interface Starter {
    Process start(ProcessBuilder job) throws IOException;
  }

  /** What a caller does with processes; it returns all that was observed. */
  @FunctionalInterface
  public interface Scenario {
    Object play(Starter starter) throws Exception;
  }

  /** Something that may throw. */
  @FunctionalInterface
  public interface Action {
    Object run() throws Exception;
  }

  /** Fails if a guarded process is not like the JDK's; returns what was observed of both. */
  public static Object sameAsTheJdk(MemoryGuard guard, Scenario scenario) throws Exception {
    Object jdks = scenario.play(ProcessBuilder::start);
    Object ours = scenario.play(job -> guard.start(job, MemoryLimits.none()));
    assertThat(ours).isEqualTo(jdks);
    return ours;
  }

  /** What an action answers, or the type of the exception it throws. */
  public static Object resultOf(Action action) {
    try {
      return String.valueOf(action.run());
    } catch (IOException e) {
      return IOException.class; // ours may be a subclass, as the contract of the JDK allows
    } catch (Exception e) {
      return e.getClass();
    }
  }
}
