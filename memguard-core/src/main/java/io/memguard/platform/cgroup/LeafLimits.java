package io.memguard.platform.cgroup;

import java.util.OptionalInt;
import java.util.OptionalLong;

/**
 * What a leaf is to be limited to; what is empty is not limited.
 *
 * @param max the size at which the kernel kills, in bytes
 * @param high the size from which it slows down, in bytes; cgroup v2 only
 * @param pidsMax how many processes and threads may be in it; cgroup v2 only
 * @param killedAsAWhole whether the kernel kills all that is in it, or else one process; cgroup v2
 *     only
 */
public record LeafLimits(
    OptionalLong max, OptionalLong high, OptionalInt pidsMax, boolean killedAsAWhole) {
  static final LeafLimits NONE =
      new LeafLimits(OptionalLong.empty(), OptionalLong.empty(), OptionalInt.empty());

  /** Limits one that is killed as a whole. */
  public LeafLimits(OptionalLong max, OptionalLong high, OptionalInt pidsMax) {
    this(max, high, pidsMax, true);
  }

  /** Tells whether nothing is limited. */
  public boolean isEmpty() {
    return max.isEmpty() && high.isEmpty() && pidsMax.isEmpty();
  }
}
