package io.memguard;

import io.memguard.HeadroomGuard.Weight;
import io.memguard.limits.VictimPolicy.Candidate;
import io.memguard.outcome.Preemption;
import java.time.Duration;
import java.util.Optional;
import java.util.Set;

/**
 * A guarded child that may be ended to save the others.
 *
 * @param process the child
 * @param began when it was launched, as {@link System#nanoTime}
 * @param retryable whether it will be tried again
 */
record GuardedWard(GuardedProcess process, long began, boolean retryable)
    implements HeadroomGuard.Ward {
  @Override
  public long pid() {
    return process.pid();
  }

  @Override
  public Optional<String> mark() {
    return process.mark();
  }

  @Override
  public Candidate candidate(Weight weight) {
    return new Candidate(
        pid(),
        process.limits(),
        weight.bytes(),
        weight.members().size(),
        Duration.ofNanos(System.nanoTime() - began),
        retryable);
  }

  @Override
  public void preempt(Preemption reading, Set<Long> members) {
    process.preempt(reading, members, Duration.ZERO);
  }

  @Override
  public boolean hasEnded() {
    return process.hasEnded();
  }

  @Override
  public boolean isEnding() {
    return process.isEnding();
  }

  @Override
  public boolean isGone() {
    return process.isGone();
  }
}
