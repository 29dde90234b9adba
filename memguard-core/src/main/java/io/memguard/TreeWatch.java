package io.memguard;

import io.memguard.launch.LaunchException;
import io.memguard.launch.LaunchStep;
import io.memguard.limits.MemoryLimits;
import io.memguard.limits.MemorySize;
import io.memguard.limits.Protection;
import io.memguard.limits.ProtectionState;
import io.memguard.limits.Requirement;
import io.memguard.outcome.MemoryEvent.Kind;
import io.memguard.outcome.Preemption;
import io.memguard.platform.procfs.ProcessTrees;
import io.memguard.platform.procfs.ProcessTrees.Reading;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Watches the memory of whole process trees, where no cgroup holds them: has the listener told of
 * those that pass their soft threshold, and ends those that pass their hard one.
 *
 * <p>A launch only leaves its child in a queue, without a lock. All else belongs to the {@link
 * MemoryWatch}'s thread: what is known of {@code /proc}, and each tree, from when it was taken from
 * the queue until nothing of it lives any more. That may be long after the child's own end.
 */
final class TreeWatch implements MemoryWatch.Client {
  private static final Logger LOG = LoggerFactory.getLogger(TreeWatch.class);

  /** Looking takes a fifth of the time at most. */
  private static final int PAUSE = 4;

  /** No process has it, and none has such a parent. */
  private static final long NO_PID = -1;

  private final MemoryWatch thread;
  private final Queue<Watched> launched = new ConcurrentLinkedQueue<>();
  private final List<Watched> watched = new ArrayList<>();
  private final ProcessTrees trees;
  private long affordable = System.nanoTime();

  TreeWatch(MemoryWatch thread) {
    this.thread = thread;
    this.trees = new ProcessTrees();
  }

  /** What a launch leaves here. */
  private static final class Watched {
    private final GuardedProcess process;
    private final Duration grace;
    private final Optional<MemoryEvents.Listening> listening;
    private final TreeGauge gauge;
    private ProcessTrees.Tree tree;

    Watched(
        GuardedProcess process, Duration grace, Optional<MemoryEvents.Listening> listening) {
      this.process = process;
      this.grace = grace;
      this.listening = listening;
      MemoryLimits limits = process.limits();
      OptionalLong soft = listening.isPresent() ? limits.memoryHigh() : OptionalLong.empty();
      gauge = new TreeGauge(soft, limits.treeMemoryMax(), System::nanoTime);
    }
  }

  /**
   * Says whether a child is to be watched, and if so, has the thread for it.
   *
   * @param inLeaf true if it is held by a cgroup of its own
   * @param listened true if somebody wants to know
   * @throws LaunchException if it is required and impossible
   */
  ProtectionState arm(MemoryLimits limits, boolean inLeaf, boolean listened)
      throws LaunchException {
    Requirement wanted = limits.requirement(Protection.TREE_WATCH);
    if (wanted == Requirement.OFF) {
      return ProtectionState.inactive("switched off for this launch");
    }
    boolean required = wanted == Requirement.REQUIRE;
    if (inLeaf && !required) {
      return ProtectionState.inactive("not needed: its cgroup holds all of it");
    }
    OptionalLong most = limits.treeMemoryMax();
    if (most.isEmpty() && !(listened && limits.memoryHigh().isPresent())) {
      return lacking(
          required,
          "there is no size to watch for",
          "Set MemoryLimits.withTreeMemory, or withMemoryHigh and a listener.");
    }
    try {
      thread.start();
    } catch (OutOfMemoryError e) { // so Java calls it when the kernel allows no further thread
      return lacking(
          required,
          "no thread is to be had for it: " + e.getMessage(),
          "See ulimit -u, pids.max and kernel.threads-max.");
    }
    return ProtectionState.active(
        most.isPresent()
            ? "all of it is ended above " + MemorySize.format(most.getAsLong())
            : "its listener is told above " + MemorySize.format(limits.memoryHigh().getAsLong()));
  }

  private static ProtectionState lacking(boolean required, String why, String remedy)
      throws LaunchException {
    if (required) {
      throw new LaunchException(
          LaunchStep.PREPARE, 0, "the tree watch is required and cannot be had: " + why, remedy);
    }
    return ProtectionState.inactive(why);
  }

  /**
   * Begins to watch a child that was armed. The thread is woken only if the child could pass a
   * threshold before it would wake by itself.
   */
  void add(GuardedProcess process, Duration grace, Optional<MemoryEvents.Listening> listening) {
    Watched one = new Watched(process, grace, listening);
    launched.add(one);
    thread.wakeBy(one.gauge.due());
  }

  @Override
  public long tick(long now) {
    adopt();
    long wait = due(now) - now;
    if (watched.isEmpty() || wait > 0) {
      return watched.isEmpty() ? NEVER : wait;
    }
    trees.look();
    affordable = System.nanoTime() + PAUSE * (System.nanoTime() - now);
    watched.removeIf(this::isGone);
    watched.forEach(TreeWatch::judge);
    long after = System.nanoTime();
    return watched.isEmpty() ? NEVER : Math.max(0, due(after) - after);
  }

  /** Of a child that has ended already, only what it left behind can be found, by its mark. */
  private void adopt() {
    for (Watched one = launched.poll(); one != null; one = launched.poll()) {
      Optional<String> mark = one.process.mark();
      boolean ended = one.process.hasEnded();
      if (!ended || mark.isPresent()) {
        one.tree = trees.follow(ended ? NO_PID : one.process.pid(), mark);
        watched.add(one);
      }
    }
  }

  private long due(long now) {
    long due = now + TreeGauge.LONGEST_NANOS;
    for (Watched one : watched) {
      due = one.gauge.due() - due < 0 ? one.gauge.due() : due;
    }
    return affordable - due > 0 ? affordable : due;
  }

  private boolean isGone(Watched one) {
    boolean gone = one.tree.processes() == 0 && one.process.hasEnded();
    if (gone) {
      trees.forget(one.tree);
    }
    return gone;
  }

  private static void judge(Watched one) {
    TreeGauge.Judgement judgement = one.gauge.look(one.tree.residentBytes(), one.tree::measure);
    judgement.reading().ifPresent(reading -> act(one, judgement, reading));
  }

  private static void act(Watched one, TreeGauge.Judgement judgement, Reading reading) {
    if (judgement.high()) {
      one.listening.ifPresent(to -> to.tell(Kind.HIGH, OptionalLong.of(reading.bytes())));
    }
    switch (judgement.action()) {
      case NONE -> {}
      case END -> end(one, reading, one.grace);
      case KILL -> end(one, reading, Duration.ZERO);
    }
  }

  private static void end(Watched one, Reading reading, Duration grace) {
    Preemption preemption = preemption(one.process.limits(), reading);
    if (one.process.hasEnded()) {
      LOG.warn(
          "Child {} has ended, and what it left behind is ended for its memory: {}",
          one.process.pid(),
          preemption);
    }
    one.process.preempt(preemption, one.tree.members(), grace);
  }

  private static Preemption preemption(MemoryLimits limits, Reading reading) {
    return new Preemption(
        Preemption.Limit.TREE_MEMORY,
        limits.treeMemory().orElseThrow(),
        limits.treeMemoryMax().orElseThrow(),
        reading.bytes(),
        reading.bytes(),
        reading.processes(),
        switch (reading.source()) {
          case ROLLUP -> Preemption.Source.SMAPS_ROLLUP;
          case STATM -> Preemption.Source.STATM;
        });
  }

  @Override
  public void close() {
    trees.close();
  }
}
