package io.memguard.outcome;

/** Thrown when the child could not start under its limit ({@link Cause#LIMIT_TOO_LOW}). */
public final class LimitTooLowException extends ChildOutOfMemoryException {
  private static final long serialVersionUID = 1L;

  LimitTooLowException(Outcome.OutOfMemory outcome) {
    super(outcome);
  }
}
