package io.memguard.outcome;

/** Thrown when memguard ended the child for its memory ({@link Cause#PREEMPTED}). */
public final class PreemptivelyKilledException extends ChildOutOfMemoryException {
  private static final long serialVersionUID = 1L;

  PreemptivelyKilledException(Outcome.OutOfMemory outcome) {
    super(outcome);
  }
}
