package io.memguard.platform;

import com.sun.management.HotSpotDiagnosticMXBean;
import com.sun.management.VMOption;
import io.memguard.limits.MemorySize;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.BufferPoolMXBean;
import java.lang.management.GarbageCollectorMXBean;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.stream.Stream;

/**
 * What this JVM's process may need for itself: an estimate, after what its management beans and
 * {@code /proc} say at the moment.
 *
 * <p>What has a maximum that somebody set counts with that. The heap always has one. The rest
 * counts with twice what it is now, since an application that has started still loads classes,
 * compiles, and starts threads.
 *
 * @param maxHeap the most the heap may be, in bytes
 * @param heapOption the JVM's option that made it so, as it would be written
 * @param collectorPercent which part of the heap the garbage collector needs besides
 * @param maxDirect the most direct buffers may be, in bytes, if somebody said so; else it is as
 *     much as the heap
 * @param needs a line for each part, the heap first
 * @param resident what of it is in memory now; empty if {@code /proc} does not tell
 */
public record JvmMemory(
    long maxHeap,
    String heapOption,
    int collectorPercent,
    OptionalLong maxDirect,
    List<Need> needs,
    OptionalLong resident) {
  private static final int GROWTH = 2;
  private static final long KIB = 1 << 10;
  private static final long MIB = 1 << 20;

  /** What is touched of a thread's stack, with the kernel's share: see docs/budget.md. */
  private static final long STACK_BYTES = 128 * KIB;

  /** The JVM's own code and data, its archive of classes, its compiler: see docs/budget.md. */
  private static final long JVM_BYTES = 48 * MIB;

  /** Mark bitmaps, remembered sets, threads of its own; the serial collector has a card table. */
  private static final long COLLECTOR_BYTES = 16 * MIB;

  private static final int COLLECTOR_PERCENT = 5;
  private static final int SERIAL_PERCENT = 1;

  /**
   * One part of it.
   *
   * @param what its name
   * @param bytes how much, 0 or more
   * @param reason where the number comes from
   */
  public record Need(String what, long bytes, String reason) {}

  /** Copies the list. */
  public JvmMemory {
    needs = List.copyOf(needs);
  }

  /** Looks at this JVM. */
  public static JvmMemory now() {
    Optional<VMOption> heap = option("MaxHeapSize");
    long maxHeap = heap.map(JvmMemory::bytes).orElseGet(() -> Runtime.getRuntime().maxMemory());
    String heapOption =
        heap.filter(JvmMemory::isSet)
            .map(set -> "-XX:MaxHeapSize=" + set.getValue())
            .or(
                () ->
                    option("MaxRAMPercentage")
                        .map(part -> "-XX:MaxRAMPercentage=" + part.getValue()))
            .orElse("the default");
    Optional<VMOption> direct = option("MaxDirectMemorySize").filter(JvmMemory::isSet);
    List<String> collectors =
        ManagementFactory.getGarbageCollectorMXBeans().stream()
            .map(GarbageCollectorMXBean::getName)
            .toList();
    boolean serial = collectors.contains("MarkSweepCompact");
    int percent = serial ? SERIAL_PERCENT : COLLECTOR_PERCENT;
    long besides = serial ? 0 : COLLECTOR_BYTES;
    List<Need> needs =
        List.of(
            new Need("heap", maxHeap, "its maximum, by " + heapOption),
            pools("metaspace", "MaxMetaspaceSize", "Metaspace"),
            pools("code cache", "ReservedCodeCacheSize", "Code"),
            direct.map(set -> maximum("direct buffers", set)).orElseGet(JvmMemory::directBuffers),
            stacks(),
            new Need(
                "garbage collector",
                besides + maxHeap / 100 * percent,
                (serial ? "" : MemorySize.format(besides) + " and ")
                    + percent
                    + " % of the heap, for "
                    + String.join(" and ", collectors)),
            new Need("JVM", JVM_BYTES, "its own code, data and compiler, by experience"));
    return new JvmMemory(
        maxHeap,
        heapOption,
        percent,
        direct.map(set -> OptionalLong.of(bytes(set))).orElse(OptionalLong.empty()),
        needs,
        residentNow());
  }

  /** Returns all of it, in bytes. */
  public long total() {
    return needs.stream().mapToLong(Need::bytes).sum();
  }

  /** Returns with which heap it would need no more than so much; not positive if with none. */
  public long largestHeapWithin(long bytes) {
    long rest = total() - maxHeap - maxHeap / 100 * collectorPercent;
    return (long) ((bytes - rest) / (1 + collectorPercent / 100.0));
  }

  private static OptionalLong residentNow() {
    OptionalLong kibibytes = status("VmRSS:");
    return kibibytes.isPresent() ? OptionalLong.of(kibibytes.getAsLong() * KIB) : kibibytes;
  }

  private static Need pools(String what, String maximum, String name) {
    return option(maximum)
        .filter(JvmMemory::isSet)
        .map(set -> maximum(what, set))
        .orElseGet(
            () ->
                grown(
                    what,
                    ManagementFactory.getMemoryPoolMXBeans().stream()
                        .filter(pool -> pool.getName().startsWith(name))
                        .mapToLong(pool -> pool.getUsage().getCommitted())
                        .sum()));
  }

  private static Need directBuffers() {
    return grown(
        "direct buffers",
        ManagementFactory.getPlatformMXBeans(BufferPoolMXBean.class).stream()
            .filter(pool -> pool.getName().equals("direct"))
            .mapToLong(BufferPoolMXBean::getMemoryUsed)
            .sum());
  }

  private static Need stacks() {
    long threads =
        status("Threads:").orElse(ManagementFactory.getThreadMXBean().getPeakThreadCount());
    return new Need(
        "thread stacks",
        GROWTH * threads * STACK_BYTES,
        MemorySize.format(STACK_BYTES) + " for each of twice the " + threads + " threads of now");
  }

  private static Need grown(String what, long now) {
    return new Need(what, GROWTH * now, "twice the " + MemorySize.format(now) + " of now");
  }

  private static Need maximum(String what, VMOption set) {
    return new Need(
        what, bytes(set), "its maximum, by -XX:" + set.getName() + "=" + set.getValue());
  }

  /** Not every JVM has every option. */
  private static Optional<VMOption> option(String name) {
    HotSpotDiagnosticMXBean jvm =
        ManagementFactory.getPlatformMXBean(HotSpotDiagnosticMXBean.class);
    try {
      return Optional.of(jvm.getVMOption(name));
    } catch (IllegalArgumentException e) {
      return Optional.empty();
    }
  }

  private static boolean isSet(VMOption option) {
    return switch (option.getOrigin()) {
      case DEFAULT, ERGONOMIC -> false;
      default -> true;
    };
  }

  private static long bytes(VMOption option) {
    return Long.parseLong(option.getValue());
  }

  /** Reads a number from {@code /proc/self/status}. */
  private static OptionalLong status(String key) {
    try (Stream<String> lines = Files.lines(Path.of("/proc/self/status"))) {
      return lines
          .filter(line -> line.startsWith(key))
          .mapToLong(line -> Long.parseLong(line.split("\\s+", -1)[1]))
          .findFirst();
    } catch (IOException | UncheckedIOException e) {
      return OptionalLong.empty();
    }
  }
}
