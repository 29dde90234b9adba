package io.memguard.outcome;

/** Thrown when a limit above the child fired and the child was killed ({@link Cause#CONTAINER}). */
public final class ContainerOomKilledException extends ChildOutOfMemoryException {
  private static final long serialVersionUID = 1L;

  ContainerOomKilledException(Outcome.OutOfMemory outcome) {
    super(outcome);
  }
}
