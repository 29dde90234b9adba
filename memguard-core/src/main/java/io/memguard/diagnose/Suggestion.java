package io.memguard.diagnose;

import io.memguard.outcome.Evidence;
import java.util.OptionalLong;

/** A limit with which to try again. */
final class Suggestion {
  private static final long MIB = 1 << 20;

  private Suggestion() {}

  /** Room for what was refused on top of the limit, and at least half as much again; whole MiB. */
  static OptionalLong after(Evidence evidence, OptionalLong refused) {
    return evidence.limitBytes().isEmpty()
        ? OptionalLong.empty()
        : OptionalLong.of(larger(evidence.limitBytes().getAsLong(), refused.orElse(0)));
  }

  /** The same, and no less than what its runtime is known to start under. */
  static OptionalLong toStart(Evidence evidence, OptionalLong refused, OptionalLong startsUnder) {
    OptionalLong more = after(evidence, refused);
    return more.isPresent() && startsUnder.isPresent()
        ? OptionalLong.of(Math.max(more.getAsLong(), whole(startsUnder.getAsLong())))
        : more;
  }

  static long larger(long limit, long missing) {
    long more = Math.max(missing, limit / 2);
    return whole(limit > Long.MAX_VALUE - more - MIB ? Long.MAX_VALUE - MIB : limit + more);
  }

  private static long whole(long bytes) {
    return bytes > Long.MAX_VALUE - MIB ? bytes : (bytes + MIB - 1) / MIB * MIB;
  }
}
