package io.memguard.outcome;

/** Thrown when the caller ended the child. */
public final class ChildCancelledException extends ChildProcessException {
  private static final long serialVersionUID = 1L;

  /**
   * Makes the exception of an outcome.
   *
   * @param outcome how the child ended
   */
  ChildCancelledException(Outcome.Cancelled outcome) {
    super(outcome);
  }

  @Override
  public Outcome.Cancelled outcome() {
    return (Outcome.Cancelled) super.outcome();
  }
}
