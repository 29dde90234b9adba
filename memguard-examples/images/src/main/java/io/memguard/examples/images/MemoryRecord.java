package io.memguard.examples.images;

import io.memguard.limits.MemoryLimits;
import io.memguard.outcome.Outcome;
import io.memguard.recover.PoolListener;
import io.memguard.recover.TaskAttempt;
import io.memguard.recover.WorkerPool;
import io.memguard.recover.WorkerPool.WorkerState;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * What each worker held over time, as somebody sees who looks every 50 milliseconds; who is gone in
 * between is not seen at its largest. Safe to share between threads.
 */
final class MemoryRecord implements PoolListener {
  static final Duration EVERY = Duration.ofMillis(50);
  private final long began = System.nanoTime();
  private final Map<Long, List<Point>> alive = new HashMap<>();
  private final List<List<Point>> lives = new ArrayList<>();
  private final List<Point> deaths = new ArrayList<>();
  private final Set<Long> larger = new HashSet<>();
  private long peakOfAll;

  /**
   * One look.
   *
   * @param seconds since the start
   * @param bytes what the worker held
   */
  record Point(double seconds, long bytes) {}

  /** Goes on until it is closed. */
  interface Sampling extends AutoCloseable {
    @Override
    void close();
  }

  @SuppressWarnings("FutureReturnValueIgnored") // it is ended with its executor
  Sampling sample(WorkerPool pool) {
    ScheduledExecutorService clock = Executors.newSingleThreadScheduledExecutor();
    clock.scheduleAtFixedRate(() -> look(pool), 0, EVERY.toMillis(), TimeUnit.MILLISECONDS);
    return clock::shutdownNow;
  }

  private synchronized void look(WorkerPool pool) {
    long sum = 0;
    for (WorkerState worker : pool.workers()) {
      OptionalLong bytes = worker.residentBytes();
      if (bytes.orElse(0) > 0) { // one that ends holds nothing any more, for a moment
        sum += bytes.getAsLong();
        life(worker.pid()).add(new Point(now(), bytes.getAsLong()));
      }
    }
    peakOfAll = Math.max(peakOfAll, sum);
  }

  private List<Point> life(long pid) {
    return alive.computeIfAbsent(
        pid,
        unknown -> {
          List<Point> life = new ArrayList<>();
          lives.add(life);
          return life;
        });
  }

  @Override
  public synchronized void workerEnded(long pid, String reason, Outcome outcome) {
    List<Point> life = alive.remove(pid); // its number may be another's soon
    if (reason.equals("failed")) {
      long seen = life == null ? 0 : life.stream().mapToLong(Point::bytes).max().orElse(0);
      long known = outcome.evidence().peakRssBytes().orElse(0); // may be the rest of a short life
      Point death = new Point(diedAt(life), Math.max(seen, known));
      deaths.add(death);
      if (life != null) {
        life.add(death); // its line goes up to there
      }
    }
  }

  /** It is told somewhat later than it happens. */
  private double diedAt(@Nullable List<Point> life) {
    return life == null
        ? now()
        : Math.min(now(), life.get(life.size() - 1).seconds() + EVERY.toMillis() / 1e3);
  }

  @Override
  public synchronized void taskRetried(long task, TaskAttempt attempt, MemoryLimits next) {
    if (!next.equals(attempt.limits())) {
      larger.add(task);
    }
  }

  private double now() {
    return (System.nanoTime() - began) / 1e9;
  }

  /** Returns what each worker held, the first one first. */
  synchronized List<List<Point>> lives() {
    return lives.stream().map(List::copyOf).toList();
  }

  /** Returns when workers died, and the most that is known of what they ever held. */
  synchronized List<Point> deaths() {
    return List.copyOf(deaths);
  }

  /** Returns how many tasks were tried again on a larger worker. */
  synchronized long larger() {
    return larger.size();
  }

  /** Returns the most that was seen of one worker. */
  synchronized long peak() {
    return Stream.concat(deaths.stream(), lives.stream().flatMap(List::stream))
        .mapToLong(Point::bytes)
        .max()
        .orElse(0);
  }

  /** Returns the most that was seen of all workers together. */
  synchronized long peakOfAll() {
    return Math.max(peakOfAll, peak());
  }
}
