package io.memguard;

import io.memguard.limits.VictimPolicy.Candidate;
import io.memguard.outcome.Preemption;
import java.time.Duration;

/**
 * A guarded child that may be ended to save the others.
 *
 * @param process the child
 * @param tree what is known of it and its descendants
 * @param began when it was launched, as {@link System#nanoTime}
 * @param retryable whether it will be tried again
 */
record GuardedWard(GuardedProcess process, TreeWatch.Watched tree, long began, boolean retryable)
    implements HeadroomGuard.Ward {
  @Override
  public long pid() {
    return process.pid();
  }

  @Override
  public Candidate candidate() {
    return new Candidate(
        pid(),
        process.limits(),
        tree.residentBytes(),
        tree.processes(),
        Duration.ofNanos(System.nanoTime() - began),
        retryable);
  }

  @Override
  public void preempt(Preemption reading) {
    process.preempt(reading, tree.members(), Duration.ZERO);
  }

  @Override
  public boolean isEnding() {
    return process.isEnding();
  }

  @Override
  public boolean isGone() {
    return process.isGone();
  }

  @Override
  public boolean isForgotten() {
    return tree.isGone();
  }
}
