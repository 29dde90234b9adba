package io.memguard.outcome;

/** Thrown when the child's own runtime reached its cap ({@link Cause#RUNTIME_HEAP}). */
public final class RuntimeHeapExhaustedException extends ChildOutOfMemoryException {
  private static final long serialVersionUID = 1L;

  RuntimeHeapExhaustedException(Outcome.OutOfMemory outcome) {
    super(outcome);
  }
}
