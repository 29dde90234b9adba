package io.memguard.diagnose;

import io.memguard.limits.Rlimit;
import io.memguard.outcome.Evidence;
import io.memguard.outcome.Refusal;
import io.memguard.outcome.WitnessedProcess;
import java.time.Duration;
import java.util.OptionalLong;
import java.util.stream.Stream;

/**
 * What speaks against a refusal being the reason of the end, beginning with what speaks least
 * against it. What the child says outweighs the first ones.
 */
enum Doubt {
  NONE(""),

  /** As whoever tries a large block first, or has another way. */
  ROOM_FOR_LESS("; there was room for less, so it may have gone on, and ended for another reason"),

  /** A descendant's end is not the child's. */
  OF_ANOTHER(", perhaps for another reason"),

  /** A runtime or an allocator that reserves a lot, and is content with less. */
  A_TRY("; it may have been a try, since what maps memory by itself often goes on without"),

  LONG_BEFORE("; that was some time later, and may be for another reason"),

  /** Of a program that has locked itself in, or where there was no room for more. */
  AT_ANY_TIME("; when it was refused is not known"),

  /** Set besides, as a script's ulimit. */
  BY_ANOTHER_LIMIT("; a lower limit of its own refused it: see ulimit(1)"),

  /** The kernel had another reason. */
  HAD_ROOM(
      "; there was room for that under its limits: see vm.max_map_count and vm.overcommit_memory");

  /** To write a traceback, and to go down; after a longer time it may have been anything. */
  private static final Duration RECENT = Duration.ofSeconds(2);

  private final String words;

  Doubt(String words) {
    this.words = words;
  }

  /** Says it, as the end of a sentence. */
  String words() {
    return words;
  }

  /** Tells whether a larger limit of memguard's would not have helped. */
  boolean isNotOfOurs() {
    return this == BY_ANOTHER_LIMIT || this == HAD_ROOM;
  }

  /**
   * Returns what speaks against it.
   *
   * @param process what was refused
   * @param words what the child said of it
   */
  static Doubt of(WitnessedProcess process, Evidence evidence, Words words) {
    if (process.hadRoom()) {
      return HAD_ROOM;
    }
    if (isOfAnotherLimit(process, evidence)) {
      return BY_ANOTHER_LIMIT;
    }
    return words == Words.CLEAR ? NONE : bySilence(process, evidence, words);
  }

  private static boolean isOfAnotherLimit(WitnessedProcess process, Evidence evidence) {
    boolean exceeded = Stream.of(Rlimit.DATA, Rlimit.AS).anyMatch(process::exceeded);
    return exceeded
        && Stream.of(Rlimit.DATA, Rlimit.AS)
            .filter(process::exceeded)
            .noneMatch(
                resource ->
                    isOurs(
                        process.last().orElseThrow().limit(resource),
                        Armed.bytes(evidence, resource)));
  }

  private static boolean isOurs(OptionalLong limit, OptionalLong ours) {
    return ours.isPresent() && limit.orElse(0) >= ours.getAsLong();
  }

  private static Doubt bySilence(WitnessedProcess process, Evidence evidence, Words words) {
    if (process.last().isEmpty() || process.last().get().at().isZero()) {
      return AT_ANY_TIME;
    }
    Refusal last = process.last().get();
    if (last.at().plus(RECENT).compareTo(evidence.elapsed()) < 0) {
      return LONG_BEFORE;
    }
    if (words == Words.LIKELY) {
      return NONE;
    }
    if (mayBeATry(last.kind())) {
      return A_TRY;
    }
    if (process.pid() != evidence.pid()) {
      return OF_ANOTHER;
    }
    return hadRoomForLess(process) ? ROOM_FOR_LESS : NONE;
  }

  private static boolean mayBeATry(Refusal.Kind kind) {
    return switch (kind) {
      case MMAP, MREMAP, MPROTECT -> true;
      default -> false;
    };
  }

  /** Whoever has used up half of a limit by growing is near the end of it. */
  private static boolean hadRoomForLess(WitnessedProcess process) {
    Refusal last = process.last().orElseThrow();
    return last.isMeasured()
        && Stream.of(Rlimit.DATA, Rlimit.AS)
            .filter(process::exceeded)
            .allMatch(
                resource -> last.had(resource).orElse(0) < last.limit(resource).orElse(0) / 2);
  }

  /** What a child said of memory that it was refused. */
  enum Words {
    NONE,
    /** Such as many programs use, also about something else. */
    LIKELY,
    /** Those of its runtime. */
    CLEAR
  }
}
