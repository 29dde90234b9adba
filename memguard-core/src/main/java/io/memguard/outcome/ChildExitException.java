package io.memguard.outcome;

/** Thrown when the child exited with a code other than 0. */
public final class ChildExitException extends ChildProcessException {
  private static final long serialVersionUID = 1L;

  /**
   * Makes the exception of an outcome.
   *
   * @param outcome how the child ended
   */
  ChildExitException(Outcome.Exited outcome) {
    super(outcome);
  }

  @Override
  public Outcome.Exited outcome() {
    return (Outcome.Exited) super.outcome();
  }
}
