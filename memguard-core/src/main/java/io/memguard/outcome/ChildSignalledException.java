package io.memguard.outcome;

/** Thrown when a signal ended the child, and memory was not the reason. */
public final class ChildSignalledException extends ChildProcessException {
  private static final long serialVersionUID = 1L;

  /**
   * Makes the exception of an outcome.
   *
   * @param outcome how the child ended
   */
  ChildSignalledException(Outcome.Signalled outcome) {
    super(outcome);
  }

  @Override
  public Outcome.Signalled outcome() {
    return (Outcome.Signalled) super.outcome();
  }
}
