package io.memguard.platform.jfr;

import io.memguard.events.ChildEnd;
import io.memguard.events.ChildLaunch;
import io.memguard.events.FailedLaunch;
import io.memguard.outcome.MemoryEvent;
import io.memguard.outcome.Preemption;
import java.util.OptionalLong;

/**
 * Writes what happens into flight recordings. This interface needs no {@code jdk.jfr}, and does
 * nothing where there is none. While nobody records, nothing is allocated, and what is asked is a
 * field. Safe to share between threads; waits for nothing.
 */
public interface Recorder {
  /** Records nothing. */
  Recorder NONE = new Recorder() {};

  /** A launch that goes on. */
  interface Launch {
    /** Is not recorded. */
    Launch NONE = child -> {};

    /** Notes that the child was started. */
    void started(ChildLaunch child);
  }

  /**
   * What changed in a pool.
   *
   * @param program the workers' program
   * @param what one of "worker started", "worker ended", "task retried", "task quarantined"
   * @param pid the worker
   * @param limitBytes what it may use, or for a task its next worker
   * @param task its number, or empty
   * @param reason why, or an empty text
   */
  record PoolChange(
      String program,
      String what,
      long pid,
      OptionalLong limitBytes,
      OptionalLong task,
      String reason) {}

  /** Finds the JDK's recorder; one that does nothing where the module jdk.jfr is missing. */
  static Recorder find() {
    try {
      return new FlightRecorder();
    } catch (LinkageError e) { // no jdk.jfr in this run-time image, or nobody requires it
      return NONE;
    }
  }

  /** Begins to take the time of a launch. */
  default Launch launching() {
    return Launch.NONE;
  }

  /** Records a launch that failed. */
  default void failed(FailedLaunch failure) {}

  /** Tells whether ends of children are recorded now. */
  default boolean recordsEnds() {
    return false;
  }

  /** Records the end of a child. */
  default void ended(ChildEnd end) {}

  /** Tells whether what happens to memory is recorded now, so that somebody has to look. */
  default boolean recordsMemory() {
    return false;
  }

  /** Records what happened to memory, but for {@link MemoryEvent.Kind#PREEMPTED}. */
  default void memory(MemoryEvent event) {}

  /** Records that memguard ended a child, or what it left behind, for its memory. */
  default void preempted(long child, Preemption reading) {}

  /** Records what changed in a pool. */
  default void changed(PoolChange change) {}
}
