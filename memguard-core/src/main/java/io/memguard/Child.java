package io.memguard;

import io.memguard.limits.Protection;
import io.memguard.limits.ProtectionState;
import io.memguard.outcome.ResourceUsage;
import io.memguard.outcome.Signal;
import io.memguard.outcome.WaitStatus;
import java.io.InputStream;
import java.io.OutputStream;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/** A running child, whichever engine started it. */
interface Child {
  /** How much of stdout is kept as evidence, in bytes. */
  int OUTPUT_TAIL = 8 << 10;

  /** Of stderr: Go prints why it ends, and then all that its goroutines were doing. */
  int ERROR_TAIL = 32 << 10;

  /**
   * How it ended, as far as the engine can know.
   *
   * @param status the wait status
   * @param usage what it used, or empty if that is unknown
   * @param at when that was seen, as {@link System#nanoTime}
   */
  record End(WaitStatus status, Optional<ResourceUsage> usage, long at) {}

  long pid();

  OutputStream stdin();

  InputStream stdout();

  InputStream stderr();

  Map<Protection, ProtectionState> protections();

  /** Tells whether a shell is still in front of the program, and may have to join the leaf yet. */
  boolean isOnItsWay();

  /** Sends a signal, to this child and no other; without effect once it has ended. */
  void signal(Signal signal);

  /** Tells whether it has ended, even if that is not known to everybody yet. */
  boolean hasEnded();

  /** Closes the caller's ends of its pipes, without writing what is still buffered. */
  void closeStreams();

  /** Returns the JDK's view of it, or empty if it has been reaped. */
  Optional<ProcessHandle> handle();

  /**
   * Waits for its end on the calling thread, which cannot be interrupted meanwhile, if that is the
   * shorter way.
   *
   * @param nanos how long at most
   */
  void await(long nanos);

  /** Completes when it was reaped, on a thread that must not be held up. */
  CompletableFuture<End> end();

  String outputTail();

  String errorTail();
}
