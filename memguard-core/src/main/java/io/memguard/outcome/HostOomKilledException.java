package io.memguard.outcome;

/** Thrown when the machine ran out of memory and the child was killed ({@link Cause#HOST}). */
public final class HostOomKilledException extends ChildOutOfMemoryException {
  private static final long serialVersionUID = 1L;

  HostOomKilledException(Outcome.OutOfMemory outcome) {
    super(outcome);
  }
}
