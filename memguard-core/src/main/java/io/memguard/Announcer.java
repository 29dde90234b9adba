package io.memguard;

import io.memguard.events.ChildEnd;
import io.memguard.events.ChildLaunch;
import io.memguard.events.FailedLaunch;
import io.memguard.events.WhatNext;
import io.memguard.launch.LaunchException;
import io.memguard.limits.LaunchOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.outcome.Outcome;
import io.memguard.platform.Elsewhere;
import io.memguard.platform.ProgramFile;
import io.memguard.platform.jfr.Recorder;
import io.memguard.recover.RetryPolicy;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Says of launches and ends what is to be said of them: to the log, a flight recording, and the
 * guard's listeners. One a guard.
 *
 * <p>The end of a child that was run is told by the thread that ran it, when it knows what comes
 * next; that of a pool's worker by its slot's thread; that of one that was started by whoever
 * reaped it, and before its outcome is known to others. Only the log can make anybody wait, and
 * that must not be who reaps: what has no other thread is written on one of its own, line by line.
 * Safe to share between threads.
 */
final class Announcer {
  private static final Logger LAUNCHES = LoggerFactory.getLogger("io.memguard.launch");
  private static final Duration PATIENCE = Duration.ofSeconds(1);

  /** Lines that wait for a log that blocks; each may hold 40 KiB of text. */
  private static final int MOST_LINES = 1000;

  private final MemoryEvents events;
  private final Recorder recorder;

  /** Ends that are known to those who decide what is next, and not told yet. */
  private final Map<Launch, CompletableFuture<Void>> undecided = new ConcurrentHashMap<>();

  private final AtomicInteger waitingLines = new AtomicInteger();
  private final AtomicLong lostLines = new AtomicLong();

  /** Completes when all lines were written that wait for it. */
  private CompletableFuture<?> lines = CompletableFuture.completedFuture(null);

  Announcer(MemoryEvents events, Recorder recorder) {
    this.events = events;
    this.recorder = recorder;
  }

  Recorder recorder() {
    return recorder;
  }

  /** Prepares for a launch whose end is told by whoever decides what is next. */
  Launch deciding(ProcessBuilder job, MemoryLimits limits, LaunchOptions options, int attempt) {
    return new Launch(job, limits, options, attempt, false);
  }

  /** Prepares for a launch whose end is told by {@link Launch#endedByItself}. */
  Launch onItsOwn(ProcessBuilder job, MemoryLimits limits, LaunchOptions options) {
    return new Launch(job, limits, options, 1, true);
  }

  /** Waits until ends that are known were told and logged, a second at most. */
  void awaitDecisions() {
    CompletableFuture<Void> all =
        CompletableFuture.allOf(undecided.values().toArray(CompletableFuture<?>[]::new))
            .thenCompose(told -> lines());
    try {
      Elsewhere.completeAfter(all, null, PATIENCE).join();
    } catch (OutOfMemoryError e) { // no thread is to be had for the timer: then it is not waited
      LAUNCHES.debug("The last ends are not waited for", e);
    }
  }

  private synchronized CompletableFuture<Void> lines() {
    return lines.handle((last, trouble) -> null);
  }

  /** Has a line written after those before it: a log that blocks keeps one thread, and no more. */
  private synchronized void writeElsewhere(Runnable line) {
    if (waitingLines.incrementAndGet() > MOST_LINES) {
      waitingLines.decrementAndGet();
      lostLines.incrementAndGet();
      return;
    }
    lines =
        lines.handleAsync(
            (before, trouble) -> {
              waitingLines.decrementAndGet();
              line.run();
              long lost = lostLines.getAndSet(0);
              if (lost > 0) {
                LAUNCHES.warn("The log has blocked, and has not the ends of {} children", lost);
              }
              return null;
            },
            Elsewhere::run);
  }

  /** One launch, and the child that comes of it. Used by one thread after the other. */
  final class Launch {
    private final String file;
    private final MemoryLimits limits;
    private final LaunchOptions options;
    private final int attempt;
    private final boolean onItsOwn;

    /** What the launching thread's MDC had; for where another thread writes the log. */
    private final Map<String, String> context;

    private volatile @Nullable Outcome known;
    private Recorder.Launch recorded = Recorder.Launch.NONE;
    private long began;

    private Launch(
        ProcessBuilder job,
        MemoryLimits limits,
        LaunchOptions options,
        int attempt,
        boolean onItsOwn) {
      List<String> command = Objects.requireNonNull(job, "job").command();
      String first = command.isEmpty() ? null : command.get(0);
      this.file = first == null ? "" : first;
      this.limits = Objects.requireNonNull(limits, "limits");
      this.options = Objects.requireNonNull(options, "options");
      this.attempt = attempt;
      this.onItsOwn = onItsOwn;
      this.context = onItsOwn ? EndLog.context() : Map.of();
    }

    /** Its time begins now; before, it may have waited for its memory. */
    void begins() {
      began = System.nanoTime();
      recorded = recorder.launching();
    }

    /** Says that it was started, before anything else is said of it. */
    void started(long pid) {
      boolean inRecording = recorded != Recorder.Launch.NONE;
      boolean told = events.hasListeners();
      if (told && !onItsOwn) {
        undecided.put(this, new CompletableFuture<>());
      }
      if (inRecording || told || LAUNCHES.isDebugEnabled()) {
        Duration took = Duration.ofNanos(System.nanoTime() - began);
        ChildLaunch launch = new ChildLaunch(name(), pid, program(), limits, took);
        recorded.started(launch);
        events.tell(listener -> listener.launched(launch));
        LAUNCHES.debug("{} (pid {}) was started: {}", launch.name(), pid, limits);
      }
    }

    /** Says that it could not be started; the caller knows by an exception. */
    void failed(LaunchException reason, WhatNext next) {
      FailedLaunch failure =
          new FailedLaunch(
              name(),
              program(),
              limits,
              reason.step().name().toLowerCase(Locale.ROOT).replace('_', '-'),
              reason.errnoName(),
              String.valueOf(reason.getMessage()),
              next);
      recorder.failed(failure);
      events.tell(listener -> listener.launchFailed(failure));
      if (next == WhatNext.RETRY) {
        LAUNCHES.info("{} is tried again: {}", failure.name(), failure.message());
      } else {
        LAUNCHES.debug("{}: {}", failure.name(), failure.message());
      }
    }

    /** Says how it ended, unless somebody else will; must not wait. */
    void endedByItself(Outcome outcome) {
      known = outcome;
      if (onItsOwn) {
        tell(outcome, attempt, WhatNext.NOTHING, Optional.empty(), true);
      }
    }

    /** Says how it ended, after its end: who was to do that has failed. Must not wait. */
    void abandoned() {
      Outcome outcome = known;
      if (outcome != null && !onItsOwn) {
        tell(outcome, attempt, WhatNext.NOTHING, Optional.empty(), true);
      }
      settled();
    }

    /** Says how it ended, and that this is all. */
    void ended(Outcome outcome) {
      ended(outcome, attempt, WhatNext.NOTHING, Optional.empty());
    }

    /** Says how an attempt ended, or why it could not be made, and whether there is another. */
    void ended(RetryPolicy.Attempt attempt) {
      WhatNext next = attempt.isLast() ? WhatNext.GIVE_UP : WhatNext.RETRY;
      attempt.launchFailure().ifPresent(reason -> failed(reason, next));
      attempt
          .outcome()
          .ifPresent(
              outcome ->
                  ended(
                      outcome,
                      attempt.number(),
                      outcome.isSuccess() ? WhatNext.NOTHING : next,
                      attempt.isLast() ? Optional.empty() : Optional.of(attempt.nextLimits())));
    }

    /** Says how it ended, and what is next. */
    void ended(Outcome outcome, int which, WhatNext next, Optional<MemoryLimits> nextLimits) {
      try {
        tell(outcome, which, next, nextLimits, false);
      } finally {
        settled();
      }
    }

    private void settled() {
      CompletableFuture<Void> end = undecided.isEmpty() ? null : undecided.remove(this);
      if (end != null) {
        end.complete(null);
      }
    }

    private void tell(
        Outcome outcome,
        int which,
        WhatNext next,
        Optional<MemoryLimits> nextLimits,
        boolean mustNotWait) {
      try {
        boolean logged = EndLog.isEnabled(outcome, next);
        if (!logged && !recorder.recordsEnds() && !events.hasListeners()) {
          return;
        }
        OptionalLong limit = nextLimits.map(MemoryLimits::memory).orElse(OptionalLong.empty());
        ChildEnd end = new ChildEnd(name(), outcome, which, next, limit);
        recorder.ended(end);
        events.tell(listener -> listener.ended(end));
        if (logged && mustNotWait) {
          writeElsewhere(() -> EndLog.write(end, context));
        } else if (logged) {
          EndLog.write(end, EndLog.context());
        }
      } catch (RuntimeException | Error e) { // whoever waits for the outcome is to have it
        Elsewhere.run(() -> LAUNCHES.error("The end of a child could not be told", e));
      }
    }

    private String program() {
      return ProgramFile.nameOf(file);
    }

    private String name() {
      return options.name().orElseGet(this::program);
    }
  }
}
