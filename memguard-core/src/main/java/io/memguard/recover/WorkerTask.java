package io.memguard.recover;

import java.time.Duration;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * A task for a {@link WorkerPool}, with what is known of it.
 *
 * <p>Immutable but for the payload; safe to share between threads.
 *
 * @param payload what the worker is given; it is not copied, and must not be changed
 * @param deadline how long one attempt may take; empty for what the pool's options say
 * @param memory how much memory it needs, in bytes; empty if that is not known. A task that is
 *     known to be large does not have to cost a small worker first
 */
@SuppressWarnings("ArrayRecordComponent") // nobody compares tasks
public record WorkerTask(byte[] payload, Optional<Duration> deadline, OptionalLong memory) {
  /**
   * Checks the values.
   *
   * @param payload what the worker is given
   * @param deadline how long one attempt may take
   * @param memory how much memory it needs, in bytes
   * @throws IllegalArgumentException if the deadline is not positive, or the memory less than 1
   */
  public WorkerTask {
    Objects.requireNonNull(payload, "payload");
    deadline.ifPresent(time -> PoolOptions.positive("deadline", time));
    memory.ifPresent(bytes -> PoolOptions.atLeastOne("memory:", bytes));
  }

  /**
   * Returns a task of which nothing else is known.
   *
   * @param payload what the worker is given
   * @return the task
   */
  public static WorkerTask of(byte[] payload) {
    return new WorkerTask(payload, Optional.empty(), OptionalLong.empty());
  }

  /**
   * Sets how long one attempt may take.
   *
   * @param time positive
   * @return the new task
   * @throws IllegalArgumentException if it is not positive
   */
  public WorkerTask withDeadline(Duration time) {
    return new WorkerTask(payload, Optional.of(time), memory);
  }

  /**
   * Sets how much memory it needs: its first worker is of the smallest size that is enough, or of
   * the largest.
   *
   * @param bytes 1 or more
   * @return the new task
   * @throws IllegalArgumentException if it is less than 1
   */
  public WorkerTask withMemory(long bytes) {
    return new WorkerTask(payload, deadline, OptionalLong.of(bytes));
  }
}
