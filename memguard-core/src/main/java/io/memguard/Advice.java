package io.memguard;

import io.memguard.limits.EffectiveLimit;
import io.memguard.limits.MemorySize;
import io.memguard.platform.JvmMemory;
import java.util.ArrayList;
import java.util.List;

/** Says where the JVM's own settings leave no room for children. It changes nothing. */
final class Advice {
  /** Less than this part of the limit is no room. */
  private static final int ROOM_PART = 10;

  private static final long MIB = 1 << 20;

  private Advice() {}

  /** Returns a line for each setting that should be another; none where there is room. */
  static List<String> of(EffectiveLimit limit, JvmMemory jvm) {
    List<String> advice = new ArrayList<>();
    long left = limit.bytes() - jvm.total();
    long room = limit.bytes() / ROOM_PART;
    if (jvm.maxHeap() >= limit.bytes()) {
      advice.add(
          "The heap may grow to "
              + MemorySize.format(jvm.maxHeap())
              + " by "
              + jvm.heapOption()
              + ", and "
              + allowed(limit)
              + ": this JVM can be killed even if it has no children. "
              + lowerHeap(limit, jvm));
    } else if (left < room) {
      advice.add(
          "This JVM may need "
              + MemorySize.format(jvm.total())
              + ", of that "
              + MemorySize.format(jvm.maxHeap())
              + " for the heap by "
              + jvm.heapOption()
              + ", and "
              + allowed(limit)
              + ": "
              + (left > 0 ? "no more than " + MemorySize.format(left) + " is" : "nothing is")
              + " left for children. "
              + lowerHeap(limit, jvm));
    } else if (jvm.maxDirect().isEmpty() && left - jvm.maxHeap() < room) {
      advice.add(
          "Direct buffers may grow to "
              + MemorySize.format(jvm.maxHeap())
              + ", as much as the heap, and would leave no room for children: "
              + allowed(limit)
              + ", and this JVM may need "
              + MemorySize.format(jvm.total())
              + " without them. Set -XX:MaxDirectMemorySize to what they need.");
    }
    return advice;
  }

  private static String allowed(EffectiveLimit limit) {
    return limit.setBy()
        + " has a limit of "
        + MemorySize.format(limit.bytes())
        + " ("
        + limit.source()
        + ")";
  }

  /** As much for children as for the heap. */
  private static String lowerHeap(EffectiveLimit limit, JvmMemory jvm) {
    long heap = jvm.largestHeapWithin(limit.bytes()) / 2 / MIB;
    return heap > 0
        ? "Set for example -Xmx" + heap + "m, or raise the limit."
        : "Raise the limit: the rest of the JVM alone takes nearly all of it.";
  }
}
