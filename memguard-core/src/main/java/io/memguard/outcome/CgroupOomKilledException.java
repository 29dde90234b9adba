package io.memguard.outcome;

/** Thrown when the child's own cgroup reached its limit ({@link Cause#OWN_CGROUP}). */
public final class CgroupOomKilledException extends ChildOutOfMemoryException {
  private static final long serialVersionUID = 1L;

  CgroupOomKilledException(Outcome.OutOfMemory outcome) {
    super(outcome);
  }
}
