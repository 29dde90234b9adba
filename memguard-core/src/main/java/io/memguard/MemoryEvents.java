package io.memguard;

import io.memguard.events.MemoryGuardListener;
import io.memguard.outcome.MemoryEvent;
import io.memguard.outcome.MemoryEvent.Affected;
import io.memguard.outcome.MemoryEvent.Kind;
import io.memguard.outcome.Preemption;
import io.memguard.outcome.WitnessRecord;
import io.memguard.outcome.WitnessedProcess;
import io.memguard.platform.Elsewhere;
import io.memguard.platform.WitnessPage;
import io.memguard.platform.cgroup.CgroupV1;
import io.memguard.platform.cgroup.Counter;
import io.memguard.platform.cgroup.Counters;
import io.memguard.platform.cgroup.Leaf;
import io.memguard.platform.jfr.Recorder;
import io.memguard.platform.kernellog.OomKill;
import io.memguard.platform.kernellog.OomKillLog;
import io.memguard.platform.kernellog.OomVictims;
import io.memguard.platform.procfs.CommandLine;
import io.memguard.watch.LeafHints;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.IntSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Tells listeners what becomes of their children, and what happens to memory, also the container's.
 *
 * <p>What witnesses have noted comes from {@link Vitals}, and at a child's end from its {@link
 * Postmortem}. A hint from the event loop has a leaf's counters read and compared with the last
 * ones, on the one thread {@code memguard-events}, where the listeners run too. One a guard, and
 * the thread is made for the first child that has both a listener and a leaf or a witness, or else
 * for the first event; {@link #close} ends it. A {@link Listening} owns the hints of its leaf until
 * the child was reaped. Safe to share between threads.
 */
final class MemoryEvents implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(MemoryEvents.class);

  private static final String THREAD = "memguard-events";

  /** What is told, in this order, and where it is counted. */
  private static final List<Counted> KINDS =
      List.of(
          new Counted(Kind.HIGH, counters -> counters.of(Counter.HIGH)),
          new Counted(Kind.MAX, Counters::limitReached), // on cgroup v1 two counters
          new Counted(Kind.OOM, counters -> counters.of(Counter.OOM)),
          new Counted(Kind.OOM_KILL, counters -> counters.of(Counter.OOM_KILL)));

  /** On cgroup v1 the notice comes before the kill, so it is looked again a little later. */
  private static final List<Long> LATER_MILLIS = List.of(20L, 200L);

  /** The line in the kernel's log comes right after the counter rose. */
  private static final int LOG_LOOKS = 5;

  private static final long LOG_MILLIS = 2;

  /** A listener that blocks must not keep the outcome from others. */
  private static final Duration PATIENCE = Duration.ofSeconds(1);

  /** What waits for a listener that blocks; an end may hold 40 KiB of text. */
  private static final int MOST_WAITING = 1000;

  private record Counted(Kind kind, Function<Counters, OptionalLong> times) {}

  private final Optional<LeafHints> hints;
  private final OomVictims victims;
  private final List<MemoryGuardListener> listeners;
  private final Recorder recorder;
  private final AtomicInteger waiting = new AtomicInteger();
  private final AtomicLong dropped = new AtomicLong();
  private final AtomicBoolean rehearsed = new AtomicBoolean();
  private @Nullable ScheduledThreadPoolExecutor thread;
  private boolean closed;

  /** Somebody has waited for a listener in vain, and there was always something to tell since. */
  private volatile boolean blocked;

  /**
   * Prepares; makes nothing yet.
   *
   * @param hints empty where there is no event loop: then all is told at the child's end
   * @param listeners who are told of all children, and of the container
   * @param recorder what happens to memory is recorded there, before anybody is told
   */
  MemoryEvents(
      Optional<LeafHints> hints,
      OomVictims victims,
      List<MemoryGuardListener> listeners,
      Recorder recorder) {
    this.hints = hints;
    this.victims = victims;
    this.listeners = listeners;
    this.recorder = recorder;
  }

  /** Tells whether somebody is told of all children. */
  boolean hasListeners() {
    return !listeners.isEmpty();
  }

  /** Has all listeners told, if they have come back from what they were told before. */
  void tell(Consumer<MemoryGuardListener> news) {
    if (hasListeners()) {
      execute(1, () -> tellAll(news));
    }
  }

  /**
   * Tells listeners that there is a guard, on this thread.
   *
   * @param living tells how many children the guard has
   */
  void opened(IntSupplier living) {
    tellAll(listener -> listener.guardOpened(living));
  }

  private void tellAll(Consumer<MemoryGuardListener> news) {
    for (MemoryGuardListener listener : listeners) {
      try {
        news.accept(listener);
      } catch (RuntimeException | Error e) { // one listener's trouble is not the others'
        LOG.error("The listener {} failed", listener, e);
      }
    }
  }

  private boolean isContainerWanted() {
    return hasListeners() || recorder.recordsMemory();
  }

  /** Tells whether somebody wants to know of a child, who has that listener or none. */
  boolean areWanted(Optional<Consumer<MemoryEvent>> own) {
    return own.isPresent() || isContainerWanted();
  }

  /**
   * Prepares to listen to a child, and its leaf if it has one; if that fails, nothing is left of
   * it. Nothing is told before {@link Listening#begin}.
   *
   * @param own the child's listener
   * @return empty if nobody wants to know
   * @throws OutOfMemoryError if no thread is to be had on which listeners could run
   */
  Optional<Listening> listen(Optional<Leaf> leaf, long child, Optional<Consumer<MemoryEvent>> own) {
    if (!areWanted(own)) {
      return Optional.empty();
    }
    Listening listening = new Listening(leaf, child, own);
    if (leaf.isPresent()) {
      thread();
      try {
        hints.ifPresent(source -> listening.hear(source, leaf.get()));
      } catch (RuntimeException | Error e) { // there may be no memory left
        listening.stop();
        throw e;
      }
    }
    return Optional.of(listening);
  }

  /** Tells what happened to the container. */
  void tell(Kind kind, long bytes) {
    if (isContainerWanted()) {
      MemoryEvent event =
          new MemoryEvent(OptionalLong.empty(), kind, 1, OptionalLong.of(bytes), List.of());
      execute(1, () -> tell(event, Optional.empty()));
    }
  }

  /** Has loaded what is needed to tell of a refusal, on the thread that finds them. */
  static void rehearseRefusals() {
    WitnessedProcess nobody =
        new WitnessedProcess(
            1, "", 0, 1, 0, 0, OptionalLong.empty(), Optional.empty(), OptionalLong.empty());
    WitnessRecord noted = new WitnessRecord(1, 1, OptionalLong.empty(), 0, List.of(nobody));
    LOG.trace("{} {}", new Refusals().news(noted, Set.of(), 0, true), ProcessHandle.of(1));
  }

  /** Has the thread if it is going to be needed, and its classes loaded. */
  void rehearse() {
    if (isContainerWanted()) {
      execute(
          0,
          () ->
              LOG.trace(
                  "{}",
                  new MemoryEvent(
                      OptionalLong.empty(), Kind.PRESSURE, 1, OptionalLong.empty(), List.of())));
    }
  }

  private void tell(MemoryEvent event, Optional<Consumer<MemoryEvent>> own) {
    if (LOG.isDebugEnabled()) {
      LOG.debug("{}", event.withoutCommands().explanation());
    }
    recorder.memory(event);
    own.ifPresent(listener -> tell(listener, event));
    tellAll(listener -> listener.memory(event));
  }

  private static void tell(Consumer<MemoryEvent> listener, MemoryEvent event) {
    try {
      listener.accept(event);
    } catch (RuntimeException | Error e) { // one listener's trouble is not the others'
      LOG.error("The memory listener failed on {}", event.withoutCommands(), e);
    }
  }

  /**
   * Has something done on the thread, unless too much waits there already.
   *
   * @param events how many are not told then
   * @return whether it will be done
   */
  private boolean execute(int events, Runnable task) {
    if (waiting.incrementAndGet() > MOST_WAITING) {
      if (dropped.getAndAdd(events) == 0 && events > 0) { // this thread may be the watcher's
        Elsewhere.run(
            () -> LOG.warn("A listener blocks: of what happens from now on, it is not told all"));
      }
    } else {
      try {
        thread()
            .execute(
                () -> {
                  try {
                    task.run();
                  } finally {
                    done();
                  }
                });
        return true;
      } catch (RejectedExecutionException e) {
        // the guard is closed: nobody is told any more
      } catch (OutOfMemoryError e) { // so Java calls it when the kernel allows no further thread
        Elsewhere.run(
            () -> LOG.warn("No thread is to be had for the listeners: something is not told", e));
      }
    }
    done();
    return false;
  }

  private boolean hasRoom() {
    return waiting.get() < MOST_WAITING;
  }

  private void done() {
    if (waiting.decrementAndGet() == 0) {
      blocked = false;
      if (dropped.get() > 0) {
        Elsewhere.run(this::sayWhatWasDropped);
      }
    }
  }

  private void sayWhatWasDropped() {
    long untold = dropped.getAndSet(0);
    if (untold > 0) {
      LOG.warn("A listener has blocked, and was not told of {} events", untold);
    }
  }

  private synchronized ScheduledExecutorService thread() {
    if (thread == null) {
      if (closed) {
        throw new RejectedExecutionException("the guard is closed");
      }
      ScheduledThreadPoolExecutor executor =
          new ScheduledThreadPoolExecutor(
              1,
              task -> {
                Thread made = new Thread(task, THREAD);
                made.setDaemon(true);
                return made;
              });
      executor.prestartCoreThread(); // fails here if at all, and never on the event loop's thread
      thread = executor;
    }
    return thread;
  }

  /**
   * Ends the thread, when it has told what is still to be told. Waits a second for that at most,
   * and not on that thread.
   */
  @Override
  public void close() {
    ScheduledThreadPoolExecutor ending;
    synchronized (this) {
      closed = true;
      ending = thread;
    }
    if (ending == null) {
      return;
    }
    ending.shutdown();
    if (!blocked && !Thread.currentThread().getName().equals(THREAD)) {
      await(ending);
    }
    sayWhatWasDropped();
  }

  private static void await(ScheduledExecutorService ending) {
    boolean interrupted = Thread.interrupted();
    try {
      ending.awaitTermination(PATIENCE.toMillis(), TimeUnit.MILLISECONDS);
    } catch (InterruptedException e) {
      interrupted = true;
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  /** One child's. Fields that are neither final nor volatile are the thread's own. */
  final class Listening {
    private final Optional<Leaf> leaf;
    private final long child;
    private final Optional<Consumer<MemoryEvent>> own;
    private final AtomicBoolean lookIsDue = new AtomicBoolean();
    private final List<Affected> untold = new ArrayList<>();
    private final Refusals refusals = new Refusals();
    private final AtomicInteger pending = new AtomicInteger(); // what the thread has yet to do
    private volatile LeafHints.@Nullable Hint hint;
    private volatile Counters told = new Counters(Map.of());
    private volatile boolean begun;
    private volatile boolean ended;
    private OomKillLog.Mark logged = victims.mark();

    private Listening(Optional<Leaf> leaf, long child, Optional<Consumer<MemoryEvent>> own) {
      this.leaf = leaf;
      this.child = child;
      this.own = own;
    }

    private void hear(LeafHints source, Leaf in) {
      try {
        hint = source.listen(in, this::changed, () -> execute(1, this::pressed));
      } catch (IOException e) {
        LOG.warn(
            "What happens in cgroup {} is told only when child {} has ended: {};"
                + " see fs.inotify.max_user_instances and max_user_watches",
            in.directory(),
            child,
            e.getMessage());
      }
    }

    /** Tells what happens from now on, and what has happened before. */
    void begin() {
      begun = true;
      if (leaf.isPresent()) {
        changed();
      }
    }

    private boolean execute(int events, Runnable task) {
      pending.incrementAndGet();
      boolean will =
          MemoryEvents.this.execute(
              events,
              () -> {
                try {
                  task.run();
                } finally {
                  pending.decrementAndGet();
                }
              });
      if (!will) {
        pending.decrementAndGet();
      }
      return will;
    }

    private void pressed() {
      if (begun && !ended) {
        deliver(Kind.PRESSURE, 1, OptionalLong.empty(), List.of());
      }
    }

    /**
     * Tells what somebody else found out about the child, or about what it left behind.
     *
     * @param bytes what was read
     */
    void tell(Kind kind, OptionalLong bytes) {
      execute(1, () -> deliver(kind, 1, bytes, List.of()));
    }

    /** Tells that the child, or what it left behind, is ended for its memory. */
    void preempted(Preemption reading) {
      execute(
          1,
          () -> {
            recorder.preempted(child, reading);
            deliver(Kind.PREEMPTED, 1, OptionalLong.of(reading.treeBytes()), List.of());
          });
    }

    /**
     * Tells what is new of what the child's witnesses have noted, and frees the records of those
     * that are gone and told of. On any thread: it waits for nothing, and the listener's thread
     * looks up the rest. As long as that has something to tell of this child, or too much of
     * others, nothing is read: the numbers add up.
     *
     * @param last true if the child has ended: nothing is held back, and nothing comes after it
     */
    void refused(WitnessPage.Slot slot, boolean last) {
      synchronized (refusals) { // one look after the other, and told in that order
        if (last || (pending.get() == 0 && hasRoom())) {
          Set<Integer> gone = last ? Set.of() : slot.gone();
          slot.readRecords()
              .ifPresent(
                  noted -> {
                    List<Refusals.News> news = refusals.news(noted, gone, System.nanoTime(), last);
                    slot.free(gone, noted); // first: who is told may start more processes at once
                    tell(news);
                  });
        }
      }
    }

    private void tell(List<Refusals.News> news) {
      if (news.isEmpty()) {
        return;
      }
      Instant seen = Instant.now();
      execute(news.size(), () -> news.forEach(one -> tell(one, seen)));
    }

    private void tell(Refusals.News one, Instant seen) {
      deliver(
          Kind.REFUSED,
          one.times(),
          one.process().map(WitnessedProcess::largestBytes).orElse(OptionalLong.empty()),
          one.process().map(process -> affected(process, seen)).stream().toList());
    }

    private Affected affected(WitnessedProcess process, Instant seen) {
      return new Affected(
          process.pid(),
          process.name(),
          CommandLine.ofDescendant(process.pid(), process.name(), child, seen),
          process.last());
    }

    /** Has the thread, and what it needs, before something is refused for the first time. */
    void rehearse() {
      if (rehearsed.compareAndSet(false, true)) {
        MemoryEvents.this.execute(
            0, () -> LOG.trace("{}", CommandLine.ofDescendant(child, "", child, Instant.now())));
      }
    }

    private void changed() {
      if (begun && lookIsDue.compareAndSet(false, true)) {
        if (!execute(0, this::look)) {
          lookIsDue.set(false);
        } else if (leaf.filter(one -> one.cgroup() instanceof CgroupV1).isPresent()) {
          LATER_MILLIS.forEach(this::lookLater);
        }
      }
    }

    @SuppressWarnings("FutureReturnValueIgnored") // the look speaks for itself
    private void lookLater(long millis) {
      try {
        thread().schedule(this::look, millis, TimeUnit.MILLISECONDS);
      } catch (RejectedExecutionException e) {
        // the guard is closed: nobody is told any more
      }
    }

    private void look() {
      lookIsDue.set(false); // what comes now needs another look
      if (!ended) {
        counters().ifPresent(this::compare);
      }
    }

    private Optional<Counters> counters() {
      return leaf.map(Leaf::cgroup).flatMap(one -> one.events().or(one::localEvents));
    }

    private long more(Counted each, Counters now) {
      return each.times.apply(now).orElse(0) - each.times.apply(told).orElse(0);
    }

    private void compare(Counters now) {
      for (Counted each : KINDS) {
        long times = more(each, now);
        if (times > 0) {
          List<Affected> killed = each.kind == Kind.OOM_KILL ? killed(times) : List.of();
          deliver(each.kind, times, OptionalLong.empty(), killed);
        }
      }
      told = now;
    }

    private List<Affected> killed(long times) {
      String name = leaf.map(Leaf::name).orElse("");
      for (int look = 0; victims.known() && look < LOG_LOOKS; look++) {
        OomKillLog.Since since = victims.inLeaf(logged, name);
        logged = since.now();
        since.kills().forEach(kill -> untold.add(killed(kill)));
        if (untold.size() >= times || !pause()) {
          break;
        }
      }
      List<Affected> killed =
          List.copyOf(untold.subList(0, Math.toIntExact(Math.min(times, untold.size()))));
      untold.removeAll(killed);
      return killed;
    }

    /** Its memory is gone, and the command line was in it. */
    private static Affected killed(OomKill kill) {
      return new Affected(kill.pid(), kill.name(), Optional.empty(), Optional.empty());
    }

    private static boolean pause() {
      try {
        TimeUnit.MILLISECONDS.sleep(LOG_MILLIS);
        return true;
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        return false;
      }
    }

    private void deliver(Kind kind, long times, OptionalLong bytes, List<Affected> killed) {
      MemoryEvent event = new MemoryEvent(OptionalLong.of(child), kind, times, bytes, killed);
      MemoryEvents.this.tell(event, own);
    }

    /**
     * Ends the hints; before the leaf is removed. To end a pressure trigger, the kernel waits for
     * other CPUs, some 10 milliseconds: not for the event loop's thread.
     */
    void stop() {
      LeafHints.Hint begun = hint;
      if (begun != null) {
        begun.close();
      }
    }

    /**
     * Has what rose last told; after the child was reaped, and before its leaf is removed.
     *
     * @return completes when all was told, or after a second, which nobody waits again for a
     *     listener that is behind until it has been told all; at once where nothing is left to tell
     */
    CompletableFuture<Void> tellLast() {
      Optional<Counters> last = counters();
      boolean rose =
          last.filter(now -> KINDS.stream().anyMatch(one -> more(one, now) > 0)).isPresent();
      if (!rose && pending.get() == 0) {
        ended = true;
        return CompletableFuture.completedFuture(null);
      }
      CompletableFuture<Boolean> all = new CompletableFuture<>();
      boolean will =
          execute(
              rose ? 1 : 0,
              () -> {
                try {
                  last.ifPresent(this::compare);
                } finally {
                  ended = true;
                  all.complete(true);
                }
              });
      if (!will) {
        ended = true;
      }
      if (!will || blocked) {
        return CompletableFuture.completedFuture(null);
      }
      try {
        return Elsewhere.completeAfter(all, false, PATIENCE).thenAccept(this::judgeBlocked);
      } catch (OutOfMemoryError e) { // no thread is to be had for the timer
        return CompletableFuture.completedFuture(null);
      }
    }

    private void judgeBlocked(boolean inTime) {
      blocked = blocked || !inTime;
      if (waiting.get() == 0) { // it has caught up meanwhile, and nothing comes after that
        blocked = false;
      }
    }
  }
}
