package io.memguard.examples.queue;

import java.time.Duration;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import redis.clients.jedis.exceptions.JedisException;

/**
 * The messages that a consumer is at work on. A thread of its own says so to Redis, thrice in the
 * time after which others may take them; a job whose message was taken nevertheless is ended.
 *
 * <p>Safe to share between threads.
 */
final class Claims implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Claims.class);

  private final JobQueue queue;
  private final String consumer;
  private final long periodNanos;
  private final Map<String, Future<?>> attempts = new ConcurrentHashMap<>();
  private final ScheduledExecutorService heartbeat =
      Executors.newSingleThreadScheduledExecutor(
          task -> {
            Thread thread = new Thread(task, "claims");
            thread.setDaemon(true);
            return thread;
          });
  private volatile long renewed = System.nanoTime();
  private volatile long steadySince = renewed;

  Claims(JobQueue queue, String consumer, Duration minIdle) {
    this.queue = queue;
    this.consumer = consumer;
    this.periodNanos = minIdle.toNanos() / 3;
    var unused = heartbeat.scheduleAtFixedRate(this::renew, 0, periodNanos, TimeUnit.NANOSECONDS);
  }

  /** Holds a message while an attempt runs, which is cancelled if it is lost. */
  void hold(Message message, Future<?> attempt) {
    attempts.put(message.id(), attempt);
  }

  /** Forgets a message that was settled. */
  void release(Message message) {
    attempts.remove(message.id());
  }

  /**
   * Tells whether messages may be taken from others. Not right after a time without Redis: then all
   * look abandoned, until those who live have said so.
   */
  boolean mayTakeFromOthers() {
    long now = System.nanoTime();
    return now - renewed < 2 * periodNanos && now - steadySince >= periodNanos;
  }

  private void renew() {
    try {
      Set<String> held = Set.copyOf(attempts.keySet());
      Set<String> lost = queue.renew(consumer, held);
      long now = System.nanoTime();
      if (now - renewed > 2 * periodNanos) {
        steadySince = now;
      }
      renewed = now;
      lost.forEach(this::abandon);
    } catch (JedisException e) {
      LOG.warn("{}: cannot say to Redis that it lives: {}", consumer, e.getMessage());
    } catch (RuntimeException e) { // or the executor would never call again
      LOG.error("{}: cannot renew its claims", consumer, e);
    }
  }

  private void abandon(String message) {
    Future<?> attempt = attempts.get(message);
    if (attempt != null && attempt.cancel(true)) {
      LOG.warn("{}: {} was taken by another consumer", consumer, message);
    }
  }

  /** Ends all attempts. */
  void cancelAll() {
    attempts.values().forEach(attempt -> attempt.cancel(true));
  }

  @Override
  public void close() {
    heartbeat.shutdownNow();
  }
}
