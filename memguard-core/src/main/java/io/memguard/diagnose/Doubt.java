package io.memguard.diagnose;

import io.memguard.outcome.Evidence;
import io.memguard.outcome.Refusal;
import io.memguard.outcome.WaitStatus;
import io.memguard.outcome.WitnessedProcess;
import java.time.Duration;

/**
 * What speaks against a refusal of memory being the reason of the end, beginning with what speaks
 * least against it.
 */
enum Doubt {
  NONE(""),

  /** A runtime or an allocator that reserves a lot, and is content with less. */
  A_TRY(", which may have been a try: what maps memory by itself often goes on without"),

  LONG_BEFORE(", but long before its end"),

  /** The kernel had another reason. */
  HAD_ROOM(", under which there was room for that: see vm.max_map_count and vm.overcommit_memory");

  private static final Duration RECENT = Duration.ofSeconds(5);
  private static final int SHARE = 10;

  private final String words;

  Doubt(String words) {
    this.words = words;
  }

  /** Says it, as a part of a sentence. */
  String words() {
    return words;
  }

  /**
   * Returns what speaks against it.
   *
   * @param process what was refused memory
   * @param saidSo true if the child said that it had no memory
   */
  static Doubt of(WitnessedProcess process, Evidence evidence, boolean saidSo) {
    if (process.hadRoom()) {
      return HAD_ROOM;
    }
    if (saidSo || process.last().isEmpty()) {
      return NONE;
    }
    Refusal last = process.last().get();
    if (!last.at().isZero() && last.at().plus(recent(evidence)).compareTo(evidence.elapsed()) < 0) {
      return LONG_BEFORE;
    }
    boolean gaveUp = evidence.status() instanceof WaitStatus.Exit;
    return gaveUp && mayBeATry(last.kind()) ? A_TRY : NONE;
  }

  /** Within five seconds, or the last tenth of its life. */
  private static Duration recent(Evidence evidence) {
    Duration share = evidence.elapsed().dividedBy(SHARE);
    return share.compareTo(RECENT) > 0 ? share : RECENT;
  }

  private static boolean mayBeATry(Refusal.Kind kind) {
    return switch (kind) {
      case MMAP, MREMAP, MPROTECT -> true;
      default -> false;
    };
  }
}
