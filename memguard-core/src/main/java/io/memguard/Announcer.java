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
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.MDC;

/**
 * Says of launches and ends what is to be said of them: to the log, a flight recording, and the
 * guard's listeners. One a guard.
 *
 * <p>The end of a child that was run is told by the thread that ran it, when it knows what comes
 * next; that of a pool's worker by its slot's thread; that of one that was started by whoever
 * reaped it, and before its outcome is known to others. Only the log can make anybody wait; of a
 * child that was started it is written on another thread. Safe to share between threads.
 */
final class Announcer {
  private static final Logger LAUNCHES = LoggerFactory.getLogger("io.memguard.launch");
  private static final long PATIENCE_MILLIS = 1000;

  private final MemoryEvents events;
  private final Recorder recorder;

  /** Ends that are known to those who decide what is next, and not told yet. */
  private final Map<Launch, CompletableFuture<Void>> undecided = new ConcurrentHashMap<>();

  Announcer(MemoryEvents events, Recorder recorder) {
    this.events = events;
    this.recorder = recorder;
  }

  Recorder recorder() {
    return recorder;
  }

  /** Prepares for a launch whose end is told by whoever decides what is next. */
  Launch deciding(ProcessBuilder job, MemoryLimits limits, LaunchOptions options) {
    return new Launch(job, limits, options, false);
  }

  /** Prepares for a launch whose end is told by {@link Launch#endedByItself}. */
  Launch onItsOwn(ProcessBuilder job, MemoryLimits limits, LaunchOptions options) {
    return new Launch(job, limits, options, true);
  }

  /** Waits until ends that are known were told, a second at most. */
  void awaitDecisions() {
    CompletableFuture.allOf(undecided.values().toArray(CompletableFuture<?>[]::new))
        .completeOnTimeout(null, PATIENCE_MILLIS, TimeUnit.MILLISECONDS)
        .join();
  }

  /** One launch, and the child that comes of it. Used by one thread after the other. */
  final class Launch {
    private final String file;
    private final MemoryLimits limits;
    private final LaunchOptions options;
    private final boolean onItsOwn;

    /** What the launching thread's MDC had; only where another thread writes the log. */
    private final @Nullable Map<String, String> context;

    private Recorder.Launch recorded = Recorder.Launch.NONE;
    private long began;

    private Launch(
        ProcessBuilder job, MemoryLimits limits, LaunchOptions options, boolean onItsOwn) {
      List<String> command = Objects.requireNonNull(job, "job").command();
      String first = command.isEmpty() ? null : command.get(0);
      this.file = first == null ? "" : first;
      this.limits = Objects.requireNonNull(limits, "limits");
      this.options = Objects.requireNonNull(options, "options");
      this.onItsOwn = onItsOwn;
      this.context = onItsOwn ? MDC.getCopyOfContextMap() : null;
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
      if (onItsOwn) {
        tell(outcome, 1, WhatNext.NOTHING, Optional.empty());
      }
    }

    /** Says how it ended, and that this is all. */
    void ended(Outcome outcome) {
      ended(outcome, 1, WhatNext.NOTHING, Optional.empty());
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
    void ended(Outcome outcome, int attempt, WhatNext next, Optional<MemoryLimits> nextLimits) {
      try {
        tell(outcome, attempt, next, nextLimits);
      } finally {
        settled();
      }
    }

    /** Nothing more will be said of it. */
    void settled() {
      CompletableFuture<Void> end = undecided.isEmpty() ? null : undecided.remove(this);
      if (end != null) {
        end.complete(null);
      }
    }

    private void tell(
        Outcome outcome, int attempt, WhatNext next, Optional<MemoryLimits> nextLimits) {
      try {
        boolean logged = EndLog.isEnabled(outcome, next);
        if (!logged && !recorder.recordsEnds() && !events.hasListeners()) {
          return;
        }
        OptionalLong limit = nextLimits.map(MemoryLimits::memory).orElse(OptionalLong.empty());
        ChildEnd end = new ChildEnd(name(), outcome, attempt, next, limit);
        recorder.ended(end);
        events.tell(listener -> listener.ended(end));
        if (logged && onItsOwn) {
          Elsewhere.run(() -> write(end));
        } else if (logged) {
          write(end);
        }
      } catch (RuntimeException | Error e) { // whoever waits for the outcome is to have it
        LAUNCHES.error("The end of a child could not be told", e);
      }
    }

    private void write(ChildEnd end) {
      EndLog.write(end, context);
    }

    private String program() {
      return ProgramFile.nameOf(file);
    }

    private String name() {
      return options.name().orElseGet(this::program);
    }
  }
}
