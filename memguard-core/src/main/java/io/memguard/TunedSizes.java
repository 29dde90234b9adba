package io.memguard;

/**
 * How much of a limit a runtime is told to use. What is left is for what it has besides: code,
 * stacks, buffers, and whatever its collector needs to work. docs/tuning.md has the measurements.
 *
 * <p>All in bytes; for limits of any size.
 */
final class TunedSizes {
  private static final long MIB = 1 << 20;
  private static final int PERCENT = 100;

  private static final long JVM_BESIDES = 112 * MIB;
  private static final int JVM_HEAP_PERCENT = 50;
  private static final int JVM_LEAST_SHARE = 8;
  private static final int JVM_DIRECT_SHARE = 8;
  private static final long NODE_BESIDES = 64 * MIB;
  private static final int NODE_HEAP_PERCENT = 70;
  private static final int NODE_LEAST_SHARE = 8;
  private static final long GO_BESIDES = 80 * MIB;
  private static final int GO_PERCENT = 90;
  private static final int GO_LEAST_SHARE = 4;
  private static final int DOTNET_PERCENT = 60;
  private static final int STACKS = 128;
  private static final long SMALLEST_STACK = 2 * MIB;
  private static final long LARGEST_STACK = 8 * MIB;
  private static final long STACK_UNIT = 64 << 10; // the largest page there is

  private TunedSizes() {}

  /** Half of it, or less where the JVM's own needs would not fit into the other half. */
  static long jvmHeap(long limit) {
    return Math.max(
        limit / JVM_LEAST_SHARE, Math.min(percent(limit, JVM_HEAP_PERCENT), limit - JVM_BESIDES));
  }

  static long jvmDirect(long limit) {
    return limit / JVM_DIRECT_SHARE;
  }

  static long nodeHeap(long limit) {
    return Math.max(limit / NODE_LEAST_SHARE, percent(limit - NODE_BESIDES, NODE_HEAP_PERCENT));
  }

  static long goMemory(long limit) {
    return Math.max(limit / GO_LEAST_SHARE, percent(limit, GO_PERCENT) - GO_BESIDES);
  }

  static long dotnetHeap(long limit) {
    return percent(limit, DOTNET_PERCENT);
  }

  /** So that some hundred threads fit. */
  static long stack(long limit) {
    long share = limit / STACKS / STACK_UNIT * STACK_UNIT;
    return Math.min(Math.max(share, SMALLEST_STACK), LARGEST_STACK);
  }

  private static long percent(long bytes, int percent) {
    return bytes / PERCENT * percent + bytes % PERCENT * percent / PERCENT;
  }
}
