package io.memguard.recover;

import io.memguard.limits.LaunchOptions;
import java.time.Duration;
import java.util.Objects;
import java.util.OptionalLong;
import java.util.function.Consumer;

/**
 * Says how a {@link WorkerPool} works.
 *
 * <pre>{@code
 * PoolOptions.workers(4)
 *     .withRetry(RetryPolicy.onOutOfMemory().growBy(4).upTo("4GiB").otherFailures(3))
 *     .withDeadline(Duration.ofMinutes(2))
 *     .withMaxTasks(1_000)
 * }</pre>
 *
 * <p>Immutable; safe to share between threads if the listener is.
 *
 * @param workers how many tasks are worked on at a time
 * @param queueCapacity how many tasks may wait; whoever submits more waits
 * @param retry how often a task is tried, and with how much more memory
 * @param deadline how long one attempt may take; {@link LaunchOptions#NEVER} for any time
 * @param startTimeout how long a worker may take until it is ready
 * @param recycling when a worker that is well is replaced
 * @param maxFrameBytes the largest task and answer, in bytes
 * @param maxErrorBytes how much a worker may write to stderr during one task, in bytes
 * @param launch how workers live: their budget, how long they may take to end
 * @param listener who is told what happens
 */
public record PoolOptions(
    int workers,
    int queueCapacity,
    RetryPolicy retry,
    Duration deadline,
    Duration startTimeout,
    Recycling recycling,
    int maxFrameBytes,
    long maxErrorBytes,
    LaunchOptions launch,
    PoolListener listener) {
  private static final int QUEUE_PER_WORKER = 16;
  private static final int OTHER_FAILURES = 3;
  private static final Duration DEADLINE = Duration.ofMinutes(10);
  private static final Duration START_TIMEOUT = Duration.ofMinutes(1);
  private static final int FRAME_BYTES = 64 << 20;
  private static final long ERROR_BYTES = 16L << 20;

  /**
   * When a worker that is well is replaced, after a task.
   *
   * @param tasks after so many of them; {@link Integer#MAX_VALUE} for never
   * @param age after so long
   * @param residentBytes when it then holds more than this; empty for never
   */
  public record Recycling(int tasks, Duration age, OptionalLong residentBytes) {
    static final Recycling NEVER =
        new Recycling(Integer.MAX_VALUE, LaunchOptions.NEVER, OptionalLong.empty());

    /**
     * Checks the values.
     *
     * @param tasks after so many of them; {@link Integer#MAX_VALUE} for never
     * @param age after so long
     * @param residentBytes when it then holds more than this; empty for never
     * @throws IllegalArgumentException if one of them is less than 1, or no time at all
     */
    public Recycling {
      atLeastOne("recycling after tasks:", tasks);
      positive("recycling after", age);
      residentBytes.ifPresent(bytes -> atLeastOne("recycling above bytes:", bytes));
    }
  }

  /**
   * Checks the values.
   *
   * @param workers how many tasks are worked on at a time
   * @param queueCapacity how many tasks may wait; whoever submits more waits
   * @param retry how often a task is tried, and with how much more memory
   * @param deadline how long one attempt may take; {@link LaunchOptions#NEVER} for any time
   * @param startTimeout how long a worker may take until it is ready
   * @param recycling when a worker that is well is replaced
   * @param maxFrameBytes the largest task and answer, in bytes
   * @param maxErrorBytes how much a worker may write to stderr during one task, in bytes
   * @param launch how workers live
   * @param listener who is told what happens
   * @throws IllegalArgumentException if a number is less than 1, or a duration not positive
   */
  public PoolOptions {
    atLeastOne("workers:", workers);
    atLeastOne("queue capacity:", queueCapacity);
    Objects.requireNonNull(retry, "retry");
    positive("deadline", deadline);
    positive("start timeout", startTimeout);
    Objects.requireNonNull(recycling, "recycling");
    atLeastOne("largest frame:", maxFrameBytes);
    if (maxFrameBytes > Integer.MAX_VALUE - (1 << 10)) {
      throw new IllegalArgumentException(
          "largest frame: " + maxFrameBytes + " is out of range; an array cannot hold it");
    }
    atLeastOne("bytes on stderr:", maxErrorBytes);
    Objects.requireNonNull(launch, "launch");
    Objects.requireNonNull(listener, "listener");
  }

  /**
   * Returns options for a number of workers. A task gets 3 attempts for want of memory, each with
   * twice the memory of the one before, and 3 in which a worker died of something else; an attempt
   * gets 10 minutes; 16 tasks for each worker may wait; a worker has a minute to get ready, may
   * answer with up to 64 MiB, and write up to 16 MiB to stderr for each task. It is not replaced as
   * long as it is well.
   *
   * @param count 1 or more
   * @return the options
   * @throws IllegalArgumentException if it is less than 1
   */
  public static PoolOptions workers(int count) {
    atLeastOne("workers:", count);
    return new PoolOptions(
        count,
        (int) Math.min(Integer.MAX_VALUE, (long) count * QUEUE_PER_WORKER),
        RetryPolicy.onOutOfMemory().otherFailures(OTHER_FAILURES),
        DEADLINE,
        START_TIMEOUT,
        Recycling.NEVER,
        FRAME_BYTES,
        ERROR_BYTES,
        LaunchOptions.defaults(),
        new PoolListener() {});
  }

  /**
   * Sets how many tasks may wait for a worker. Those that are tried again count too, but always
   * find room.
   *
   * @param tasks 1 or more
   * @return the new options
   * @throws IllegalArgumentException if it is less than 1
   */
  public PoolOptions withQueueCapacity(int tasks) {
    return changed(copy -> copy.queueCapacity = tasks);
  }

  /**
   * Sets how often a task is tried: {@link RetryPolicy#maxAttempts} for want of memory, {@link
   * RetryPolicy#otherFailures} after deaths and answers that are none. Its listener is not called.
   *
   * @param policy the growth of the limit makes the sizes that workers have: see {@link WorkerPool}
   * @return the new options
   */
  public PoolOptions withRetry(RetryPolicy policy) {
    return changed(copy -> copy.retry = policy);
  }

  /**
   * Sets how long one attempt at a task may take. Then its worker is ended, and the task is set
   * aside: it is not tried again.
   *
   * @param time positive; {@link LaunchOptions#NEVER} for any time
   * @return the new options
   * @throws IllegalArgumentException if it is not positive
   */
  public PoolOptions withDeadline(Duration time) {
    return changed(copy -> copy.deadline = time);
  }

  /**
   * Sets how long a worker may take from its launch until it is ready.
   *
   * @param time positive; {@link LaunchOptions#NEVER} for any time
   * @return the new options
   * @throws IllegalArgumentException if it is not positive
   */
  public PoolOptions withStartTimeout(Duration time) {
    return changed(copy -> copy.startTimeout = time);
  }

  /**
   * Has a worker replaced after a number of tasks.
   *
   * @param tasks 1 or more; {@link Integer#MAX_VALUE} for never
   * @return the new options
   * @throws IllegalArgumentException if it is less than 1
   */
  public PoolOptions withMaxTasks(int tasks) {
    return with(new Recycling(tasks, recycling.age, recycling.residentBytes));
  }

  /**
   * Has a worker replaced when it has lived for a time, after the task at hand.
   *
   * @param age positive; {@link LaunchOptions#NEVER} for never
   * @return the new options
   * @throws IllegalArgumentException if it is not positive
   */
  public PoolOptions withMaxAge(Duration age) {
    return with(new Recycling(recycling.tasks, age, recycling.residentBytes));
  }

  /**
   * Has a worker replaced that holds more than this after a task: what Celery calls {@code
   * max-memory-per-child}. Its own resident memory counts (proc_pid_statm(5)), not that of its
   * children.
   *
   * @param bytes 1 or more
   * @return the new options
   * @throws IllegalArgumentException if it is less than 1
   */
  public PoolOptions withMaxResidentBytes(long bytes) {
    return with(new Recycling(recycling.tasks, recycling.age, OptionalLong.of(bytes)));
  }

  private PoolOptions with(Recycling value) {
    return changed(copy -> copy.recycling = value);
  }

  /**
   * Sets the largest task and the largest answer.
   *
   * @param bytes 1 to 2,147,482,623
   * @return the new options
   * @throws IllegalArgumentException if it is less than 1, or more than an array can hold
   */
  public PoolOptions withMaxFrameBytes(int bytes) {
    return changed(copy -> copy.maxFrameBytes = bytes);
  }

  /**
   * Sets how much a worker may write to stderr during one task; who writes more is ended.
   *
   * @param bytes 1 or more
   * @return the new options
   * @throws IllegalArgumentException if it is less than 1
   */
  public PoolOptions withMaxErrorBytes(long bytes) {
    return changed(copy -> copy.maxErrorBytes = bytes);
  }

  /**
   * Sets how workers live. With a {@linkplain LaunchOptions#withBudget budget}, each worker's limit
   * is taken from it as long as it lives; a larger one waits until smaller ones that are idle, or
   * have done the task at hand, were ended for it. A worker that closes its stdout, or is asked to
   * end, has {@link LaunchOptions#grace} for it. A pool waits for its budget as long as it takes.
   *
   * @param options a time-out in them counts from a worker's launch
   * @return the new options
   */
  public PoolOptions withLaunch(LaunchOptions options) {
    return changed(copy -> copy.launch = options);
  }

  /**
   * Sets who is told what happens.
   *
   * @param told the listener
   * @return the new options
   */
  public PoolOptions withListener(PoolListener told) {
    return changed(copy -> copy.listener = told);
  }

  private PoolOptions changed(Consumer<Copy> change) {
    Copy copy = new Copy(this);
    change.accept(copy);
    return new PoolOptions(
        workers,
        copy.queueCapacity,
        copy.retry,
        copy.deadline,
        copy.startTimeout,
        copy.recycling,
        copy.maxFrameBytes,
        copy.maxErrorBytes,
        copy.launch,
        copy.listener);
  }

  /** All but the number of workers, to be changed once before they are options again. */
  private static final class Copy {
    private int queueCapacity;
    private RetryPolicy retry;
    private Duration deadline;
    private Duration startTimeout;
    private Recycling recycling;
    private int maxFrameBytes;
    private long maxErrorBytes;
    private LaunchOptions launch;
    private PoolListener listener;

    Copy(PoolOptions of) {
      queueCapacity = of.queueCapacity;
      retry = of.retry;
      deadline = of.deadline;
      startTimeout = of.startTimeout;
      recycling = of.recycling;
      maxFrameBytes = of.maxFrameBytes;
      maxErrorBytes = of.maxErrorBytes;
      launch = of.launch;
      listener = of.listener;
    }
  }

  static void atLeastOne(String what, long value) {
    if (value < 1) {
      throw new IllegalArgumentException(
          what + " " + value + " is out of range; allowed is 1 or more");
    }
  }

  static void positive(String what, Duration time) {
    if (time.isNegative() || time.isZero()) {
      throw new IllegalArgumentException(what + " " + time + " is not positive");
    }
  }
}
