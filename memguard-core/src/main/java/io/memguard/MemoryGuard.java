package io.memguard;

import io.memguard.diagnose.Catalogue;
import io.memguard.events.WhatNext;
import io.memguard.launch.LaunchException;
import io.memguard.launch.LaunchStep;
import io.memguard.launch.engine.LaunchPlan;
import io.memguard.limits.EffectiveLimit;
import io.memguard.limits.GuardOptions;
import io.memguard.limits.LaunchOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.limits.MemorySource.Reservation;
import io.memguard.limits.Protection;
import io.memguard.limits.ProtectionState;
import io.memguard.limits.Requirement;
import io.memguard.outcome.Outcome;
import io.memguard.outcome.Signal;
import io.memguard.platform.Linux;
import io.memguard.platform.OwnLimits;
import io.memguard.platform.WitnessPage;
import io.memguard.platform.cgroup.CgroupFinder;
import io.memguard.platform.cgroup.CgroupSearch;
import io.memguard.platform.cgroup.EffectiveLimits;
import io.memguard.platform.cgroup.Machine;
import io.memguard.platform.jfr.Recorder;
import io.memguard.platform.kernellog.OomVictims;
import io.memguard.platform.procfs.ProcessTree;
import io.memguard.platform.survey.Survey;
import io.memguard.platform.systemd.OwnUnit;
import io.memguard.recover.PoolOptions;
import io.memguard.recover.RetryPolicy;
import io.memguard.recover.WorkerPool;
import java.io.IOException;
import java.time.Duration;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.Consumer;
import java.util.function.IntSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Starts child processes under memory limits, watches them, and tells how they ended.
 *
 * <pre>{@code
 * try (MemoryGuard guard = MemoryGuard.create()) {
 *   ProcessBuilder job = new ProcessBuilder("python3", "job.py");
 *   guard.run(job, MemoryLimits.of("512MiB"),
 *           RetryPolicy.onOutOfMemory().maxAttempts(4).growBy(2.0).upTo("4GiB"))
 *       .orThrow();
 * }
 * }</pre>
 *
 * <p>Safe to share between threads, and one an application is enough. It has one thread however
 * many children there are, and others where they are needed: one for children whose memory it has
 * to look at, one that tells listeners, one that starts children that are to die with this JVM, and
 * one for each tree while that is being ended. The portable engine has threads for each child
 * besides.
 *
 * <p>A child is made by clone(2) or clone3(2); its limits are set by prlimit(2), before execve(2);
 * that it has ended is heard by epoll(7) on its pidfd, and how by waitid(2).
 *
 * <p>The native engine is used where it can be loaded, else the portable one; {@link #capabilities}
 * tells which, and why. The system property {@value #ENGINE_PROPERTY} forces one of them: {@code
 * native} or {@code portable}.
 */
public final class MemoryGuard implements AutoCloseable {
  /**
   * The system property that forces an engine: {@code native}, {@code portable}, or {@code auto},
   * the default.
   */
  public static final String ENGINE_PROPERTY = "memguard.engine";

  private static final int CLOSING_GRACE_SECONDS = 5;
  private static final Duration CLOSING_GRACE = Duration.ofSeconds(CLOSING_GRACE_SECONDS);
  private static final Duration SYSTEMD_PATIENCE = Duration.ofSeconds(10);
  private static final Logger LOG = LoggerFactory.getLogger(MemoryGuard.class);
  private static final List<String> PORTABLE_LIMITATIONS =
      List.of(
          "exit(128+n) and death by signal n cannot be told apart",
          "CPU time and peak memory of a child are unknown",
          "what happens to a child's memory is told to its listener when the child has ended",
          "a child cannot get a process group of its own, or be made to die with the parent",
          "the program's argv[0] is its full path",
          "a child may have SIGQUIT blocked and signals 32 and 33 ignored, as the JDK's children do",
          "the shell in front drops variables it has no name for (my.var), and sets PWD",
          "a program whose interpreter is missing starts, and exits with 127",
          "evidence has of a pipe only what the caller had read when the child ended",
          "a reader of a pipe that a grandchild holds can hold up waitFor too");

  private final Engine engine;
  private final String engineReason;
  private final Witnesses witnesses;
  private final Enforcement enforcement;
  private final Machine machine;
  private final CgroupSearch search;
  private final OwnUnit unit;
  private final Leaves leaves;
  private final OomCounters counters;
  private final OomVictims victims;
  private final MemoryEvents events;
  private final Announcer announcer;
  private final MemoryWatch memoryWatch = new MemoryWatch();
  private final TreeWatch treeWatch;
  private final Vitals vitals = new Vitals(memoryWatch);
  private final LiveMemory liveMemory;
  private final HeadroomGuard headroom;
  private final Catalogue catalogue;
  private final Admission admission = new Admission();
  private final Set<GuardedProcess> living = ConcurrentHashMap.newKeySet();
  private final IntSupplier howManyLive = living::size; // others refer to it weakly
  private final ReadWriteLock lifecycle = new ReentrantReadWriteLock();
  private boolean closed;

  private MemoryGuard(
      Engine engine,
      String engineReason,
      Witnesses witnesses,
      Machine machine,
      GuardOptions options) {
    this.engine = engine;
    this.engineReason = engineReason;
    this.witnesses = witnesses;
    this.enforcement =
        new Enforcement(witnesses.trial(), witnesses.untried(), OwnLimits.oomScoreAdj());
    this.machine = machine;
    search = CgroupFinder.findOwn(machine);
    unit = new OwnUnit(machine, path(), SYSTEMD_PATIENCE);
    this.leaves = Leaves.look(search);
    this.counters = new OomCounters(machine, search);
    this.victims =
        isNative()
            ? OomVictims.open(search)
            : OomVictims.unknown("the portable engine does not read it");
    Recorder recorder = Recorder.find();
    this.events = new MemoryEvents(engine.hints(), victims, options.listeners(), recorder);
    this.announcer = new Announcer(events, recorder);
    this.treeWatch = new TreeWatch(memoryWatch, this::rehearse);
    this.liveMemory = new LiveMemory(machine, search);
    this.headroom =
        HeadroomGuard.of(
            machine, search, options, treeWatch::refresh, events, memoryWatch, engine.hints());
    this.catalogue = Catalogue.with(options.rules());
    memoryWatch.add(headroom); // it has least time
    memoryWatch.add(treeWatch);
    memoryWatch.add(vitals);
    events.opened(howManyLive);
  }

  /**
   * Makes a guard.
   *
   * @return the guard
   * @throws IllegalStateException if the native engine is forced and cannot be loaded; the message
   *     says why and what to do
   * @throws IllegalArgumentException if the property {@value #ENGINE_PROPERTY} names no engine
   */
  public static MemoryGuard create() {
    return create(GuardOptions.defaults());
  }

  /**
   * Makes a guard that keeps the container from running out of memory, or has listeners.
   *
   * @param options what it does besides starting children
   * @return the guard
   * @throws IllegalStateException if the native engine is forced and cannot be loaded; the message
   *     says why and what to do
   * @throws IllegalArgumentException if the property {@value #ENGINE_PROPERTY} names no engine
   */
  public static MemoryGuard create(GuardOptions options) {
    return create(Machine.here(), options);
  }

  /**
   * Makes a guard that takes another machine's files for those of the one it runs on.
   *
   * @param machine where cgroups are looked for
   */
  static MemoryGuard create(Machine machine, GuardOptions options) {
    Objects.requireNonNull(options, "options");
    String wanted = System.getProperty(ENGINE_PROPERTY, "auto");
    return switch (wanted) {
      case "portable" -> portable("-D" + ENGINE_PROPERTY + "=portable", machine, options);
      case "native", "auto" -> nativeOrPortable(wanted.equals("native"), machine, options);
      default ->
          throw new IllegalArgumentException(
              "-D"
                  + ENGINE_PROPERTY
                  + "="
                  + wanted
                  + " names no engine; it is one of auto, native, portable");
    };
  }

  /**
   * Makes room for children's cgroups where there is none, before a guard is made. On cgroup v2 a
   * cgroup that hands the memory controller to others below it may hold no process itself, so this
   * moves <em>all processes of this process's own cgroup</em> into one named {@code supervisor}
   * below it, and enables the memory and pids controllers for what else will be there. memguard
   * does that nowhere unless this is called: an application that has a container, a service or a
   * scope to itself calls it at its start.
   *
   * <p>All of it or nothing: if it fails, everything is as before, or the message says what could
   * not be undone. Where there is room already it does nothing, so it may be called again, by any
   * number of processes at once: one of them works, with {@code cgroup.threads} locked (fcntl(2)),
   * and the others find it done.
   *
   * <p>On cgroup v1 there is nothing to do. It fails where cgroups are read-only, as containers
   * usually have them, and where the system property {@code memguard.cgroup.leaf=off} forbids
   * leaves. A systemd unit's cgroup that was not delegated is systemd's, though root may write it:
   * there, use {@link PrepareOptions#withSystemdScope}, without which that cgroup is changed.
   *
   * @param options what to do besides
   * @return what was done, a line each; none if there was nothing to do
   * @throws IOException if it is impossible here; the message says why, and what helps
   * @see <a
   *     href="https://docs.kernel.org/admin-guide/cgroup-v2.html#no-internal-process-constraint">
   *     the kernel's rule</a>
   */
  public static List<String> prepare(PrepareOptions options) throws IOException {
    return Preparation.make(options);
  }

  private static MemoryGuard nativeOrPortable(
      boolean forced, Machine machine, GuardOptions options) {
    try {
      Linux.load();
      Engine engine = new NativeEngine();
      try {
        return new MemoryGuard(
            engine, "the native library was loaded", Witnesses.probe(engine), machine, options);
      } catch (LaunchException | RuntimeException | Error e) {
        engine.close();
        throw e;
      }
    } catch (IOException e) {
      if (forced) {
        throw new IllegalStateException(
            "The native engine is forced and cannot be used: " + e.getMessage(), e);
      }
      LOG.warn("Using the portable engine: {}", e.getMessage());
      return portable(String.valueOf(e.getMessage()), machine, options);
    }
  }

  private static MemoryGuard portable(String reason, Machine machine, GuardOptions options) {
    Engine engine = new PortableEngine();
    Witnesses witnesses;
    try {
      witnesses = Witnesses.probe(engine);
    } catch (LaunchException e) {
      witnesses = Witnesses.none("a probe child could not be started: " + e.getMessage());
    }
    return new MemoryGuard(engine, reason, witnesses, machine, options);
  }

  /**
   * Runs a child to its end. Its stdin is empty unless redirected; what it writes to a pipe is read
   * and thrown away, but for the last few KiB, which are in the outcome's evidence. If it is
   * refused memory and then does nothing for 30 seconds, it is ended, as {@link
   * LaunchOptions#withHangGrace} says.
   *
   * @param job what to run; it is not changed
   * @param limits what it may use
   * @return how it ended
   * @throws LaunchException if it could not be started, or this guard is closed
   * @throws InterruptedException if this thread was interrupted; the child and its descendants are
   *     ended then
   */
  public Outcome run(ProcessBuilder job, MemoryLimits limits)
      throws LaunchException, InterruptedException {
    return run(job, limits, LaunchOptions.defaults());
  }

  /**
   * Runs a child to its end, and again with more memory as the policy says. What a listener of the
   * policy throws, this throws.
   *
   * @param job what to run; it is not changed
   * @param limits what the first attempt may use
   * @param retry what to do when it failed
   * @return how the last attempt ended, with the earlier ones in it
   * @throws LaunchException if an attempt could not be started, or this guard is closed
   * @throws InterruptedException if this thread was interrupted; the child and its descendants are
   *     ended then
   */
  public Outcome run(ProcessBuilder job, MemoryLimits limits, RetryPolicy retry)
      throws LaunchException, InterruptedException {
    return run(job, limits, LaunchOptions.defaults(), retry);
  }

  /**
   * Runs a child to its end, and again with more memory as the policy says. What a listener of the
   * policy throws, this throws.
   *
   * @param job what to run; it is not changed
   * @param limits what the first attempt may use
   * @param options how each attempt lives
   * @param retry what to do when it failed
   * @return how the last attempt ended, with the earlier ones in it
   * @throws LaunchException if an attempt could not be started, or this guard is closed
   * @throws InterruptedException if this thread was interrupted; the child and its descendants are
   *     ended then
   */
  public Outcome run(
      ProcessBuilder job, MemoryLimits limits, LaunchOptions options, RetryPolicy retry)
      throws LaunchException, InterruptedException {
    LaunchOptions each = retry.triesAgain() ? options.withRetryable(true) : options;
    AtomicReference<Announcer.@Nullable Launch> latest = new AtomicReference<>();
    AtomicInteger attempts = new AtomicInteger();
    return retry.execute(
        limits,
        attemptLimits -> {
          Announcer.Launch launch =
              announcer.deciding(job, attemptLimits, each, attempts.incrementAndGet());
          latest.set(launch);
          return run(job, attemptLimits, each, launch);
        },
        attempt -> Objects.requireNonNull(latest.get()).ended(attempt));
  }

  /**
   * Runs a child to its end.
   *
   * @param job what to run; it is not changed
   * @param limits what it may use
   * @param options how it lives
   * @return how it ended
   * @throws LaunchException if it could not be started, or this guard is closed
   * @throws InterruptedException if this thread was interrupted; the child and its descendants are
   *     ended then
   */
  public Outcome run(ProcessBuilder job, MemoryLimits limits, LaunchOptions options)
      throws LaunchException, InterruptedException {
    Announcer.Launch launch = announcer.deciding(job, limits, options, 1);
    Outcome outcome;
    try {
      outcome = run(job, limits, options, launch);
    } catch (LaunchException e) {
      launch.failed(e, WhatNext.NOTHING);
      throw e;
    }
    launch.ended(outcome);
    return outcome;
  }

  /** Runs it; who calls this decides what is next, and says so, unless it is interrupted. */
  private Outcome run(
      ProcessBuilder job, MemoryLimits limits, LaunchOptions options, Announcer.Launch launch)
      throws LaunchException, InterruptedException {
    GuardedProcess process = launch(job, limits, options, true, launch);
    try {
      return process.awaitSettled();
    } catch (InterruptedException e) {
      try {
        launch.ended(process.destroyTree(options.grace()).join());
      } catch (RuntimeException | Error trouble) {
        process.whenEnded(launch::abandoned);
        e.addSuppressed(trouble);
      }
      throw e;
    } catch (RuntimeException | Error e) {
      process.whenEnded(launch::abandoned);
      throw e;
    }
  }

  /**
   * Starts a child.
   *
   * @param job what to start; it is not changed
   * @param limits what it may use
   * @return the running child
   * @throws LaunchException if it could not be started, or this guard is closed; nothing of it is
   *     left then
   */
  public GuardedProcess start(ProcessBuilder job, MemoryLimits limits) throws LaunchException {
    return start(job, limits, LaunchOptions.defaults());
  }

  /**
   * Starts a child.
   *
   * @param job what to start; it is not changed
   * @param limits what it may use
   * @param options how it lives
   * @return the running child
   * @throws LaunchException if it could not be started, this guard is closed, or this thread was
   *     interrupted while it waited for its part of a budget, and is marked so again; nothing of it
   *     is left then
   */
  public GuardedProcess start(ProcessBuilder job, MemoryLimits limits, LaunchOptions options)
      throws LaunchException {
    return start(job, limits, options, announcer.onItsOwn(job, limits, options));
  }

  private GuardedProcess start(
      ProcessBuilder job, MemoryLimits limits, LaunchOptions options, Announcer.Launch launch)
      throws LaunchException {
    try {
      return launch(job, limits, options, false, launch);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      LaunchException reason =
          new LaunchException(
              LaunchStep.BUDGET,
              0,
              "this thread was interrupted while it waited",
              "Do not interrupt it, or start the child later.");
      launch.failed(reason, WhatNext.NOTHING);
      throw reason;
    } catch (LaunchException e) {
      launch.failed(e, WhatNext.NOTHING);
      throw e;
    }
  }

  /**
   * Opens a pool of worker processes. Close it before this guard.
   *
   * @param worker the program that each runs; it is started whenever a worker is needed, so it must
   *     not be changed as long as the pool is open
   * @param limits what each may use at first
   * @param options how the pool works
   * @return the pool; its workers start at once
   * @throws IllegalArgumentException if the worker's stdin or stdout is redirected, or its stderr
   *     into its stdout: they are the pool's; or if the workers do not fit into their budget
   */
  public WorkerPool pool(ProcessBuilder worker, MemoryLimits limits, PoolOptions options) {
    if (!worker.redirectInput().equals(ProcessBuilder.Redirect.PIPE)
        || !worker.redirectOutput().equals(ProcessBuilder.Redirect.PIPE)
        || worker.redirectErrorStream()) {
      throw new IllegalArgumentException(
          "a pool talks to its workers through stdin and stdout; redirect stderr alone, "
              + "and not into stdout");
    }
    worker.environment(); // made when it is first asked for, which several threads would do at once
    LaunchOptions patient =
        options
            .launch()
            .budget()
            .map(budget -> options.launch().withBudget(budget.source()))
            .orElse(options.launch());
    LaunchOptions each = patient.withRetryable(true); // its task can be tried again
    GuardedPool pool =
        new GuardedPool(
            worker.command(),
            announcer.recorder(),
            options.listener(),
            memory -> {
              Announcer.Launch launch = announcer.deciding(worker, memory, each, 1);
              return new GuardedPool.Started(start(worker, memory, each, launch), launch);
            });
    return WorkerPool.open(pool, limits, options.withListener(pool));
  }

  private GuardedProcess launch(
      ProcessBuilder job,
      MemoryLimits limits,
      LaunchOptions options,
      boolean unread,
      Announcer.Launch launch)
      throws LaunchException, InterruptedException {
    Objects.requireNonNull(job, "job");
    Objects.requireNonNull(limits, "limits");
    Objects.requireNonNull(options, "options");
    LaunchPlan plan = LaunchPlan.of(job, limits, options);
    Reservation memory = admission.admit(plan); // may wait, so without the lock that close needs
    lifecycle.readLock().lock(); // many launches at a time, but none while the guard closes
    try {
      return launch(plan, memory, unread, launch);
    } finally {
      lifecycle.readLock().unlock();
    }
  }

  /** What was started, and what is needed to look after it. */
  private record Started(
      GuardedProcess process,
      LaunchPlan plan,
      Witnesses.Preload preload,
      Optional<MemoryEvents.Listening> listening,
      long began) {}

  private GuardedProcess launch(
      LaunchPlan asked, Reservation memory, boolean unread, Announcer.Launch launch)
      throws LaunchException {
    Started started;
    try {
      if (closed) {
        throw closedGuard();
      }
      started = begin(asked, memory, unread, launch);
    } catch (LaunchException | RuntimeException | Error e) {
      memory.close();
      throw e;
    }
    GuardedProcess process = started.process;
    living.add(process);
    process.whenEnded(() -> living.remove(process));
    try {
      lookAfter(started, unread);
    } catch (RuntimeException | Error e) { // nobody would end it when it is time
      process.destroyForcibly();
      process.whenEnded(launch::abandoned);
      throw e;
    }
    return process;
  }

  static LaunchException closedGuard() {
    return new LaunchException(
        LaunchStep.PREPARE,
        0,
        "the guard is closed",
        "Keep it open as long as children are to be started.");
  }

  private Started begin(
      LaunchPlan asked, Reservation memory, boolean unread, Announcer.Launch launch)
      throws LaunchException {
    launch.begins();
    Tuning.Tuned tuned = tuned(asked.limitedTo(enforcement.applicable(asked.limits())));
    LaunchPlan plan = tuned.plan();
    Postmortem.Files files = Postmortem.Files.of(plan);
    long began = System.nanoTime();
    Postmortem.Kernel kernel = Postmortem.Kernel.before(counters, victims);
    Leaves.Lease lease = leaves.arm(plan.limits());
    boolean listened = events.areWanted(plan.options().memoryListener());
    Witnesses.Preload preload = Witnesses.Preload.none("not prepared yet");
    Optional<MemoryEvents.Listening> listening = Optional.empty();
    Optional<Child> launched = Optional.empty();
    try {
      lease.leaf().ifPresent(leaf -> counters.leafWasMade());
      preload = witnesses.arm(asked);
      Optional<ProtectionState> workersFirst = workersFirst(asked.limits(), preload);
      if (workersFirst.filter(ProtectionState::active).isPresent()) {
        plan = plan.limitedTo(enforcement.belowWorkers(plan.limits()));
      }
      boolean lookedAt = isLookedAt(plan.limits(), lease.leaf().isPresent(), listened);
      preload = lookedAt ? preload.marking() : preload;
      if (mustBeWatched(plan.limits())) {
        watched(plan.limits(), lease, listened); // refused before anything is started
      }
      Child child = engine.launch(plan, preload, lease, unread);
      launched = Optional.of(child);
      lease.verify(child, isNative()); // after which it may be without a leaf
      Map<Protection, ProtectionState> inForce =
          enforcement.inForce(asked.limits(), child.protections());
      inForce.putAll(watched(plan.limits(), lease, listened));
      workersFirst.ifPresent(state -> inForce.put(Protection.WORKERS_FIRST, state));
      try {
        listening = listen(plan, lease, child);
      } catch (OutOfMemoryError e) { // no thread is to be had on which listeners could run
        throw new LaunchException(
            LaunchStep.WATCH, 0, String.valueOf(e.getMessage()), Engine.MORE_THREADS);
      }
      launch.started(child.pid()); // before anything else is told of it; what may fail comes before
      listening.ifPresent(MemoryEvents.Listening::begin);
      Postmortem postmortem =
          new Postmortem(
              asked,
              preload,
              lease,
              inForce,
              listening,
              child,
              files,
              kernel,
              catalogue,
              tuned.set(),
              began);
      GuardedProcess process =
          new GuardedProcess(
              child, postmortem, asked.limits(), memory, launch::endedByItself, liveMemory::of);
      return new Started(process, plan, preload, listening, began);
    } catch (LaunchException | RuntimeException | Error e) {
      Optional<String> mark = preload.mark();
      launched.ifPresent(child -> endUnknown(child, mark));
      listening.ifPresent(MemoryEvents.Listening::stop);
      preload.release();
      lease.release();
      throw e;
    }
  }

  /** Of a child that nobody will know of, nothing is left. */
  private static void endUnknown(Child child, Optional<String> mark) {
    try {
      child.handle().ifPresent(handle -> new ProcessTree(handle, mark).kill());
    } finally {
      child.signal(Signal.KILL);
    }
  }

  /** Nobody is told of more than there is around the child. */
  private Tuning.Tuned tuned(LaunchPlan plan) {
    return Tuning.tune(
        plan,
        () -> witnesses.fileOf(plan),
        () ->
            EffectiveLimits.of(machine, search)
                .max()
                .map(EffectiveLimit::bytes)
                .orElse(Long.MAX_VALUE));
  }

  /**
   * Has its descendants put before the child, if that is asked for.
   *
   * @return empty if it is not
   * @throws LaunchException if it is required and cannot be had
   */
  private Optional<ProtectionState> workersFirst(MemoryLimits asked, Witnesses.Preload preload)
      throws LaunchException {
    if (asked.requirement(Protection.WORKERS_FIRST) == Requirement.OFF) {
      return Optional.empty();
    }
    ProtectionState state = enforcement.armWorkersFirst(asked, preload.stateInTheChild());
    if (state.active()) {
      preload.slot().ifPresent(WitnessPage.Slot::putWorkersFirst);
    }
    return Optional.of(state);
  }

  /**
   * Says how the child's memory is watched, and has the thread for it.
   *
   * @throws LaunchException if what is required cannot be had
   */
  private Map<Protection, ProtectionState> watched(
      MemoryLimits limits, Leaves.Lease lease, boolean listened) throws LaunchException {
    Map<Protection, ProtectionState> states = new EnumMap<>(Protection.class);
    ProtectionState tree = treeWatch.arm(limits, lease.leaf().isPresent(), listened);
    if (limits.requirement(Protection.TREE_WATCH) != Requirement.OFF) {
      states.put(Protection.TREE_WATCH, tree);
    }
    headroom.arm(limits).ifPresent(state -> states.put(Protection.HEADROOM_GUARD, state));
    return states;
  }

  /** Tells whether its tree may have to be known: then those who leave it need a mark. */
  private boolean isLookedAt(MemoryLimits limits, boolean inLeaf, boolean listened) {
    Requirement watch = limits.requirement(Protection.TREE_WATCH);
    boolean any =
        limits.treeMemoryMax().isPresent() || (listened && limits.memoryHigh().isPresent());
    return (any && (watch == Requirement.REQUIRE || (watch == Requirement.PREFER && !inLeaf)))
        || mayBeEndedForOthers(limits);
  }

  private boolean mayBeEndedForOthers(MemoryLimits limits) {
    return headroom.state().active()
        && limits.requirement(Protection.HEADROOM_GUARD) != Requirement.OFF;
  }

  /** Also where it may fill the container at once: all is to be ready for that. */
  private boolean mustBeWatched(MemoryLimits limits) {
    return limits.requirement(Protection.TREE_WATCH) == Requirement.REQUIRE
        || limits.requirement(Protection.HEADROOM_GUARD) == Requirement.REQUIRE
        || mayBeEndedForOthers(limits);
  }

  /** Only where everybody dies if it is late: it takes tens of milliseconds. */
  private boolean rehearse(Consumer<GuardedProcess> end) {
    return headroom.state().active() && new Rehearsal(engine, witnesses, machine, search).with(end);
  }

  /** Has the child's memory and its time watched. */
  private void lookAfter(Started started, boolean unread) {
    GuardedProcess process = started.process;
    LaunchOptions options = started.plan.options();
    Map<Protection, ProtectionState> inForce = process.protections();
    boolean watched = isActive(inForce, Protection.TREE_WATCH);
    boolean ward = isActive(inForce, Protection.HEADROOM_GUARD);
    if (watched || ward) {
      MemoryLimits limits = watched ? started.plan.limits() : MemoryLimits.none();
      TreeWatch.Watched tree = treeWatch.add(process, limits, options.grace(), started.listening);
      if (ward) {
        headroom.add(new GuardedWard(process, tree, started.began, options.retryable()));
      }
    }
    vitals.follow(process, started.plan, started.preload, started.listening, unread);
    options.timeout().ifPresent(timeout -> process.endAfter(timeout, options.grace()));
  }

  private static boolean isActive(Map<Protection, ProtectionState> states, Protection protection) {
    ProtectionState state = states.get(protection);
    return state != null && state.active();
  }

  private Optional<MemoryEvents.Listening> listen(
      LaunchPlan plan, Leaves.Lease lease, Child child) {
    return events.listen(lease.leaf(), child.pid(), plan.options().memoryListener());
  }

  /**
   * Tells how this guard starts children.
   *
   * @return the engine that was chosen when this guard was made
   */
  public Capabilities.Engine engine() {
    return engine.kind();
  }

  /**
   * Tells where this process is, what protects children here, and what cannot and why. It reads
   * some dozens of small files; in a unit of systemd's the first call runs systemctl(1) as well and
   * waits for it, for ten seconds at most.
   *
   * @return what was found when this guard was made, with what is around as it is now; but what
   *     systemd said as it was at the first call
   */
  public Capabilities capabilities() {
    boolean portable = !isNative();
    String set = portable ? "set by a shell in front of the program" : "set between clone and exec";
    Map<Protection, ProtectionState> protections =
        Map.of(
            Protection.RLIMIT_DATA,
            enforcement.rlimit(Protection.RLIMIT_DATA, set),
            Protection.RLIMIT_AS,
            enforcement.rlimit(Protection.RLIMIT_AS, set),
            Protection.OOM_SCORE_ADJ,
            enforcement.oomScoreAdj(),
            Protection.WORKERS_FIRST,
            enforcement.workersFirst(witnesses.state()),
            Protection.WITNESS,
            witnesses.state(),
            Protection.CGROUP_LEAF,
            leaves.state(),
            Protection.TREE_WATCH,
            TreeWatch.state(),
            Protection.HEADROOM_GUARD,
            headroom.state());
    return new Capabilities(
        engine.kind(),
        engineReason,
        protections,
        EffectiveLimits.of(machine, search).all(),
        portable ? PORTABLE_LIMITATIONS : List.of(),
        Survey.of(
            machine, System.getenv(), search, leaves.room(), unit.find(), victims.obstacle()));
  }

  private static String path() {
    return Objects.requireNonNullElse(System.getenv("PATH"), "/usr/bin:/bin");
  }

  private boolean isNative() {
    return engine.kind() == Capabilities.Engine.NATIVE;
  }

  /**
   * Ends every child that still lives, with its descendants, and frees what the guard holds. Their
   * outcome is {@link Outcome.Cancelled}. They have {@value #CLOSING_GRACE_SECONDS} seconds after
   * SIGTERM; this waits for them, and is not interrupted. Launches fail from now on, also those
   * that wait for a budget. The second call does nothing.
   */
  @Override
  public void close() {
    lifecycle.writeLock().lock();
    try {
      if (closed) {
        return;
      }
      closed = true;
    } finally {
      lifecycle.writeLock().unlock();
    }
    admission.close();
    CompletableFuture<?>[] ending =
        living.stream()
            .map(process -> process.destroyTree(CLOSING_GRACE))
            .toArray(CompletableFuture<?>[]::new);
    CompletableFuture.allOf(ending)
        .exceptionally(
            trouble -> {
              LOG.error("The outcome of a child that the guard ended is lost", trouble);
              return null;
            })
        .join();
    living.clear(); // each removes itself as well, but perhaps only after it was waited for
    announcer.awaitDecisions();
    memoryWatch.close();
    liveMemory.close();
    headroom.close();
    events.close();
    leaves.close();
    counters.close();
    victims.close();
    witnesses.close();
    engine.close();
  }
}
