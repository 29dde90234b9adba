package io.memguard.cli;

import io.memguard.GuardedProcess;
import io.memguard.outcome.MemoryEvent;
import io.memguard.outcome.MemoryReading;
import io.memguard.outcome.Outcome;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Looks at the command's memory while it runs, for a view, a plot or both.
 *
 * <p>It has one thread, {@code memguard-watch}, from the first attempt on until {@link #close}:
 * that reads, and draws. Where to read takes long, it looks away nine times as long. Safe to share
 * between threads.
 */
final class Watch implements AutoCloseable {
  private static final long VIEW_NANOS = TimeUnit.MILLISECONDS.toNanos(250);
  private static final int PAUSE_PART = 9;

  private final Optional<View> view;
  private final Optional<History> history;
  private final long viewNanos;
  private final int attempts;
  private final Thread thread = new Thread(this::loop, "memguard-watch");
  private long began;
  private @Nullable GuardedProcess process;
  private int attempt;
  private Optional<MemoryReading> reading = Optional.empty();
  private Optional<Snapshot.Own> own = Optional.empty();
  private Optional<Snapshot.Event> event = Optional.empty();
  private long peak;
  private boolean news;
  private boolean closed;

  /**
   * Prepares; looks at nothing yet.
   *
   * @param interval how often the view changes
   * @param attempts how many there can be
   */
  Watch(Optional<View> view, Optional<History> history, Duration interval, int attempts) {
    this.view = view;
    this.history = history;
    this.viewNanos = interval.toNanos();
    this.attempts = attempts;
    thread.setDaemon(true);
  }

  /**
   * Begins to look at an attempt.
   *
   * @param at when it was started, as {@link System#nanoTime}
   */
  synchronized void began(GuardedProcess started, long at) {
    if (attempt++ == 0) {
      began = at;
      begin();
    }
    process = started;
    peak = 0;
    Duration since = Duration.ofNanos(at - began);
    history.ifPresent(it -> it.began(attempt, since, started.limits()));
    notifyAll();
  }

  private void begin() {
    try {
      thread.start();
    } catch (OutOfMemoryError e) { // so Java calls it when the kernel allows no further thread
      Console.say("warning: nothing is seen of its memory: no thread is to be had for it");
    }
  }

  /** Ends to look at the attempt, and keeps how it ended. */
  synchronized void ended(Outcome outcome) {
    process = null;
    history.ifPresent(it -> it.ended(elapsed(), outcome));
  }

  /**
   * Takes something that happened to the attempt's memory.
   *
   * @return true if people were told of it
   */
  boolean happened(MemoryEvent what) {
    Snapshot.Event now;
    synchronized (this) {
      GuardedProcess of = process;
      if (of == null || what.child().orElse(0) != of.pid()) {
        return false; // it was only just started; its evidence has refusals, and why it was ended
      }
      now = Snapshot.Event.of(elapsed(), what);
      history.ifPresent(it -> it.happened(now.at(), what));
      event = Optional.of(now);
      news = true;
      notifyAll();
    }
    return view.map(it -> it.tell(now)).orElse(false);
  }

  private Duration elapsed() {
    return Duration.ofNanos(System.nanoTime() - began);
  }

  private void loop() {
    try {
      look();
    } catch (InterruptedException e) { // nobody does that
      Thread.currentThread().interrupt();
    }
  }

  private void look() throws InterruptedException {
    long shown = System.nanoTime() - viewNanos;
    long tookBefore = 0; // once it may take long: classes are loaded, somebody else has the CPU
    GuardedProcess now = next();
    while (now != null) {
      long looked = System.nanoTime();
      Optional<MemoryReading> read = now.memory();
      if (read.isPresent()) {
        take(now, read.get());
      }
      long took = System.nanoTime() - looked;
      if (isNews() || looked - shown >= viewNanos) {
        view.ifPresent(it -> it.show(snapshot()));
        shown = looked;
      }
      pause(now, Math.max(interval(), PAUSE_PART * Math.min(took, tookBefore)));
      tookBefore = took;
      now = next();
    }
  }

  /** Waits for somebody to look at. */
  private synchronized @Nullable GuardedProcess next() throws InterruptedException {
    while (process == null && !closed) {
      wait();
    }
    return closed ? null : process;
  }

  private synchronized void take(GuardedProcess looked, MemoryReading read) {
    if (process == looked) { // or the next attempt has begun
      reading = Optional.of(read);
      own = read.largest().flatMap(sample -> Snapshot.Own.of(sample, looked.limits()));
      peak = Math.max(peak, read.bytes());
      history.ifPresent(it -> it.saw(elapsed(), read, own));
    }
  }

  private long interval() {
    long forView = view.isPresent() ? Math.min(viewNanos, VIEW_NANOS) : Long.MAX_VALUE;
    return history.map(it -> Math.min(it.interval(), forView)).orElse(forView);
  }

  private synchronized boolean isNews() {
    boolean was = news;
    news = false;
    return was;
  }

  private synchronized Snapshot snapshot() {
    return new Snapshot(elapsed(), reading, own, peak, attempt, attempts, event);
  }

  private synchronized void pause(GuardedProcess looked, long nanos) throws InterruptedException {
    long until = System.nanoTime() + nanos;
    for (long left = nanos;
        left > 0 && !closed && !news && process == looked;
        left = until - System.nanoTime()) {
      TimeUnit.NANOSECONDS.timedWait(this, left);
    }
  }

  /** Ends the thread, and leaves the terminal as it was. The second time has no effect. */
  @Override
  public void close() {
    boolean started;
    synchronized (this) {
      closed = true;
      started = attempt > 0;
      notifyAll();
    }
    try {
      if (started) {
        thread.join();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    view.ifPresent(View::close);
  }
}
