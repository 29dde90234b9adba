package io.memguard.outcome;

/** Thrown when the child ran out of memory; one subclass a {@link Cause}. */
public abstract class ChildOutOfMemoryException extends ChildProcessException {
  private static final long serialVersionUID = 1L;

  /**
   * Makes the exception of an outcome.
   *
   * @param outcome how the child ended
   */
  ChildOutOfMemoryException(Outcome.OutOfMemory outcome) {
    super(outcome);
  }

  static ChildOutOfMemoryException of(Outcome.OutOfMemory outcome) {
    return switch (outcome.cause()) {
      case ALLOCATION_DENIED -> new AllocationDeniedException(outcome);
      case LIMIT_TOO_LOW -> new LimitTooLowException(outcome);
      case RUNTIME_HEAP -> new RuntimeHeapExhaustedException(outcome);
      case OWN_CGROUP -> new CgroupOomKilledException(outcome);
      case CONTAINER -> new ContainerOomKilledException(outcome);
      case HOST -> new HostOomKilledException(outcome);
      case PREEMPTED -> new PreemptivelyKilledException(outcome);
    };
  }

  @Override
  public Outcome.OutOfMemory outcome() {
    return (Outcome.OutOfMemory) super.outcome();
  }
}
