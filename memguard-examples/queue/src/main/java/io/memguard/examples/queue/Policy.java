package io.memguard.examples.queue;

import io.memguard.limits.MemoryLimits;
import io.memguard.limits.MemorySize;
import io.memguard.outcome.Outcome;
import io.memguard.recover.RetryPolicy;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.OptionalLong;

/**
 * Decides what becomes of a job after an attempt. Attempts that ran out of memory have a budget of
 * their own, apart from other failures, and both travel with the message.
 *
 * @param memoryAttempts how many attempts may run out of memory
 * @param otherAttempts how many may fail for another reason
 * @param ceilingBytes the largest limit an attempt gets
 * @param deliveries how often a message is handed out that never came back: its consumers died
 * @param minIdle after which a message is taken from a consumer that shows no sign of life
 */
record Policy(
    int memoryAttempts, int otherAttempts, long ceilingBytes, int deliveries, Duration minIdle) {
  /** Larger results belong into a store of their own, with their place as the result. */
  private static final long RESULT_BYTES = 1 << 20;

  static Policy withCeiling(String ceiling) {
    return new Policy(4, 2, MemorySize.parse(ceiling), 5, Duration.ofSeconds(30));
  }

  Policy withMinIdle(Duration value) {
    return new Policy(memoryAttempts, otherAttempts, ceilingBytes, deliveries, value);
  }

  /**
   * Decides.
   *
   * @param output what the attempt printed: the result, if it succeeded
   */
  Verdict decide(Job job, Outcome outcome, Path output) throws IOException {
    if (outcome.isSuccess()) {
      long bytes = Files.size(output);
      return bytes <= RESULT_BYTES
          ? new Verdict.Done(
              job.id(), new String(Files.readAllBytes(output), StandardCharsets.UTF_8).strip())
          : new Verdict.Dead(
              job.toFields(), "long-result", "It printed " + bytes + " bytes, too many for Redis.");
    }
    if (outcome instanceof Outcome.Cancelled) {
      return new Verdict.Again(job.toFields(), "given back");
    }
    return outcome instanceof Outcome.OutOfMemory memory
        ? afterOutOfMemory(job, memory)
        : afterFailure(job, name(outcome), outcome.explanation());
  }

  private Verdict afterOutOfMemory(Job job, Outcome.OutOfMemory outcome) {
    OptionalLong limit =
        RetryPolicy.onOutOfMemory()
            .upTo(ceilingBytes)
            .nextLimits(MemoryLimits.of(job.limitBytes()), outcome)
            .map(MemoryLimits::memory)
            .orElse(OptionalLong.empty());
    Job next = job.afterOutOfMemory(outcome.explanation(), limit.orElse(job.limitBytes()));
    if (limit.isEmpty() || next.memoryFailures() >= memoryAttempts) {
      return new Verdict.Dead(next.toFields(), outcome.cause().label(), outcome.explanation());
    }
    return new Verdict.Again(
        next.toFields(), next.limitBytes() > job.limitBytes() ? "escalated" : "retried");
  }

  Verdict afterFailure(Job job, String cause, String explanation) {
    Job next = job.afterFailure(explanation);
    return next.otherFailures() < otherAttempts
        ? new Verdict.Again(next.toFields(), "retried")
        : new Verdict.Dead(next.toFields(), cause, explanation);
  }

  private static String name(Outcome outcome) {
    if (outcome instanceof Outcome.Exited exited) {
      return "exit-" + exited.code();
    }
    if (outcome instanceof Outcome.Signalled signalled) {
      return "signal-" + signalled.signal();
    }
    return "timed-out";
  }
}
