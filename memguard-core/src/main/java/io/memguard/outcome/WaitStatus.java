package io.memguard.outcome;

/**
 * What the kernel says about the end of a process (<a
 * href="https://man7.org/linux/man-pages/man2/waitid.2.html">waitid(2)</a>). Other than {@link
 * Process#exitValue}, it tells {@code exit(137)} and "killed by SIGKILL" apart. Immutable; safe to
 * share between threads.
 */
public sealed interface WaitStatus {
  /** Shells and the JDK write "killed by signal n" as 128 + n. */
  int SIGNALLED = 128;

  /**
   * The process ended itself.
   *
   * @param code 0 to 255
   */
  record Exit(int code) implements WaitStatus {
    @Override
    public int exitValue() {
      return code;
    }

    @Override
    public String toString() {
      return "exit " + code;
    }
  }

  /**
   * A signal ended the process.
   *
   * @param signal which one
   * @param coreDumped true if a core was dumped
   */
  record Kill(Signal signal, boolean coreDumped) implements WaitStatus {
    @Override
    public int exitValue() {
      return SIGNALLED + signal.number();
    }

    @Override
    public String toString() {
      return "killed by " + signal + (coreDumped ? " (core dumped)" : "");
    }
  }

  /**
   * Returns the number {@link Process#exitValue} has for it.
   *
   * @return the exit code, or 128 + the signal's number
   */
  int exitValue();

  /**
   * Tells whether the process said that it succeeded.
   *
   * @return true for exit code 0
   */
  default boolean isSuccess() {
    return exitValue() == 0;
  }
}
