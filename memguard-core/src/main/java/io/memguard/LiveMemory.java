package io.memguard;

import io.memguard.outcome.MemoryReading;
import io.memguard.outcome.MemoryReading.Source;
import io.memguard.outcome.MemorySample;
import io.memguard.platform.cgroup.CgroupSearch;
import io.memguard.platform.cgroup.CgroupTable;
import io.memguard.platform.cgroup.Leaf;
import io.memguard.platform.cgroup.Machine;
import io.memguard.platform.procfs.ProcessTrees;
import java.util.Comparator;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Reads what living children hold, on the thread of whoever asks: who measures a large tree must
 * not keep the {@link MemoryWatch}'s thread from looking after the others. It reads as {@link
 * TreeWatch} does, with trees of its own, which are made when somebody first asks.
 *
 * <p>Safe to share between threads: one reads at a time.
 */
final class LiveMemory implements AutoCloseable {
  private final Machine machine;
  private final CgroupSearch search;
  private final Map<GuardedProcess, ProcessTrees.Tree> followed = new HashMap<>();
  private @Nullable ProcessTrees trees;
  private boolean closed;

  /**
   * Reads nothing yet.
   *
   * @param search where this process is
   */
  LiveMemory(Machine machine, CgroupSearch search) {
    this.machine = machine;
    this.search = search;
  }

  /** Returns what a child holds, or empty if it has ended, or nobody can tell here. */
  synchronized Optional<MemoryReading> of(GuardedProcess process) {
    if (closed || !TreeWatch.state().active()) {
      return Optional.empty();
    }
    ProcessTrees from = trees == null ? new ProcessTrees() : trees;
    trees = from;
    forgetEnded(from);
    ProcessTrees.Tree tree = followed.get(process);
    if (tree == null) {
      tree = from.follow(process.pid(), process.mark());
    }
    if (process.hasEnded()) { // asked last: until then, the pid was its own
      from.forget(tree);
      followed.remove(process);
      return Optional.empty();
    }
    followed.put(process, tree);
    from.look(Set.of(tree), read -> {});
    return tree.processes() == 0 ? Optional.empty() : Optional.of(read(process, tree));
  }

  private void forgetEnded(ProcessTrees from) {
    followed
        .entrySet()
        .removeIf(
            one -> {
              boolean ended = !one.getKey().isAlive();
              if (ended) {
                from.forget(one.getValue());
              }
              return ended;
            });
  }

  private MemoryReading read(GuardedProcess process, ProcessTrees.Tree tree) {
    Optional<Leaf> leaf = process.leaf();
    Optional<MemorySample> largest =
        tree.peaks().stream().max(Comparator.comparingLong(MemorySample::dataBytes));
    OptionalDouble pressure =
        CgroupTable.pressure(machine, leaf, search).stream()
            .mapToDouble(waited -> waited.someAvg10() / 100)
            .findFirst();
    OptionalLong held = leaf.map(Leaf::heldBytes).orElse(OptionalLong.empty());
    if (held.isPresent()) {
      return new MemoryReading(
          held.getAsLong(),
          process.togetherMax(),
          tree.processes(),
          largest,
          pressure,
          Source.CGROUP);
    }
    ProcessTrees.Reading reading = tree.measure(Long.MAX_VALUE);
    return new MemoryReading(
        reading.bytes(),
        process.togetherMax(),
        Math.max(1, reading.processes()),
        largest,
        pressure,
        reading.source() == ProcessTrees.Source.STAT ? Source.STAT : Source.SMAPS_ROLLUP);
  }

  /** Nothing is read any more. */
  @Override
  public synchronized void close() {
    closed = true;
    followed.clear();
    if (trees != null) {
      trees.close();
    }
  }
}
