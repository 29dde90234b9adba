package io.memguard.events;

import io.memguard.outcome.Cause;
import io.memguard.outcome.Outcome;
import io.memguard.outcome.WitnessRecord;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * A child has ended, and what memguard does next.
 *
 * @param name what {@link io.memguard.limits.LaunchOptions#withName} calls it, or else the program
 * @param outcome how it ended; {@link Outcome#evidence} has the pid and the program
 * @param attempt which attempt it was, of a {@code RetryPolicy}, or of a pool's task: 1 for the
 *     first; 1 without either
 * @param next what memguard does now
 * @param nextLimitBytes the limit of the next attempt, in bytes; empty if there is none, or it has
 *     no limit
 */
public record ChildEnd(
    String name, Outcome outcome, int attempt, WhatNext next, OptionalLong nextLimitBytes) {
  /**
   * Checks the values.
   *
   * @param name what it is called
   * @param outcome how it ended
   * @param attempt which attempt it was
   * @param next what memguard does now
   * @param nextLimitBytes the limit of the next attempt
   */
  public ChildEnd {
    Objects.requireNonNull(name, "name");
    Objects.requireNonNull(outcome, "outcome");
    Objects.requireNonNull(next, "next");
  }

  /**
   * Returns why it ran out of memory.
   *
   * @return the cause, or empty if it did not
   */
  public Optional<Cause> cause() {
    return outcome instanceof Outcome.OutOfMemory memory
        ? Optional.of(memory.cause())
        : Optional.empty();
  }

  /**
   * Returns the limit that it ran into, or else the one that was in force.
   *
   * @return bytes, or empty if there was none
   */
  public OptionalLong limitBytes() {
    return outcome instanceof Outcome.OutOfMemory memory
        ? memory.limitBytes()
        : outcome.evidence().limitBytes();
  }

  /**
   * Returns the largest resident set that was seen of it or a descendant; where memguard ended it
   * for its memory, what they had together, if that is more.
   *
   * @return bytes, or empty if it is unknown
   */
  public OptionalLong peakBytes() {
    OptionalLong resident = outcome.evidence().peakRssBytes();
    long together = outcome.evidence().preemption().map(reading -> reading.treeBytes()).orElse(0L);
    return together > resident.orElse(0) ? OptionalLong.of(together) : resident;
  }

  /**
   * Returns the largest request for memory that it, or a descendant, was refused.
   *
   * @return bytes, or empty if none was, or it is unknown: {@code Evidence.watched} tells which
   */
  public OptionalLong refusedBytes() {
    OptionalLong decisive =
        outcome instanceof Outcome.OutOfMemory memory
            ? memory.refusedBytes()
            : OptionalLong.empty();
    return decisive.isPresent()
        ? decisive
        : outcome
            .evidence()
            .witness()
            .map(WitnessRecord::largestRefusedBytes)
            .orElse(OptionalLong.empty());
  }
}
