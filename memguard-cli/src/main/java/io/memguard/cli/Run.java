package io.memguard.cli;

import io.memguard.Capabilities;
import io.memguard.GuardedProcess;
import io.memguard.MemoryGuard;
import io.memguard.PrepareOptions;
import io.memguard.launch.LaunchException;
import io.memguard.limits.LaunchOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.limits.MemorySize;
import io.memguard.limits.Protection;
import io.memguard.limits.ProtectionState;
import io.memguard.limits.Requirement;
import io.memguard.outcome.MemoryEvent;
import io.memguard.outcome.Outcome;
import io.memguard.outcome.Signal;
import io.memguard.platform.OrphanReaper;
import io.memguard.platform.StandardInput;
import io.memguard.recover.RetryPolicy;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** Runs the command, once or until it has memory enough, and tells people and programs about it. */
final class Run {
  /**
   * What is asked for.
   *
   * @param attempts how often it may run at most
   * @param outOfMemoryStatus the exit status for every out-of-memory outcome
   * @param keptSignals signals that are not passed on
   * @param preparation how to make room for cgroups first; empty to move nobody
   */
  record Request(
      List<String> command,
      MemoryLimits limits,
      LaunchOptions options,
      RetryPolicy retry,
      int attempts,
      int outOfMemoryStatus,
      Set<Signal> keptSignals,
      Optional<PrepareOptions> preparation) {}

  private static final long PATIENCE_MILLIS = 500;
  private static final int LOOKS = 20;
  private static final long LOOK_MILLIS = 10;

  private final Request request;
  private final Consumer<String> people;
  private final @Nullable OutputFile reportFile;
  private final Optional<Watch> watch;
  private final Optional<PlotFile> plot;
  private final ProcessBuilder job;
  private final LaunchOptions options;
  private final Signals signals;
  private final List<Outcome> ended = new ArrayList<>();
  private volatile CompletableFuture<GuardedProcess> running = new CompletableFuture<>();

  /**
   * Prepares, and takes signals over.
   *
   * @param view what shows people the memory while it runs, and how often; empty for nothing
   */
  Run(
      Request request,
      Consumer<String> people,
      @Nullable OutputFile reportFile,
      Optional<PlotFile> plot,
      Optional<Duration> view) {
    this.request = request;
    this.people = people;
    this.reportFile = reportFile;
    this.plot = plot;
    this.watch =
        plot.isPresent() || view.isPresent()
            ? Optional.of(
                new Watch(
                    view.map(interval -> View.here(interval.toNanos())),
                    plot.map(PlotFile::history),
                    view.orElse(Duration.ZERO),
                    request.attempts()))
            : Optional.empty();
    this.signals = Signals.install(request.keptSignals()); // before anything is started
    this.job = new ProcessBuilder(request.command());
    StandardStreams.passTo(job);
    job.environment().remove(Signals.RESERVED_VARIABLE);
    this.options = whereNobodyFeedsIt(request.options()).withMemoryListener(this::tell);
  }

  /** Where somebody may still give it something to do, it does not hang if it waits for that. */
  private LaunchOptions whereNobodyFeedsIt(LaunchOptions asked) {
    return asked.hangGrace().isPresent()
            || isSupervisor()
            || StandardInput.canBeFed(job.redirectInput())
        ? asked
        : asked.withHangGrace(LaunchOptions.DEFAULT_HANG_GRACE);
  }

  /** Returns the exit status. */
  int execute() {
    MemoryGuard guard;
    try {
      prepare();
      guard = MemoryGuard.create();
    } catch (IOException // no room for cgroups
        | IllegalStateException
        | IllegalArgumentException e) { // the engine asked for
      String reason = String.valueOf(e.getMessage());
      Console.say(reason);
      return report(Report.launchFailed(reason), ExitStatus.OWN_ERROR);
    }
    try (guard) {
      signals.tie(guard);
      tellFallback(guard);
      watch.ifPresent(it -> tellBlind(guard));
      Outcome outcome = attempts(guard);
      watch.ifPresent(Watch::close);
      tell(outcome);
      int status = ExitStatus.of(outcome, request.outOfMemoryStatus());
      return report(Report.of(outcome), plot(outcome, status));
    } catch (LaunchException e) {
      watch.ifPresent(Watch::close);
      Console.say(String.valueOf(e.getMessage()));
      int status = ExitStatus.of(e);
      return report(
          Report.of(e, ended),
          ended.isEmpty() ? status : plot(ended.get(ended.size() - 1), status));
    } finally {
      watch.ifPresent(Watch::close); // whatever was thrown, the terminal is as it was
    }
  }

  private void prepare() throws IOException {
    if (request.preparation().isPresent()) {
      List<String> done = MemoryGuard.prepare(request.preparation().get());
      if (!done.isEmpty()) {
        people.accept("prepared: " + String.join(", ", done));
      }
    }
  }

  private Outcome attempts(MemoryGuard guard) throws LaunchException {
    OrphanReaper reaper = OrphanReaper.start();
    try {
      return request
          .retry()
          .listener(attempt -> attempt.outcome().ifPresent(outcome -> next(attempt, outcome)))
          .execute(request.limits(), limits -> attempt(guard, limits, reaper));
    } catch (Stop e) {
      return e.last;
    } catch (InterruptedException e) {
      throw new IllegalStateException("the main thread was interrupted", e);
    }
  }

  private Outcome attempt(MemoryGuard guard, MemoryLimits limits, OrphanReaper reaper)
      throws LaunchException {
    CompletableFuture<GuardedProcess> started = new CompletableFuture<>();
    running = started; // for what is told before start returns
    long began = System.nanoTime();
    GuardedProcess process = reaper.sparing(() -> guard.start(job, limits, options));
    started.complete(process);
    signals.to(process.pid());
    watch.ifPresent(it -> it.began(process, began));
    tellInactive(process);
    Outcome outcome = process.outcome().join();
    watch.ifPresent(it -> it.ended(outcome));
    return outcome;
  }

  /** What happens to the command itself is told at its end. */
  private void tell(MemoryEvent whole) {
    // Which of a pool's workers it was, only its command tells; others' may hold secrets.
    MemoryEvent event = isSupervisor() ? whole : whole.withoutCommands();
    if (watch.map(it -> it.happened(event)).orElse(false)) {
      return;
    }
    boolean itself =
        event.processes().stream().anyMatch(one -> one.pid() == event.child().orElse(0));
    boolean told =
        switch (event.kind()) {
          case REFUSED -> true;
          case OOM_KILL -> isSupervisor() && commandLives(); // else it is killed along
          default -> false;
        };
    if (told && !itself) {
      people.accept(event.explanation());
    }
  }

  private boolean isSupervisor() {
    return request.limits().requirement(Protection.WORKERS_FIRST) != Requirement.OFF;
  }

  /**
   * Tells whether it was somebody else that the kernel killed: by its number that cannot be told,
   * which in a container is another one. Whoever is killed is heard of a little later.
   */
  private boolean commandLives() {
    try {
      ProcessHandle command = running.get(PATIENCE_MILLIS, TimeUnit.MILLISECONDS).toHandle();
      for (int look = 0; look < LOOKS && command.isAlive(); look++) {
        TimeUnit.MILLISECONDS.sleep(LOOK_MILLIS);
      }
      return command.isAlive();
    } catch (ExecutionException | TimeoutException e) { // it could not be started
      return false;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    }
  }

  /** Nobody who asked memguard to end wants another attempt. */
  private void next(RetryPolicy.Attempt attempt, Outcome outcome) {
    ended.add(outcome.withEarlierAttempts(List.of()));
    if (attempt.isLast()) {
      return;
    }
    if (signals.askedToEnd()) {
      throw new Stop(outcome);
    }
    people.accept(
        "attempt "
            + attempt.number()
            + " of "
            + request.attempts()
            + ": "
            + sentence(outcome)
            + "; trying again with "
            + MemorySize.format(attempt.nextLimits().memory().orElse(0)));
  }

  private void tell(Outcome outcome) {
    if (!(outcome instanceof Outcome.Exited)) {
      String kind = outcome.label().replace('-', ' ');
      String sentence =
          outcome instanceof Outcome.Signalled end && signals.saw(end.signal())
              ? "It was ended by " + end.signal().name() + "; memguard was sent one too"
              : sentence(outcome);
      people.accept(kind + ": " + sentence + " [" + outcome.summary() + "]");
    }
  }

  /** Returns the explanation, as a part of a line. */
  private static String sentence(Outcome outcome) {
    return outcome.explanation().replaceFirst("\\.$", "");
  }

  private void tellFallback(MemoryGuard guard) {
    boolean asked = System.getProperty(MemoryGuard.ENGINE_PROPERTY, "auto").equals("portable");
    if (guard.engine() == Capabilities.Engine.PORTABLE && !asked) {
      people.accept("warning: using the portable engine: " + guard.capabilities().engineReason());
    }
  }

  private void tellBlind(MemoryGuard guard) {
    ProtectionState state = guard.capabilities().protections().get(Protection.TREE_WATCH);
    if (state != null && !state.active()) {
      people.accept("warning: nothing can be seen of its memory: " + state.reason());
    }
  }

  /** What was asked for and is not in force is said, once for each attempt. */
  private void tellInactive(GuardedProcess process) {
    Map<Protection, ProtectionState> all = process.protections();
    all.forEach(
        (protection, state) -> {
          if (!state.active() && matters(protection, all)) {
            people.accept("warning: no " + protection.label() + ": " + state.reason());
          }
          state
              .lacking()
              .ifPresent(what -> people.accept("warning: " + protection.label() + ": " + what));
        });
  }

  private boolean matters(Protection protection, Map<Protection, ProtectionState> all) {
    return switch (protection) {
      case WITNESS -> request.limits().bytes().isPresent();
      case TREE_WATCH ->
          request.limits().treeMemory().isPresent()
              && !isActive(all.get(Protection.CGROUP_LEAF)); // which does the same
      default -> true;
    };
  }

  private static boolean isActive(@Nullable ProtectionState state) {
    return state != null && state.active();
  }

  /** While signals still are the command's: who ends it by one has a plot all the same. */
  private int plot(Outcome outcome, int status) {
    if (plot.isEmpty()) {
      return status;
    }
    try {
      plot.get().write(String.join(" ", request.command()), History.words(outcome));
      return status;
    } catch (IOException e) {
      Console.say("the plot " + plot.get().file() + " cannot be written: " + OutputFile.reason(e));
      return ExitStatus.OWN_ERROR;
    }
  }

  private int report(Report report, int status) {
    if (reportFile == null) {
      return status;
    }
    signals.commandIsOver(); // there may be nobody who reads a pipe
    try {
      reportFile.write(report.json());
      return status;
    } catch (IOException e) {
      Console.say(
          "the report "
              + reportFile
              + " cannot be written: "
              + OutputFile.reason(e)
              + "; it would say: "
              + report.explanation());
      return ExitStatus.OWN_ERROR;
    }
  }

  /** Ends the attempts before their budget is used up. */
  private static final class Stop extends RuntimeException {
    private static final long serialVersionUID = 1L;
    private final transient Outcome last;

    Stop(Outcome last) {
      super("memguard was asked to end");
      this.last = last;
    }
  }
}
