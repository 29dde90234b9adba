package io.memguard.outcome;

/**
 * A signal by its Linux number (<a
 * href="https://man7.org/linux/man-pages/man7/signal.7.html">signal(7)</a>; x86-64 and aarch64
 * number them alike).
 *
 * @param number 1 to 64
 */
public record Signal(int number) {
  /** Ends a process at once; nothing can catch it. */
  public static final Signal KILL = new Signal(9);

  /** Asks a process to end. */
  public static final Signal TERM = new Signal(15);

  private static final int FIRST_REALTIME = 34;
  private static final int LAST = 64;

  private static final String[] NAMES = {
    "", "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU",
    "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS"
  };

  /**
   * Checks the number.
   *
   * @param number 1 to 64
   * @throws IllegalArgumentException if there is no such signal
   */
  public Signal {
    if (number < 1 || number > LAST) {
      throw new IllegalArgumentException(
          "signal " + number + " does not exist; allowed is 1 to " + LAST);
    }
  }

  /**
   * Returns the name.
   *
   * @return for example {@code "SIGKILL"} or {@code "SIGRTMIN+1"}
   */
  public String name() {
    if (number < NAMES.length) {
      return "SIG" + NAMES[number];
    }
    if (number < FIRST_REALTIME) {
      return "SIG" + number; // 32 and 33 are the C library's own and have no name
    }
    return number == FIRST_REALTIME ? "SIGRTMIN" : "SIGRTMIN+" + (number - FIRST_REALTIME);
  }

  @Override
  public String toString() {
    return name();
  }
}
