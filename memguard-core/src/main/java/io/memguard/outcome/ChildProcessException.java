package io.memguard.outcome;

/**
 * Thrown when a guarded child did not succeed. Each {@link Outcome} has a subclass of its own; the
 * attempts before the last are its {@linkplain #getSuppressed() suppressed} exceptions.
 *
 * <p>As safe to share between threads as any {@link Throwable}. The outcome is not serialized with
 * it: an exception that was read from a stream has its message, and null for the outcome.
 */
public abstract class ChildProcessException extends RuntimeException {
  private static final long serialVersionUID = 1L;
  private static final int SHOWN_TAIL = 1000;

  private final transient Outcome outcome;

  /**
   * Makes the exception of an outcome.
   *
   * @param outcome how the child ended
   */
  ChildProcessException(Outcome outcome) {
    super(message(outcome));
    this.outcome = outcome;
    for (Outcome earlier : outcome.earlierAttempts()) {
      addSuppressed(earlier.toException());
    }
  }

  /**
   * Returns how the child ended.
   *
   * @return the outcome
   */
  public Outcome outcome() {
    return outcome;
  }

  private static String message(Outcome outcome) {
    String tail = outcome.evidence().errorTail().strip();
    String shown =
        tail.length() > SHOWN_TAIL ? "…" + tail.substring(tail.length() - SHOWN_TAIL) : tail;
    return outcome.explanation()
        + " ["
        + outcome.summary()
        + "]"
        + (shown.isEmpty() ? "" : "\nstderr: " + shown);
  }
}
