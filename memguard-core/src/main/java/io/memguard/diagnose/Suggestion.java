package io.memguard.diagnose;

import io.memguard.limits.Rlimit;
import io.memguard.outcome.Evidence;
import io.memguard.outcome.Refusal;
import io.memguard.outcome.WitnessedProcess;
import java.util.Optional;
import java.util.OptionalLong;

/** A limit with which to try again. */
final class Suggestion {
  private static final long MIB = 1 << 20;

  /** An eighth more than what would have been enough just then: it is not the last request. */
  private static final int MARGIN_SHARE = 8;

  private Suggestion() {}

  /**
   * Room for what was refused on top of the limit, and at least half as much again; whole MiB. For
   * where nobody knows what the process had.
   */
  static OptionalLong after(Evidence evidence, OptionalLong refused) {
    return evidence.limitBytes().isEmpty()
        ? OptionalLong.empty()
        : OptionalLong.of(larger(evidence.limitBytes().getAsLong(), refused.orElse(0)));
  }

  /**
   * Room for what a process had when it was refused more, and for what it was refused, with a
   * margin; and at least half as much again as the limit was. Whole MiB.
   */
  static OptionalLong after(
      Evidence evidence, Optional<WitnessedProcess> process, OptionalLong refused) {
    OptionalLong had =
        process
            .flatMap(WitnessedProcess::last)
            .map(last -> counted(evidence, last))
            .orElse(OptionalLong.empty());
    return had.isPresent() && evidence.rlimitBytes().isPresent()
        ? OptionalLong.of(
            enough(evidence.rlimitBytes().getAsLong(), had.getAsLong(), refused.orElse(0)))
        : after(evidence, refused);
  }

  /** A limit, and no less than what its runtime is known to start under. */
  static OptionalLong toStart(OptionalLong more, OptionalLong startsUnder) {
    return more.isPresent() && startsUnder.isPresent()
        ? OptionalLong.of(Math.max(more.getAsLong(), whole(startsUnder.getAsLong())))
        : more;
  }

  static long larger(long limit, long missing) {
    return whole(sum(limit, Math.max(missing, limit / 2)));
  }

  private static long enough(long limit, long had, long refused) {
    long needed = sum(had, refused);
    return whole(Math.max(sum(limit, limit / 2), sum(needed, needed / MARGIN_SHARE)));
  }

  /** What it had of that which the limit counts. */
  private static OptionalLong counted(Evidence evidence, Refusal last) {
    return Armed.smallest(evidence) == Rlimit.DATA ? last.dataBytes() : last.addressBytes();
  }

  /** The largest there is, instead of more than that. */
  private static long sum(long one, long other) {
    return one > Long.MAX_VALUE - other ? Long.MAX_VALUE : one + other;
  }

  private static long whole(long bytes) {
    return bytes > Long.MAX_VALUE - MIB
        ? Long.MAX_VALUE / MIB * MIB
        : (bytes + MIB - 1) / MIB * MIB;
  }
}
