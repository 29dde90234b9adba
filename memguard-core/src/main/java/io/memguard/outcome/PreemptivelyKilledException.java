package io.memguard.outcome;

/** Thrown when memguard ended the child to save the others ({@link Cause#PREEMPTED}). */
public final class PreemptivelyKilledException extends ChildOutOfMemoryException {
  private static final long serialVersionUID = 1L;

  PreemptivelyKilledException(Outcome.OutOfMemory outcome) {
    super(outcome);
  }
}
