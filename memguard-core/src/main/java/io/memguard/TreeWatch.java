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
import io.memguard.platform.ThreadCpuTime;
import io.memguard.platform.cgroup.Machine;
import io.memguard.platform.procfs.PageAllocations;
import io.memguard.platform.procfs.ProcessTrees;
import io.memguard.platform.procfs.ProcessTrees.Reading;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.Consumer;
import java.util.function.Predicate;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Watches the memory of whole process trees, where no cgroup holds them: has the listener told of
 * those that pass their soft threshold, and ends those that pass their hard one. It knows what all
 * children hold that somebody has to look after, also those that have neither threshold.
 *
 * <p>A launch only leaves its child in a queue, without a lock. All else belongs to the {@link
 * MemoryWatch}'s thread: what is known of {@code /proc}, and each tree, from when it was taken from
 * the queue until nothing of it lives any more. That may be long after the child's own end.
 */
final class TreeWatch implements MemoryWatch.Client {
  private static final Logger LOG = LoggerFactory.getLogger(TreeWatch.class);

  private static final int MOST_TOGETHER = 100;
  private static final double NEARLY_DUE = -0.25;

  private final MemoryWatch thread;
  private final Predicate<Consumer<GuardedProcess>> rehearsal;
  private final ProtectionState state = state();
  private final Queue<Watched> launched = new ConcurrentLinkedQueue<>();
  private final Set<Watched> watched = new LinkedHashSet<>();
  private @Nullable Sources sources;
  private long affordable = System.nanoTime();
  private long judging;

  /** A child with its descendants; all that can change belongs to the thread. */
  static final class Watched {
    private final GuardedProcess process;
    private final MemoryLimits limits;
    private final Duration grace;
    private final Optional<MemoryEvents.Listening> listening;
    private final TreeGauge gauge;
    private ProcessTrees.@Nullable Tree tree;
    private boolean empty;
    private boolean gone;

    private Watched(
        GuardedProcess process,
        MemoryLimits limits,
        Duration grace,
        Optional<MemoryEvents.Listening> listening) {
      this.process = process;
      this.limits = limits;
      this.grace = grace;
      this.listening = listening;
      OptionalLong soft = listening.isPresent() ? limits.memoryHigh() : OptionalLong.empty();
      this.gauge =
          new TreeGauge(soft, limits.treeMemoryMax(), System::nanoTime, ThreadCpuTime::nanos);
    }

    private ProcessTrees.Tree tree() {
      return Objects.requireNonNull(tree, "before it was adopted");
    }

    /** Returns what it had resident at the last look, in bytes; shared pages may count twice. */
    long residentBytes() {
      return tree == null ? 0 : tree.residentBytes();
    }

    /** Returns how many processes it had at the last look. */
    int processes() {
      return tree == null ? 0 : tree.processes();
    }

    /** Returns those of them that still live. */
    Set<ProcessHandle> members() {
      return tree == null ? Set.of() : tree.members();
    }

    /** Tells whether nothing of it lives any more, as the last look has shown. */
    boolean isGone() {
      return gone;
    }
  }

  /** What is read; made when it is first needed. */
  private record Sources(ProcessTrees trees, PageAllocations allocations) {
    Sources() {
      this(new ProcessTrees(), new PageAllocations());
    }
  }

  /**
   * Makes one that watches nobody yet.
   *
   * @param rehearsal has a child ended that was started for that; false if none is to be had
   */
  TreeWatch(MemoryWatch thread, Predicate<Consumer<GuardedProcess>> rehearsal) {
    this.thread = thread;
    this.rehearsal = rehearsal;
  }

  /** Returns whether trees can be looked at here, or why not. */
  static ProtectionState state() {
    return Machine.here().showsOurPids()
        ? ProtectionState.active("looked at through /proc, where it has no cgroup of its own")
        : ProtectionState.inactive("/proc is of another pid namespace than this process");
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
    if (!state.active()) {
      return lacking(required, state.reason(), "Mount the /proc of this pid namespace.");
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
   * Begins to watch a child that was armed with these limits, or has none of them: then what it
   * holds is known, and nothing is done. The thread is woken only if the child could pass a
   * threshold before it would wake by itself.
   */
  Watched add(
      GuardedProcess process,
      MemoryLimits limits,
      Duration grace,
      Optional<MemoryEvents.Listening> listening) {
    Watched child = new Watched(process, limits, grace, listening);
    launched.add(child);
    thread.wakeBy(child.gauge.due());
    return child;
  }

  /** Looks at all of them, because somebody has to be chosen; on the thread. */
  void refresh() {
    Sources from = sources();
    adopt(from.trees);
    from.trees.look();
    watched.forEach(one -> one.empty &= one.tree().processes() == 0);
  }

  @Override
  public void rehearse() {
    Sources from = sources();
    from.allocations.bytes();
    if (!rehearsal.test(child -> rehearse(from, child))) {
      from.trees.look();
    }
    affordable = System.nanoTime(); // what it took to load classes is no measure
  }

  /** Has it found, measured and ended, whatever it has. */
  private void rehearse(Sources from, GuardedProcess process) {
    MemoryLimits limits = MemoryLimits.none().withTreeMemory(1);
    Watched one = new Watched(process, limits, Duration.ZERO, Optional.empty());
    try {
      launched.add(one);
      adopt(from.trees);
      from.trees.look();
      Reading all = one.tree().measure(Long.MAX_VALUE);
      TreeGauge.Judgement judgement =
          new TreeGauge(
                  OptionalLong.of(0), OptionalLong.of(0), System::nanoTime, ThreadCpuTime::nanos)
              .look(OptionalLong.empty(), all.bytes(), enough -> all);
      act(one, judgement);
    } finally {
      launched.remove(one);
      watched.remove(one);
      if (one.tree != null) {
        from.trees.forget(one.tree);
      }
    }
  }

  @Override
  public long tick(long now) {
    Sources from = sources();
    adopt(from.trees);
    if (!watched.isEmpty() && due(now) - now <= 0) {
      // What only asks the machine counts as well: whoever uses up his share of a busy CPU for that
      // has to wait for it when it matters.
      long began = ThreadCpuTime.nanos();
      judging = 0;
      look(from, now);
      affordable = System.nanoTime() + TreeGauge.pause(ThreadCpuTime.nanos() - began - judging);
    }
    long after = System.nanoTime();
    return watched.isEmpty() ? NEVER : Math.max(0, due(after) - after);
  }

  /** Of a child that has ended already, only what it left behind can be found, by its mark. */
  private void adopt(ProcessTrees trees) {
    for (Watched one = launched.peek(); one != null; one = launched.peek()) {
      Optional<String> mark = one.process.mark();
      boolean ended = one.process.hasEnded();
      one.gone = ended && mark.isEmpty();
      if (!one.gone) {
        one.tree = trees.follow(ended ? ProcessTrees.NO_PID : one.process.pid(), mark);
        watched.add(one);
      }
      launched.remove(); // last: what fails for want of memory is tried again
    }
  }

  private Sources sources() {
    Sources made = sources == null ? new Sources() : sources;
    sources = made;
    return made;
  }

  private long due(long now) {
    long due = now + TreeGauge.LONGEST_NANOS;
    for (Watched one : watched) {
      due = one.gauge.due() - due < 0 ? one.gauge.due() : due;
    }
    return affordable - due > 0 ? affordable : due;
  }

  private void look(Sources from, long now) {
    OptionalLong givenOut = from.allocations.bytes();
    from.trees.glance();
    int processes = 0;
    for (Watched one : watched) {
      processes += one.processes();
    }
    boolean any = false;
    for (Watched one : watched) { // all of them: it puts off those that can wait
      any |= one.gauge.isDue(now, givenOut, processes);
    }
    if (!any) {
      return;
    }
    Map<ProcessTrees.Tree, Watched> together = new LinkedHashMap<>();
    Set<ProcessTrees.Tree> ended = new HashSet<>();
    for (Watched one : latest(watched, each -> each.gauge.lateness(now))) {
      together.put(one.tree(), one);
      if (one.tree().processes() <= 1 && one.process.hasEnded()) {
        ended.add(one.tree());
      }
    }
    from.trees.look(
        together.keySet(),
        tree ->
            judge(
                from, Objects.requireNonNull(together.get(tree)), ended.contains(tree), givenOut));
  }

  /**
   * Returns whom to look at together: those that are due, or soon will be, so that those that were
   * started one after the other come to be looked at together; but no more than so many, lest
   * others wait long. Of those that are as late, who was started last is the most likely to be just
   * filling memory.
   *
   * @param trees in the order in which they were started
   * @param lateness as {@link TreeGauge#lateness} tells it
   */
  static <T> List<T> latest(Collection<T> trees, ToDoubleFunction<T> lateness) {
    List<T> all = new ArrayList<>();
    for (T one : trees) {
      if (lateness.applyAsDouble(one) >= NEARLY_DUE) {
        all.add(one);
      }
    }
    Collections.reverse(all);
    all.sort(Comparator.comparingDouble(one -> -lateness.applyAsDouble(one)));
    return all.size() <= MOST_TOGETHER ? all : all.subList(0, MOST_TOGETHER);
  }

  /**
   * Says what is to be done about one, now that it was read.
   *
   * @param ended true if the child itself had ended before
   */
  private void judge(Sources from, Watched one, boolean ended, OptionalLong givenOut) {
    ProcessTrees.Tree tree = one.tree();
    boolean empty = tree.processes() == 0 && ended;
    if (empty && one.empty) { // seen twice: whoever was in the middle of exec has been found
      from.trees.forget(tree);
      watched.remove(one);
      one.gone = true;
    } else {
      one.empty = empty;
      TreeGauge.Judgement judgement = one.gauge.look(givenOut, tree.residentBytes(), tree::measure);
      judging += judgement.took(); // it waits for that by itself, and the others need not
      act(one, judgement);
    }
  }

  private static void act(Watched one, TreeGauge.Judgement judgement) {
    Optional<Reading> reading = judgement.reading();
    if (judgement.high()) {
      OptionalLong bytes = OptionalLong.of(reading.orElseThrow().bytes());
      one.listening.ifPresent(to -> to.tell(Kind.HIGH, bytes));
    }
    switch (judgement.action()) {
      case NONE -> {}
      case END -> end(one, reading.orElseThrow(), one.grace);
      case KILL -> end(one, reading.orElseThrow(), Duration.ZERO);
    }
  }

  private static void end(Watched one, Reading reading, Duration grace) {
    GuardedProcess process = one.process;
    Preemption preemption = preemption(one.limits, reading);
    boolean ended = process.hasEnded();
    process.preempt(preemption, one.members(), grace);
    if (ended) {
      LOG.warn(
          "Child {} has ended, and what it left behind is ended for its memory: {}",
          process.pid(),
          preemption);
    }
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
          case FILES -> Preemption.Source.FD;
          case ROLLUP -> Preemption.Source.SMAPS_ROLLUP;
          case STAT -> Preemption.Source.STAT;
        });
  }

  @Override
  public void close() {
    if (sources != null) {
      sources.trees.close();
      sources.allocations.close();
    }
  }
}
