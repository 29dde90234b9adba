package io.memguard.outcome;

/** Thrown when the child's time was over and memguard ended it. */
public final class ChildTimeoutException extends ChildProcessException {
  private static final long serialVersionUID = 1L;

  /**
   * Makes the exception of an outcome.
   *
   * @param outcome how the child ended
   */
  ChildTimeoutException(Outcome.TimedOut outcome) {
    super(outcome);
  }

  @Override
  public Outcome.TimedOut outcome() {
    return (Outcome.TimedOut) super.outcome();
  }
}
