package io.memguard.diagnose;

import io.memguard.limits.MemorySize;
import io.memguard.outcome.Cause;
import io.memguard.outcome.Confidence;
import io.memguard.outcome.Evidence;
import io.memguard.outcome.Outcome;
import io.memguard.outcome.Preemption;
import java.util.OptionalLong;

/** The verdict on a child that memguard ended for its memory. */
final class Preempted {
  private Preempted() {}

  /** For a limit of its own it needs more than it had; where others needed it, the same will do. */
  static Outcome verdict(Evidence evidence, Preemption reading) {
    boolean own = reading.limit() == Preemption.Limit.TREE_MEMORY;
    long missing = reading.bytes() - reading.limitBytes();
    return new Outcome.OutOfMemory(
        Cause.PREEMPTED,
        Confidence.CERTAIN,
        OptionalLong.empty(),
        own
            ? OptionalLong.of(Suggestion.larger(reading.limitBytes(), missing))
            : OptionalLong.empty(),
        false,
        own ? tooLarge(reading) : inTheWay(reading),
        evidence);
  }

  private static String tooLarge(Preemption reading) {
    return "memguard ended it: "
        + who(reading)
        + " had "
        + MemorySize.format(reading.bytes())
        + " of "
        + MemorySize.format(reading.limitBytes())
        + (reading.thresholdBytes() == reading.limitBytes()
            ? ""
            : ", and " + MemorySize.format(reading.thresholdBytes()) + " is the most they may have")
        + " ("
        + reading.source().label()
        + ").";
  }

  private static String inTheWay(Preemption reading) {
    return "memguard ended it so that others live: "
        + MemorySize.format(reading.bytes())
        + " of "
        + MemorySize.format(reading.limitBytes())
        + " were in use, and "
        + MemorySize.format(reading.thresholdBytes())
        + " is where memguard acts; "
        + who(reading)
        + " had "
        + MemorySize.format(reading.treeBytes())
        + " of it ("
        + reading.source().label()
        + ").";
  }

  private static String who(Preemption reading) {
    int others = reading.processes() - 1;
    return others < 1
        ? "it"
        : "it and " + (others == 1 ? "a descendant" : others + " descendants") + " together";
  }
}
