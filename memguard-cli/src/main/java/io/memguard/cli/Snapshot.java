package io.memguard.cli;

import io.memguard.limits.MemoryLimits;
import io.memguard.limits.ResourceLimit;
import io.memguard.limits.Rlimit;
import io.memguard.outcome.MemoryEvent;
import io.memguard.outcome.MemoryReading;
import io.memguard.outcome.MemorySample;
import io.memguard.outcome.Refusal;
import java.time.Duration;
import java.util.Comparator;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * What is known of the command at one moment.
 *
 * @param elapsed since the first attempt began
 * @param reading the latest, or empty if there was none yet, or it has ended
 * @param own the process that is nearest to a limit of its own
 * @param peakBytes the most that was read of this attempt
 * @param attempt which one, from 1 on
 * @param attempts how many there can be
 * @param event what happened last
 */
record Snapshot(
    Duration elapsed,
    Optional<MemoryReading> reading,
    Optional<Own> own,
    long peakBytes,
    int attempt,
    int attempts,
    Optional<Event> event) {

  /**
   * Something that happened, and when.
   *
   * @param brief the same in a few words, what matters most first
   */
  record Event(Duration at, String text, String brief) {
    static Event of(Duration at, MemoryEvent what) {
      return new Event(at, what.explanation(), brief(what));
    }

    private static String brief(MemoryEvent what) {
      if (what.kind() != MemoryEvent.Kind.REFUSED || what.processes().isEmpty()) {
        return what.explanation();
      }
      MemoryEvent.Affected process = what.processes().get(0);
      return process.refusal().map(Event::brief).orElse("refused memory")
          + (what.times() > 1 ? ", " + what.times() + " times" : "")
          + ": "
          + process.pid()
          + " "
          + process.name();
    }

    /** Says what was refused, for example {@code refused 300MiB (malloc)}. */
    static String brief(Refusal refusal) {
      return switch (refusal.kind()) {
        case FORK, SPAWN -> "refused a process (" + refusal.kind().label() + ")";
        case THREAD -> "refused a thread";
        default ->
            "refused " + StatusLines.size(refusal.bytes()) + " (" + refusal.kind().label() + ")";
      };
    }
  }

  /**
   * What one process has of its own limit.
   *
   * @param resource which limit
   * @param name the process's
   */
  record Own(Rlimit resource, long bytes, long limit, long pid, String name) {
    /** Finds the limit that it is nearest to, if it has any. */
    static Optional<Own> of(MemorySample sample, MemoryLimits limits) {
      return Stream.of(
              of(sample, limits, Rlimit.DATA, sample.dataBytes()),
              of(sample, limits, Rlimit.AS, sample.peakAddressBytes()))
          .flatMap(Optional::stream)
          .max(Comparator.comparingDouble(Own::part));
    }

    private static Optional<Own> of(
        MemorySample sample, MemoryLimits limits, Rlimit resource, long bytes) {
      return Optional.ofNullable(limits.rlimits().get(resource))
          .map(ResourceLimit::soft)
          .filter(soft -> soft != ResourceLimit.UNLIMITED && soft > 0)
          .map(soft -> new Own(resource, bytes, soft, sample.pid(), sample.name()));
    }

    double part() {
      return (double) bytes / limit;
    }
  }

  long bytes() {
    return reading.map(MemoryReading::bytes).orElse(0L);
  }
}
