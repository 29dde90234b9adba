package io.memguard.outcome;

/**
 * Thrown when an allocation failed with ENOMEM inside the child ({@link Cause#ALLOCATION_DENIED}).
 */
public final class AllocationDeniedException extends ChildOutOfMemoryException {
  private static final long serialVersionUID = 1L;

  AllocationDeniedException(Outcome.OutOfMemory outcome) {
    super(outcome);
  }
}
