package io.memguard.platform.cgroup;

import java.util.OptionalInt;
import java.util.OptionalLong;

/**
 * What a leaf is to be limited to; what is empty is not limited.
 *
 * @param max the size at which the kernel kills, in bytes
 * @param high the size from which it slows down, in bytes; cgroup v2 only
 * @param pidsMax how many processes and threads may be in it; cgroup v2 only
 */
public record LeafLimits(OptionalLong max, OptionalLong high, OptionalInt pidsMax) {
  static final LeafLimits NONE =
      new LeafLimits(OptionalLong.empty(), OptionalLong.empty(), OptionalInt.empty());

  /** Tells whether nothing is limited. */
  public boolean isEmpty() {
    return equals(NONE);
  }
}
