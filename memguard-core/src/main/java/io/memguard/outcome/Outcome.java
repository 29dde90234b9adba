package io.memguard.outcome;

import java.time.Duration;
import java.util.List;
import java.util.OptionalLong;

/**
 * How a guarded child ended. Exactly one of five things is true, and the type says which.
 * Immutable; safe to share between threads.
 *
 * <p>A SIGKILL without a memory event is {@link Signalled}, never {@link OutOfMemory}: many send
 * that signal. An exit code 0 is {@link Exited}, even if an allocation was refused on the way;
 * {@link #evidence()} tells.
 */
public sealed interface Outcome {
  /**
   * The child ended itself ({@code _exit(2)}).
   *
   * @param code 0 to 255
   * @param evidence how that is known
   */
  record Exited(int code, Evidence evidence) implements Outcome {
    @Override
    public boolean isSuccess() {
      return code == 0;
    }

    @Override
    public String explanation() {
      return "It exited with code " + code + evidence.refusedBefore() + ".";
    }

    @Override
    public String label() {
      return "exited";
    }

    @Override
    public ChildProcessException toException() {
      return new ChildExitException(this);
    }

    @Override
    public Exited withEarlierAttempts(List<Outcome> earlier) {
      return new Exited(code, evidence.withEarlierAttempts(earlier));
    }
  }

  /**
   * A signal that memguard did not send ended the child, and nothing speaks for memory as the
   * reason.
   *
   * @param signal which one
   * @param evidence how that is known
   */
  record Signalled(Signal signal, Evidence evidence) implements Outcome {
    @Override
    public String explanation() {
      return "It was killed by "
          + signal
          + "; nothing that memguard watches"
          + evidence.cgroups().map(CgroupRecord::lookedAt).orElse("")
          + " shows a lack of memory, and who sent it is unknown"
          + evidence.refusedBefore()
          + ".";
    }

    @Override
    public String label() {
      return "signalled";
    }

    @Override
    public ChildProcessException toException() {
      return new ChildSignalledException(this);
    }

    @Override
    public Signalled withEarlierAttempts(List<Outcome> earlier) {
      return new Signalled(signal, evidence.withEarlierAttempts(earlier));
    }
  }

  /**
   * The child ran out of memory.
   *
   * @param cause whose limit it was
   * @param confidence how sure that is
   * @param refusedBytes the largest request that was refused, in bytes, or empty if it is unknown
   * @param suggestedLimitBytes a limit with which to try again, in bytes, or empty if none is known
   * @param hung true if it stopped making progress after the refusal and was ended
   * @param explanation one sentence for people
   * @param evidence how all that is known
   */
  record OutOfMemory(
      Cause cause,
      Confidence confidence,
      OptionalLong refusedBytes,
      OptionalLong suggestedLimitBytes,
      boolean hung,
      String explanation,
      Evidence evidence)
      implements Outcome {
    /**
     * Returns the limit it ran into.
     *
     * @return bytes, or empty if it is unknown
     */
    public OptionalLong limitBytes() {
      return evidence
          .preemption()
          .map(reading -> OptionalLong.of(reading.limitBytes()))
          .orElseGet(evidence::limitBytes);
    }

    @Override
    public String label() {
      return "out-of-memory";
    }

    @Override
    public ChildProcessException toException() {
      return ChildOutOfMemoryException.of(this);
    }

    @Override
    public OutOfMemory withEarlierAttempts(List<Outcome> earlier) {
      return new OutOfMemory(
          cause,
          confidence,
          refusedBytes,
          suggestedLimitBytes,
          hung,
          explanation,
          evidence.withEarlierAttempts(earlier));
    }
  }

  /**
   * The child's time was over, and memguard ended it.
   *
   * @param timeout what it had been given
   * @param evidence how that is known
   */
  record TimedOut(Duration timeout, Evidence evidence) implements Outcome {
    @Override
    public String explanation() {
      return "It had not ended after " + timeout.toMillis() + " ms, and was ended by memguard.";
    }

    @Override
    public String label() {
      return "timed-out";
    }

    @Override
    public ChildProcessException toException() {
      return new ChildTimeoutException(this);
    }

    @Override
    public TimedOut withEarlierAttempts(List<Outcome> earlier) {
      return new TimedOut(timeout, evidence.withEarlierAttempts(earlier));
    }
  }

  /**
   * The caller ended the child, by destroying it or by closing the guard.
   *
   * @param evidence how that is known
   */
  record Cancelled(Evidence evidence) implements Outcome {
    @Override
    public String explanation() {
      return "It was ended at the caller's request (" + evidence.status() + ").";
    }

    @Override
    public String label() {
      return "cancelled";
    }

    @Override
    public ChildProcessException toException() {
      return new ChildCancelledException(this);
    }

    @Override
    public Cancelled withEarlierAttempts(List<Outcome> earlier) {
      return new Cancelled(evidence.withEarlierAttempts(earlier));
    }
  }

  /**
   * Returns the facts behind it.
   *
   * @return the evidence
   */
  Evidence evidence();

  /**
   * Returns its kind in kebab-case, as reports, logs, recordings and meters have it.
   *
   * @return {@code "exited"}, {@code "signalled"}, {@code "out-of-memory"}, {@code "timed-out"} or
   *     {@code "cancelled"}
   */
  String label();

  /**
   * Says in one sentence, for people, what happened.
   *
   * @return the sentence
   */
  String explanation();

  /**
   * Makes the exception that stands for this outcome, with the exceptions of the earlier attempts
   * suppressed in it.
   *
   * @return a new exception, not thrown
   */
  ChildProcessException toException();

  /**
   * Tells whether the child exited with code 0.
   *
   * @return true if it did
   */
  default boolean isSuccess() {
    return false;
  }

  /**
   * Returns how the attempts before this one ended.
   *
   * @return oldest first; empty without a retry
   */
  default List<Outcome> earlierAttempts() {
    return evidence().earlierAttempts();
  }

  /**
   * Returns the same outcome with other attempts before it.
   *
   * @param earlier the attempts, oldest first
   * @return the new outcome
   */
  Outcome withEarlierAttempts(List<Outcome> earlier);

  /**
   * Throws the typed exception of this outcome, unless the child exited with code 0.
   *
   * @return this
   * @throws ChildProcessException if it did not succeed
   */
  default Outcome orThrow() {
    if (isSuccess()) {
      return this;
    }
    throw toException();
  }

  /**
   * Puts into words who it was, why it ran out of memory if it did, its limit and peak, and the
   * limit to try, for the message of an exception or a log line.
   *
   * @return for example {@code "python3, pid 42: allocation-denied, certain; limit 64MiB, peak RSS
   *     68.5MiB, after 1204 ms; try 96MiB"}, or {@code "sh, pid 42, after 19 ms"}
   */
  default String summary() {
    return Summary.of(this);
  }
}
