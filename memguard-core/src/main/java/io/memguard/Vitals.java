package io.memguard;

import io.memguard.launch.engine.LaunchPlan;
import io.memguard.limits.LaunchOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.limits.Protection;
import io.memguard.limits.ProtectionState;
import io.memguard.limits.Requirement;
import io.memguard.limits.ResourceLimit;
import io.memguard.limits.Rlimit;
import io.memguard.outcome.Evidence.Ending;
import io.memguard.outcome.WitnessRecord;
import io.memguard.platform.StandardInput;
import io.memguard.platform.ThreadCpuTime;
import io.memguard.platform.WitnessPage;
import io.memguard.platform.procfs.Activity;
import io.memguard.platform.procfs.ProcessTrees;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
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
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Looks now and then how children are that have a resource limit on memory: what they have of it,
 * where no witness will tell ({@link Sampler}), whether they hang since they were refused some
 * ({@link HangGauge}), and what their listeners are to be told of that.
 *
 * <p>A launch only leaves its child in a queue, without a lock, and not even that where a witness
 * watches, hangs are not to be ended, and nobody listens. All else belongs to the {@link
 * MemoryWatch}'s thread: what is known of {@code /proc}, and each child until it has ended. No
 * descriptor is held between two looks. What was sampled is handed to the child's {@link
 * Postmortem}, as one value. The witness's slot is the launch's, and only read: it says when it is
 * another's.
 */
final class Vitals implements MemoryWatch.Client {
  private static final Logger LOG = LoggerFactory.getLogger(Vitals.class);
  private static final int MOST_TOGETHER = 100;

  /** Who listens is told of a refusal within this time. */
  private static final long TELLING_NANOS = TimeUnit.SECONDS.toNanos(1);

  /** Whoever is in the last quarter of his time is looked at with those that are due. */
  private static final int SOON_PART = 4;

  private final MemoryWatch thread;
  private final ProtectionState state = TreeWatch.state();
  private final Queue<Followed> launched = new ConcurrentLinkedQueue<>();
  private final Set<Followed> followed = new LinkedHashSet<>();
  private @Nullable ProcessTrees trees;
  private long due = System.nanoTime();
  private long affordable = System.nanoTime();

  /** A child; all that can change belongs to the thread. */
  private static final class Followed {
    private final GuardedProcess process;
    private final Optional<WitnessPage.Slot> slot;
    private final Sampler sampler;
    private final Optional<HangGauge> gauge;
    private final Optional<MemoryEvents.Listening> listening;
    private final Duration grace;
    private final boolean maySample;
    private ProcessTrees.@Nullable Tree tree;
    private long due;
    private long interval;
    private boolean sampled;
    private long refusals;

    private Followed(
        GuardedProcess process,
        LaunchPlan plan,
        Optional<WitnessPage.Slot> slot,
        Optional<Duration> hangGrace,
        Optional<MemoryEvents.Listening> listening,
        boolean maySample,
        boolean watched) {
      this.process = process;
      this.slot = slot;
      this.listening = listening;
      this.maySample = maySample;
      this.sampler = new Sampler(soft(plan.limits(), Rlimit.DATA), soft(plan.limits(), Rlimit.AS));
      this.gauge = hangGrace.map(time -> new HangGauge(TimeUnit.NANOSECONDS.convert(time)));
      this.grace = plan.options().grace();
      putOff(System.nanoTime(), watched ? nextInterval() : sampler.interval());
    }

    private static OptionalLong soft(MemoryLimits limits, Rlimit resource) {
      ResourceLimit limit = limits.rlimits().get(resource);
      return limit != null && limits.armed(resource) && limit.soft() != ResourceLimit.UNLIMITED
          ? OptionalLong.of(limit.soft())
          : OptionalLong.empty();
    }

    private void putOff(long now, long nanos) {
      interval = nanos;
      due = now + nanos;
    }

    /**
     * Reads what the witness has noted so far.
     *
     * @return false if there is nothing to be looked at any more
     */
    private boolean isOfInterest() {
      if (process.hasEnded()) {
        return false;
      }
      if (slot.filter(WitnessPage.Slot::isQuiet).isPresent()) { // as nearly always
        sampled = false;
        refusals = 0;
        return isSlotOfInterest();
      }
      Optional<WitnessRecord> noted = slot.flatMap(WitnessPage.Slot::readNow);
      if (slot.isPresent() && noted.isEmpty()) {
        return false; // its slot was given back: it has ended since
      }
      sampled = maySample && noted.filter(WitnessRecord::attached).isEmpty();
      refusals = noted.map(Followed::refusals).orElse(0L);
      listening.ifPresent(to -> slot.ifPresent(room -> to.refused(room, false)));
      return sampled || isSlotOfInterest();
    }

    private boolean isSlotOfInterest() {
      return gauge.isPresent() || listening.isPresent();
    }

    /** Of memory, and of threads whose stack had no room: who waits for such a thread hangs. */
    private static long refusals(WitnessRecord noted) {
      return noted.refusals()
          + noted.threadWithoutRoom().map(process -> process.threadRefusals()).orElse(0L);
    }

    private boolean isSuspect() {
      return gauge.isPresent() && refusals > 0;
    }

    private long nextInterval() {
      long hang =
          gauge
              .map(it -> isSuspect() ? it.interval() : it.intervalBefore())
              .orElse(Sampler.LONGEST_NANOS);
      long slot = listening.isPresent() ? Math.min(hang, TELLING_NANOS) : hang;
      return sampled ? Math.min(sampler.interval(), slot) : slot;
    }
  }

  Vitals(MemoryWatch thread) {
    this.thread = thread;
  }

  /**
   * Begins to follow a child, if there is something to be known of it. Where no thread is to be had
   * for it, nothing is known, and no hang is ended.
   *
   * @param listening who is told what it is refused
   * @param unread true if nobody reads its output, or writes to its stdin if that is a pipe
   */
  void follow(
      GuardedProcess process,
      LaunchPlan plan,
      Witnesses.Preload preload,
      Optional<MemoryEvents.Listening> listening,
      boolean unread) {
    MemoryLimits limits = plan.limits();
    boolean limited = limits.armed(Rlimit.DATA) || limits.armed(Rlimit.AS);
    boolean maySample = limited && state.active();
    Optional<Duration> hangGrace =
        maySample && preload.slot().isPresent() ? hangGrace(plan, unread) : Optional.empty();
    Optional<MemoryEvents.Listening> told = preload.slot().flatMap(slot -> listening);
    boolean watched = preload.willAttach();
    boolean sampled = maySample && !watched;
    if (!sampled && hangGrace.isEmpty() && told.isEmpty()) {
      return;
    }
    try {
      thread.start();
    } catch (OutOfMemoryError e) { // so Java calls it when the kernel allows no further thread
      LOG.warn("No thread is to be had to look after pid {}: {}", process.pid(), e.getMessage());
      return;
    }
    Followed one = new Followed(process, plan, preload.slot(), hangGrace, told, maySample, watched);
    told.ifPresent(MemoryEvents.Listening::rehearse);
    launched.add(one);
    thread.wakeBy(one.due);
  }

  /** Returns how long it may hang, or empty for ever. */
  private static Optional<Duration> hangGrace(LaunchPlan plan, boolean unread) {
    return plan.options()
        .hangGrace()
        .or(
            () ->
                unread && !isSupervisor(plan) && !StandardInput.canBeFed(plan.stdin())
                    ? Optional.of(LaunchOptions.DEFAULT_HANG_GRACE)
                    : Optional.empty())
        .filter(grace -> grace.compareTo(LaunchOptions.NEVER) < 0);
  }

  /** It may have survived its worker's refusal, and wait for work. */
  private static boolean isSupervisor(LaunchPlan plan) {
    return plan.limits().requirement(Protection.WORKERS_FIRST) != Requirement.OFF;
  }

  @Override
  public void rehearse() {
    if (state.active()) {
      ProcessTrees from = trees();
      ProcessTrees.Tree own = from.follow(ProcessHandle.current().pid(), Optional.empty());
      new Sampler(OptionalLong.empty(), OptionalLong.empty()).look(own.peaks());
      new HangGauge(1).look(System.nanoTime(), 1, own.activity());
      from.forget(own);
    }
    MemoryEvents.rehearseRefusals();
  }

  @Override
  public long tick(long now) {
    for (Followed one = launched.peek(); one != null; one = launched.peek()) {
      followed.add(one);
      due = one.due - due < 0 || followed.size() == 1 ? one.due : due;
      launched.remove(); // last: what fails for want of memory is tried again
    }
    if (followed.isEmpty()) {
      return NEVER;
    }
    if (due - now <= 0 && affordable - now <= 0) {
      long began = ThreadCpuTime.nanos();
      look(now);
      affordable = System.nanoTime() + TreeGauge.pause(ThreadCpuTime.nanos() - began);
    }
    long next = affordable - due > 0 ? affordable : due;
    return followed.isEmpty() ? NEVER : Math.max(0, next - System.nanoTime());
  }

  private ProcessTrees trees() {
    ProcessTrees made = trees == null ? new ProcessTrees() : trees;
    trees = made;
    return made;
  }

  private void look(long now) {
    Map<ProcessTrees.Tree, Followed> together = new LinkedHashMap<>();
    for (Followed one : latest(now)) {
      if (!one.isOfInterest()) {
        forget(one);
      } else if (one.sampled || one.isSuspect()) {
        together.put(tree(one), one);
      } else {
        one.putOff(now, one.nextInterval());
      }
    }
    if (!together.isEmpty()) {
      trees()
          .look(
              together.keySet(),
              tree -> look(Objects.requireNonNull(together.get(tree)), tree, now));
    }
    due = now + Sampler.LONGEST_NANOS;
    for (Followed one : followed) {
      due = one.due - due < 0 ? one.due : due;
    }
  }

  /** Returns whom to look at together; no more than so many, lest other clients wait long. */
  private List<Followed> latest(long now) {
    List<Followed> all = new ArrayList<>();
    for (Followed one : followed) {
      if (one.due - now <= one.interval / SOON_PART) {
        all.add(one);
      }
    }
    all.sort(Comparator.comparingLong(one -> one.due - now));
    return all.size() <= MOST_TOGETHER ? all : all.subList(0, MOST_TOGETHER);
  }

  private ProcessTrees.Tree tree(Followed one) {
    ProcessTrees.Tree made =
        one.tree == null ? trees().follow(one.process.pid(), one.process.mark()) : one.tree;
    one.tree = made;
    return made;
  }

  private void look(Followed one, ProcessTrees.Tree tree, long now) {
    if (tree.processes() > 0) {
      if (one.sampled) {
        one.sampler.look(tree.peaks()).ifPresent(one.process::sampled);
      }
      if (one.isSuspect() && hangs(one.gauge.orElseThrow(), one, tree, now)) {
        end(one);
        return;
      }
    }
    one.putOff(now, one.nextInterval());
  }

  private static boolean hangs(HangGauge gauge, Followed one, ProcessTrees.Tree tree, long now) {
    Activity activity = tree.activity();
    if (!gauge.look(now, one.refusals, activity)) {
      return false;
    }
    if (tree.mayGoOn()) {
      gauge.startAfresh(activity);
      return false;
    }
    return true;
  }

  private void end(Followed one) {
    boolean lives = !one.process.hasEnded(); // or what it left behind waits: its own matter
    if (lives) {
      one.process.beginToEnd(Ending.HUNG, one.grace);
    }
    forget(one);
    if (lives) {
      LOG.info( // its end is told of as such
          "Child {} was refused memory and has done nothing since: it is ended", one.process.pid());
    }
  }

  private void forget(Followed one) {
    followed.remove(one);
    if (one.tree != null) {
      trees().forget(one.tree);
    }
  }

  @Override
  public void close() {
    if (trees != null) {
      trees.close();
    }
  }
}
