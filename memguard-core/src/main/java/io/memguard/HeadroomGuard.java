package io.memguard;

import io.memguard.launch.LaunchException;
import io.memguard.launch.LaunchStep;
import io.memguard.limits.GuardOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.limits.Protection;
import io.memguard.limits.ProtectionState;
import io.memguard.limits.Requirement;
import io.memguard.limits.VictimPolicy;
import io.memguard.limits.VictimPolicy.Candidate;
import io.memguard.outcome.MemoryEvent.Kind;
import io.memguard.outcome.Preemption;
import io.memguard.platform.Elsewhere;
import io.memguard.platform.ThreadCpuTime;
import io.memguard.platform.cgroup.CgroupSearch;
import io.memguard.platform.cgroup.CgroupTable;
import io.memguard.platform.cgroup.Headroom;
import io.memguard.platform.cgroup.Machine;
import io.memguard.platform.cgroup.Pressure;
import io.memguard.platform.cgroup.Reserve;
import io.memguard.platform.procfs.ProcessTree;
import io.memguard.watch.LeafHints;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Keeps the container from running out of memory: when its head-room falls below the reserve, ends
 * one child, waits until that one's memory is back, and looks again.
 *
 * <p>It has no thread: {@link #tick} is called on {@link MemoryWatch}'s, when it asked to be, and
 * never waits. It looks the more often the less head-room there is: as often as the fastest
 * allocation could use up what is above the larger reserve; and seldom where nobody can be ended. A
 * victim is ended by the ward, which owns how; this only remembers whom it waits for. Children are
 * added on any thread. It owns the open files, and the hints that something happened at a limit,
 * until {@link #close}.
 */
final class HeadroomGuard implements MemoryWatch.Client {
  private static final Logger LOG = LoggerFactory.getLogger(HeadroomGuard.class);
  private static final long MIB = 1L << 20;

  private static final long LONGEST_NANOS = TimeUnit.SECONDS.toNanos(1);
  private static final long SHORTEST_NANOS = TimeUnit.MILLISECONDS.toNanos(1);

  /** A look takes no more than this part of the time, unless that would be too late. */
  private static final int COST_PART = 20;

  private static final long HIGHS_NANOS = TimeUnit.MILLISECONDS.toNanos(100);
  private static final long HELPLESS_NANOS = TimeUnit.MILLISECONDS.toNanos(50);
  private static final long LONGEST_FOR_COST_NANOS = TimeUnit.MILLISECONDS.toNanos(5);

  /** A large process takes seconds to give its memory back. */
  private static final long DYING_NANOS = TimeUnit.SECONDS.toNanos(10);

  /** Who holds less than this part of the larger reserve is no victim. */
  private static final int WORTH_THE_WHILE = 8;

  private final ProtectionState state;
  private final Headroom headroom;
  private final Pressure pressure;
  private final Runnable lookAtAll;
  private final VictimPolicy policy;
  private final MemoryEvents events;
  private final MemoryWatch thread;
  private final Optional<LeafHints> hints;
  private final List<LeafHints.Hint> hinting = new ArrayList<>();
  private final Set<Ward> wards = ConcurrentHashMap.newKeySet();
  private final HeadroomFall fall = new HeadroomFall();
  private Notice told = Notice.NONE;
  private @Nullable Choice choice;
  private @Nullable Ward dying;
  private final Set<Ward> stuck = new HashSet<>();
  private long dyingUntil;
  private long highsTold;
  private long highsRead;
  private boolean helpless;
  private long triesAgain;
  private int helplessWith;
  private CompletableFuture<Optional<Candidate>> asked =
      CompletableFuture.completedFuture(Optional.empty());
  private long due;
  private volatile boolean parked = true;
  private volatile boolean hinted;
  private volatile boolean listens;

  /** A child that may be ended. */
  interface Ward {
    long pid();

    /** Describes it to a policy, as it was when all were looked at last. */
    Candidate candidate();

    /** Ends it with its descendants, at once; must not wait. */
    void preempt(Preemption reading);

    /** Tells whether somebody is ending it already, and something of it is left. */
    boolean isEnding();

    /** Tells whether it has ended, and so have its descendants if they were ended too. */
    boolean isGone();

    /** Tells whether nothing of it lives any more, which may be noticed some seconds later. */
    boolean isForgotten();
  }

  private record Weighed(Ward ward, Candidate candidate) {}

  /**
   * What was read, and what is to be kept free now.
   *
   * @param reserve in bytes; more than the least while head-room falls fast
   */
  private record Case(Headroom.Reading reading, long reserve) {
    /** Returns what is missing, in bytes; 0 or less if nothing is. */
    long lacking() {
      return reserve - reading.bytes();
    }

    /** Returns how much a victim has to hold at least. */
    long worthTheWhile() {
      return reading.reserve().most() / WORTH_THE_WHILE;
    }
  }

  private enum Notice {
    NONE,
    LOW,
    CRITICAL
  }

  /** A policy of the user's that thinks. */
  private record Choice(
      CompletableFuture<Optional<Candidate>> answer, List<Weighed> weighed, long until) {
    List<Candidate> candidates() {
      return weighed.stream().map(Weighed::candidate).toList();
    }
  }

  HeadroomGuard(
      ProtectionState state,
      Headroom headroom,
      Pressure pressure,
      Runnable lookAtAll,
      VictimPolicy policy,
      MemoryEvents events,
      MemoryWatch thread,
      Optional<LeafHints> hints) {
    this.state = state;
    this.headroom = headroom;
    this.pressure = pressure;
    this.lookAtAll = lookAtAll;
    this.policy = policy;
    this.events = events;
    this.thread = thread;
    this.hints = hints;
  }

  /**
   * Makes one as asked for, on or off.
   *
   * @param lookAtAll finds out what all children hold, on the thread
   */
  static HeadroomGuard of(
      Machine machine,
      CgroupSearch search,
      GuardOptions options,
      Runnable lookAtAll,
      MemoryEvents events,
      MemoryWatch thread,
      Optional<LeafHints> hints) {
    Headroom headroom =
        new Headroom(
            machine,
            search,
            limit ->
                options.reserve().isPresent()
                    ? Reserve.exactly(options.reserve().getAsLong())
                    : Reserve.standard(limit));
    HeadroomGuard guard =
        new HeadroomGuard(
            state(options.headroomGuard(), search, headroom.look()),
            headroom,
            new Pressure(machine, search),
            lookAtAll,
            options.victimPolicy(),
            events,
            thread,
            hints);
    if (!guard.state.active()) {
      guard.close();
    }
    return guard;
  }

  private static ProtectionState state(
      GuardOptions.HeadroomGuard wanted, CgroupSearch search, Optional<Headroom.Reading> now) {
    if (wanted == GuardOptions.HeadroomGuard.OFF) {
      return ProtectionState.inactive(
          "switched off for this guard; HeadroomGuard.ON switches it on");
    }
    if (!TreeWatch.state().active()) {
      return TreeWatch.state();
    }
    if (now.isEmpty()) {
      return ProtectionState.inactive("the head-room can be read neither in a cgroup nor in /proc");
    }
    Reserve reserve = now.get().reserve();
    if (reserve.bytes() >= now.get().limit()) {
      return ProtectionState.inactive(
          "the reserve of %d MiB is as large as the limit of %s, %d MiB: choose a smaller one with GuardOptions.withReserve"
              .formatted(reserve.bytes() / MIB, now.get().setBy(), now.get().limit() / MIB));
    }
    Optional<String> groupKill = Headroom.groupKill(search);
    if (wanted == GuardOptions.HeadroomGuard.AUTO && groupKill.isEmpty()) {
      return ProtectionState.inactive(
          CgroupTable.groupKill(search).isPresent()
              ? "the limit at which this process is killed with its children cannot be seen from"
                  + " here, nor how much is left below it"
              : "off by itself: no limit that can be seen from here has this process killed with its"
                  + " children; HeadroomGuard.ON switches it on all the same");
    }
    return ProtectionState.active(
        "%s keeps %d MiB of %d MiB free%s%s"
            .formatted(
                now.get().setBy(),
                reserve.bytes() / MIB,
                now.get().limit() / MIB,
                reserve.most() > reserve.bytes()
                    ? ", " + reserve.most() / MIB + " MiB while it falls fast"
                    : "",
                groupKill.map(why -> ": " + why).orElse("")));
  }

  /** Returns whether children are ended when head-room is short, or why not. */
  ProtectionState state() {
    return state;
  }

  /**
   * Says whether a child may be ended, and if so, has the thread for it.
   *
   * @return empty if that needs no mention: nobody asked for it, and it is off
   * @throws LaunchException if it is required and impossible
   */
  Optional<ProtectionState> arm(MemoryLimits limits) throws LaunchException {
    Requirement wanted = limits.requirement(Protection.HEADROOM_GUARD);
    if (wanted == Requirement.OFF || (wanted == Requirement.PREFER && !state.active())) {
      return Optional.empty();
    }
    ProtectionState here = state.active() ? started() : state;
    if (wanted == Requirement.REQUIRE && !here.active()) {
      throw new LaunchException(
          LaunchStep.PREPARE,
          0,
          "the head-room guard is required and is not on: " + here.reason(),
          "Make the guard with GuardOptions.withHeadroomGuard(HeadroomGuard.ON), or only prefer"
              + " Protection.HEADROOM_GUARD.");
    }
    return Optional.of(here);
  }

  private ProtectionState started() {
    try {
      listen();
      thread.start();
      thread.awaitRehearsal(); // the first child may be the one that fills the container
      return state;
    } catch (OutOfMemoryError e) { // so Java calls it when the kernel allows no further thread
      return ProtectionState.inactive("no thread is to be had for it: " + e.getMessage());
    }
  }

  /** Without hints it looks when it is time to, and that is soon enough by itself. */
  private void listen() {
    if (!listens && hints.isPresent()) {
      listenOnce(hints.get());
    }
  }

  private synchronized void listenOnce(LeafHints source) {
    if (listens) {
      return;
    }
    listens = true;
    for (Path file : headroom.hints()) {
      try {
        hinting.add(source.modified(file, this::hint));
      } catch (IOException e) {
        LOG.debug("Nobody will say when {} changes: {}", file, e.getMessage());
      }
    }
  }

  /** Has it look now; something happened at a limit. Must not block. */
  void hint() {
    hinted = true;
    thread.wakeBy(System.nanoTime());
  }

  /**
   * Begins to look after a child that was armed, until nothing of it is left any more: what it
   * leaves behind can be what fills the container. Without a lock.
   */
  void add(Ward ward) {
    wards.add(ward);
    if (parked) {
      thread.wakeBy(System.nanoTime());
    }
  }

  @Override
  public void rehearse() {
    if (!state.active()) {
      return;
    }
    Candidate one = new Candidate(0, MemoryLimits.none(), 1, 1, Duration.ZERO, false);
    Candidate other = new Candidate(1, MemoryLimits.none(), 1, 1, Duration.ZERO, true);
    VictimPolicy.standard().choose(List.of(one, other));
    weigh();
    headroom.look().ifPresent(reading -> preemption(one, new Case(reading, 0)));
    new ProcessTree(ProcessHandle.current(), Optional.empty()).look();
    events.rehearse();
  }

  @Override
  public long tick(long now) {
    boolean wasParked = parked;
    parked = true;
    wards.removeIf(Ward::isForgotten);
    stuck.retainAll(wards);
    // Asked after that was said: see add. Whoever was told that it is low waits to hear that it is
    // not.
    if (wards.isEmpty() && dying == null) {
      if (told == Notice.NONE) {
        return NEVER;
      }
    } else {
      parked = false;
    }
    if (wasParked) { // what happened while nobody looked is no news
      highsTold = headroom.highEvents();
    }
    boolean wasHinted = hinted;
    hinted = false;
    if (!wasParked && !wasHinted && now - due < 0) {
      return due - now;
    }
    if (!wasParked) {
      fall.late(Math.max(0, now - due), now);
    }
    long next = look(now, wasHinted);
    due = now + next;
    return next;
  }

  private long look(long now, boolean wasHinted) {
    long began = ThreadCpuTime.nanos();
    long before = System.nanoTime();
    Optional<Headroom.Reading> reading = headroom.look();
    if (reading.isEmpty()) {
      return LONGEST_NANOS; // our cgroup was removed or unmounted under us
    }
    long readAt = now + System.nanoTime() - before;
    Case found = new Case(reading.get(), fall.reserve(reading.get(), readAt));
    tell(found);
    if (pressure.rose(now)) {
      events.tell(Kind.PRESSURE, reading.get().bytes());
    }
    if (wards.isEmpty() && dying == null) {
      return LONGEST_NANOS; // only to tell when it is back
    }
    boolean acting = act(found, now);
    if (now - highsRead >= (wasHinted ? HIGHS_NANOS : LONGEST_NANOS)) { // after what is urgent
      highsRead = now;
      tellHigh(reading.get());
    }
    return acting ? SHORTEST_NANOS : interval(reading.get(), ThreadCpuTime.nanos() - began);
  }

  /** Returns true if it has to look again very soon. */
  private boolean act(Case found, long now) {
    Headroom.Reading reading = found.reading;
    if (isDying(now)) {
      return true;
    }
    if (found.lacking() <= 0) {
      choice = null;
      helpless &= reading.bytes() < reading.reserve().most();
      return false;
    }
    if (helpless && now - triesAgain < 0 && wards.size() == helplessWith) {
      return false;
    }
    long began = ThreadCpuTime.nanos();
    List<Weighed> all = weigh();
    Optional<Weighed> ending = all.stream().filter(one -> isEnding(one, found)).findFirst();
    if (ending.isPresent()) { // its grace period is over, and nobody else has to go
      choice = null;
      end(ending.get(), found, now);
      return true;
    }
    Choice thinking = choice;
    if (thinking == null) {
      List<Weighed> weighed = worthTheWhile(all, found);
      if (weighed.isEmpty()) {
        tellHelpless(reading);
        helplessWith = wards.size();
        triesAgain = now + Math.min(HELPLESS_NANOS, COST_PART * (ThreadCpuTime.nanos() - began));
        return false;
      }
      thinking = ask(weighed, now);
      choice = thinking;
    }
    if (!thinking.answer.isDone() && now - thinking.until < 0) {
      return true;
    }
    choice = null;
    Optional<Candidate> victim = answer(thinking);
    for (Weighed one : thinking.weighed) {
      if (victim.isPresent() && one.candidate.equals(victim.get())) {
        end(one, found, now);
      }
    }
    return victim.isPresent();
  }

  /** Of one that exits nothing is shown any more, while the kernel still frees its memory. */
  private static boolean isEnding(Weighed one, Case found) {
    long bytes = one.candidate.bytes();
    return one.ward.isEnding() && (bytes == 0 || bytes >= found.worthTheWhile());
  }

  /** What a victim held may be back before it is gone, and then there is nobody to be chosen. */
  private boolean isDying(long now) {
    Ward victim = dying;
    if (victim == null) {
      return false;
    }
    boolean late = now - dyingUntil > 0;
    if (late) {
      LOG.warn(
          "pid {} was killed 10 seconds ago and has not ended: another one may have to",
          victim.pid());
    }
    if (late || victim.isGone()) {
      if (late) {
        stuck.add(victim);
      }
      dying = null;
      return true; // what was read may be older than its end
    }
    return true;
  }

  /** Those whose end would be enough; where nobody's is, all that hold memory worth the while. */
  private static List<Weighed> worthTheWhile(List<Weighed> weighed, Case found) {
    List<Weighed> all =
        weighed.stream().filter(one -> one.candidate.bytes() >= found.worthTheWhile()).toList();
    List<Weighed> enough =
        all.stream().filter(one -> one.candidate.bytes() >= found.lacking()).toList();
    return enough.isEmpty() ? all : enough;
  }

  private List<Weighed> weigh() {
    lookAtAll.run();
    return wards.stream()
        .filter(ward -> !stuck.contains(ward))
        .map(ward -> new Weighed(ward, ward.candidate()))
        .sorted(Comparator.comparingLong((Weighed one) -> one.candidate.bytes()).reversed())
        .toList();
  }

  /** The standard policy is asked here, any other one elsewhere: it may block. */
  private Choice ask(List<Weighed> weighed, long now) {
    List<Candidate> candidates = weighed.stream().map(Weighed::candidate).toList();
    // One that still thinks about the last case is not asked about this one.
    boolean here = policy == VictimPolicy.standard() || !asked.isDone();
    CompletableFuture<Optional<Candidate>> answer =
        here
            ? CompletableFuture.completedFuture(VictimPolicy.standard().choose(candidates))
            : CompletableFuture.supplyAsync(
                () -> Objects.requireNonNull(policy.choose(candidates), "it answered null"),
                Elsewhere::run);
    asked = here ? asked : answer;
    long patience = TimeUnit.MILLISECONDS.toNanos(VictimPolicy.PATIENCE_MILLIS);
    return new Choice(answer, weighed, now + patience);
  }

  private static Optional<Candidate> answer(Choice choice) {
    Function<String, Optional<Candidate>> instead =
        why -> {
          LOG.error("The victim policy {}; the standard one decides", why);
          return VictimPolicy.standard().choose(choice.candidates());
        };
    if (!choice.answer.isDone()) {
      return instead.apply("has not answered in " + VictimPolicy.PATIENCE_MILLIS + " ms");
    }
    Optional<Candidate> answer;
    try {
      answer = choice.answer.join();
    } catch (RuntimeException e) {
      return instead.apply("failed: " + e.getCause());
    }
    return answer.isEmpty() || choice.candidates().contains(answer.get())
        ? answer
        : instead.apply("chose a stranger, " + answer.get());
  }

  private void end(Weighed victim, Case found, long now) {
    Headroom.Reading reading = found.reading;
    victim.ward.preempt(preemption(victim.candidate, found));
    dying = victim.ward;
    dyingUntil = now + DYING_NANOS;
    LOG.info( // its end is told of as such
        "Ended pid {} and its descendants, {} processes that held {} MiB: {} had {} MiB left of {}",
        victim.candidate.pid(),
        victim.candidate.processes(),
        victim.candidate.bytes() / MIB,
        reading.setBy(),
        reading.bytes() / MIB,
        reading.limit() / MIB);
  }

  private static Preemption preemption(Candidate victim, Case found) {
    Headroom.Reading reading = found.reading;
    return new Preemption(
        Preemption.Limit.HEAD_ROOM,
        reading.limit(),
        reading.limit() - found.reserve,
        reading.limit() - reading.bytes(),
        victim.bytes(),
        victim.processes(),
        Preemption.Source.STAT);
  }

  private void tellHelpless(Headroom.Reading reading) {
    if (!helpless) {
      helpless = true;
      LOG.warn(
          "{} has {} MiB left of {}, and no child may be ended that holds memory worth the while",
          reading.setBy(),
          reading.bytes() / MIB,
          reading.limit() / MIB);
    }
  }

  /** Tells when it gets worse, and when all is well again; not every step back. */
  private void tell(Case found) {
    long bytes = found.reading.bytes();
    long most = found.reading.reserve().most();
    if (bytes >= 2 * most) {
      notice(Notice.NONE, Kind.HEADROOM_BACK, told != Notice.NONE, bytes);
    } else if (found.lacking() > 0) {
      notice(Notice.CRITICAL, Kind.HEADROOM_CRITICAL, told != Notice.CRITICAL, bytes);
    } else if (bytes < most + most / 2 && (told != Notice.CRITICAL || bytes >= most)) {
      notice(Notice.LOW, Kind.HEADROOM_LOW, told == Notice.NONE, bytes);
    }
  }

  private void tellHigh(Headroom.Reading reading) {
    long highs = headroom.highEvents();
    if (highs > highsTold) {
      events.tell(Kind.HIGH, reading.bytes());
    }
    highsTold = highs;
  }

  private void notice(Notice now, Kind kind, boolean isNew, long bytes) {
    told = now;
    if (isNew) {
      events.tell(kind, bytes);
    }
  }

  private static long interval(Headroom.Reading reading, long cost) {
    Reserve reserve = reading.reserve();
    long aboveMost = reading.bytes() - reserve.most();
    long room = aboveMost >= 0 ? aboveMost : Math.max(0, reading.bytes() - reserve.bytes());
    long shortest = Math.min(LONGEST_FOR_COST_NANOS, Math.max(SHORTEST_NANOS, cost * COST_PART));
    return Math.min(LONGEST_NANOS, Math.max(shortest, MemoryWatch.nanosToFill(room)));
  }

  @Override
  public synchronized void close() {
    listens = true; // and never will
    hinting.forEach(LeafHints.Hint::close);
    hinting.clear();
    headroom.close();
    pressure.close();
  }
}
