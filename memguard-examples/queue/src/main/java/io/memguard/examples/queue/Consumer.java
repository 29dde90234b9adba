package io.memguard.examples.queue;

import io.memguard.MemoryGuard;
import io.memguard.launch.LaunchException;
import io.memguard.limits.LaunchOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.limits.MemorySize;
import io.memguard.outcome.Outcome;
import io.memguard.recover.MemoryBudget;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import redis.clients.jedis.exceptions.JedisException;

/**
 * Takes jobs from the queue and runs each in a child process under the limit that its message
 * carries, several at a time within one budget. Any number of consumers, in any number of JVMs on
 * any number of machines, may share a queue; each needs a name of its own.
 *
 * <p>It may be killed at any moment. What it was at work on is then done by others, after {@link
 * Policy#minIdle}.
 */
final class Consumer implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Consumer.class);
  private static final Duration AFTER_TROUBLE = Duration.ofMillis(500);

  private final JobQueue queue;
  private final String name;
  private final Policy policy;
  private final MemoryGuard guard = MemoryGuard.create();
  private final MemoryBudget budget;
  private final Claims claims;
  private final List<Thread> threads;
  private final CountDownLatch stopping = new CountDownLatch(1);

  /**
   * Starts to consume.
   *
   * @param parallel how many jobs run at a time at most
   * @param budget what they may have together
   * @throws IllegalArgumentException if a job could be given a limit that the budget never has
   */
  Consumer(JobQueue queue, String name, Policy policy, int parallel, MemoryBudget budget) {
    if (budget.capacity() < policy.ceilingBytes()) {
      throw new IllegalArgumentException(
          "jobs may get "
              + MemorySize.format(policy.ceilingBytes())
              + ", which this consumer never has:\n"
              + budget.arithmetic());
    }
    this.queue = queue;
    this.name = name;
    this.policy = policy;
    this.budget = budget;
    this.claims = new Claims(queue, name, policy.minIdle());
    this.threads =
        IntStream.range(0, parallel).mapToObj(i -> new Thread(this::work, name + "-" + i)).toList();
    threads.forEach(Thread::start);
  }

  /**
   * Consumes until SIGTERM; then finishes what can be finished within the grace period, and gives
   * back the rest.
   *
   * @param arguments the server, the consumer's name, how many jobs at a time, the budget, the
   *     largest limit of a job, seconds after which a message is taken from a consumer without a
   *     sign of life, seconds of grace
   */
  public static void main(String[] arguments) {
    Policy policy =
        Policy.withCeiling(arguments[4])
            .withMinIdle(Duration.ofSeconds(Integer.parseInt(arguments[5])));
    Duration grace = Duration.ofSeconds(Integer.parseInt(arguments[6]));
    JobQueue queue = new JobQueue(URI.create(arguments[0]));
    Consumer consumer =
        new Consumer(
            queue,
            arguments[1],
            policy,
            Integer.parseInt(arguments[2]),
            MemoryBudget.of(arguments[3]));
    Runtime.getRuntime().addShutdownHook(new Thread(() -> consumer.stop(grace), "stop"));
    LOG.info("{}: consumes from {}", arguments[1], arguments[0]);
  }

  private void work() {
    while (!isStopping(Duration.ZERO)) {
      try {
        next().ifPresent(this::handle);
      } catch (JedisException e) {
        LOG.warn("{}: Redis: {}", name, e.getMessage());
        isStopping(AFTER_TROUBLE);
      } catch (RuntimeException e) { // a thread less would go unnoticed
        LOG.error("{}: goes on after", name, e);
        isStopping(AFTER_TROUBLE);
      }
    }
  }

  private Optional<Message> next() {
    Optional<Message> abandoned =
        claims.mayTakeFromOthers() ? queue.takeAbandoned(name, policy.minIdle()) : Optional.empty();
    return abandoned.isPresent() ? abandoned : queue.take(name);
  }

  private void handle(Message message) {
    FutureTask<Verdict> attempt = new FutureTask<>(() -> verdict(message));
    claims.hold(message, attempt);
    if (isStopping(Duration.ZERO)) { // it came in the last moment
      attempt.cancel(true);
    }
    try {
      attempt.run(); // on this thread; the claims may cancel it, which interrupts only this
      Thread.interrupted();
      settle(message, attempt.get());
    } catch (CancellationException e) {
      giveBack(message);
    } catch (ExecutionException e) {
      LOG.error("{}: {} stays with it until others take it", name, message.id(), e.getCause());
    } catch (InterruptedException e) {
      throw new AssertionError("nobody waits for what is done", e);
    } finally {
      claims.release(message);
    }
  }

  private Verdict verdict(Message message) throws IOException, InterruptedException {
    if (message.deliveries() > policy.deliveries()) {
      return new Verdict.Dead(
          message.fields(),
          "consumers-died",
          (message.deliveries() - 1) + " consumers had it and showed no sign of life any more.");
    }
    Job job;
    try {
      job = Job.fromFields(message.fields());
    } catch (IllegalArgumentException e) {
      return new Verdict.Dead(message.fields(), "malformed", String.valueOf(e.getMessage()));
    }
    queue.count("started");
    try {
      return attempt(job);
    } catch (LaunchException e) {
      return e.isRetryable()
          ? policy.afterFailure(job, "launch", String.valueOf(e.getMessage()))
          : new Verdict.Dead(job.toFields(), "launch", String.valueOf(e.getMessage()));
    }
  }

  private Verdict attempt(Job job) throws IOException, InterruptedException {
    Path output = Files.createTempFile("job-", ".out");
    try {
      Outcome outcome =
          guard.run(
              new ProcessBuilder(job.command()).redirectOutput(output.toFile()),
              MemoryLimits.of(Math.min(job.limitBytes(), budget.capacity())),
              LaunchOptions.defaults()
                  .withTimeout(job.timeout())
                  .withBudget(budget)
                  .withRetryable(true)
                  .withDieWithParent(true)); // who takes the message over must not find it running
      return policy.decide(job, outcome, output);
    } finally {
      Files.deleteIfExists(output);
    }
  }

  /** What was decided is worth some patience: otherwise the work is done again. */
  private void settle(Message message, Verdict verdict) {
    while (true) {
      try {
        if (!queue.settle(message, verdict)) {
          LOG.info("{}: {} was settled by another consumer", name, message.id());
        }
        return;
      } catch (JedisException e) {
        LOG.warn("{}: {} cannot be settled yet: {}", name, message.id(), e.getMessage());
        if (isStopping(AFTER_TROUBLE)) {
          return;
        }
      }
    }
  }

  /** Puts it into the queue again, unless another consumer has it. */
  private void giveBack(Message message) {
    if (queue.renew(name, Set.of(message.id())).isEmpty()) {
      settle(message, new Verdict.Again(message.fields(), "given back"));
    }
  }

  private boolean isStopping(Duration atMost) {
    try {
      return stopping.await(atMost.toMillis(), TimeUnit.MILLISECONDS);
    } catch (InterruptedException e) {
      return stopping.getCount() == 0; // meant for an attempt that was over
    }
  }

  /**
   * Takes no more jobs, waits for those that run, and gives back those that are not done in time.
   *
   * @param grace how long it waits
   */
  void stop(Duration grace) {
    stopping.countDown();
    long deadline = System.nanoTime() + grace.toNanos();
    try {
      for (Thread thread : threads) {
        thread.join(Math.max(1, TimeUnit.NANOSECONDS.toMillis(deadline - System.nanoTime())));
      }
      claims.cancelAll();
      for (Thread thread : threads) {
        thread.join();
      }
      queue.leave(name);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt(); // then others take what it has
    } catch (JedisException e) {
      LOG.warn("{}: leaves without a word: {}", name, e.getMessage());
    }
    claims.close();
    guard.close();
    queue.close();
  }

  /** Stops at once. */
  @Override
  public void close() {
    stop(Duration.ZERO);
  }
}
