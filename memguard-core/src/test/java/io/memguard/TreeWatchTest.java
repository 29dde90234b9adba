package io.memguard;

import static io.memguard.support.Children.line;
import static io.memguard.support.Children.python;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.memguard.launch.LaunchException;
import io.memguard.limits.LaunchOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.limits.Protection;
import io.memguard.limits.ProtectionState;
import io.memguard.limits.Requirement;
import io.memguard.outcome.Cause;
import io.memguard.outcome.Confidence;
import io.memguard.outcome.Evidence;
import io.memguard.outcome.MemoryEvent;
import io.memguard.outcome.MemoryEvent.Kind;
import io.memguard.outcome.Outcome;
import io.memguard.outcome.Preemption;
import io.memguard.outcome.PreemptivelyKilledException;
import io.memguard.support.Children;
import io.memguard.support.Eventually;
import io.memguard.support.Proc;
import io.memguard.support.Traces;
import io.memguard.support.WithGuard;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** A child and all its descendants have one limit together, and are ended together. */
@ExtendWith(WithGuard.class)
@Timeout(60)
final class TreeWatchTest {
  private static final long MIB = 1 << 20;

  /**
   * 48 MiB, written to. Each process of the tree says its pid in a file first. Python heeds a
   * signal that came shortly before a sleep only after it.
   */
  private static final String HOLD =
      """
      import mmap, os, signal, sys, time

      def hold():
          with open(sys.argv[1], "a") as pids:
              pids.write("%d\\n" % os.getpid())
          return b"x" * (48 << 20)

      def stay():
          kept = hold()
          while True:
              time.sleep(0.1)

      def daemon():
          if os.fork() == 0:
              os.setsid()
              if os.fork() == 0:
                  stay()
              os._exit(0)
          os.wait()
      """;

  /** Each may have 64 MiB, and all together are ended above 128. */
  private static final MemoryLimits LIMITS = MemoryLimits.of("64MiB").withTreeMemory("96MiB");

  private static final String THREE_LEAVE =
      """
      daemon()
      daemon()
      daemon()
      time.sleep(3600)
      """;

  private static final LaunchOptions PATIENT =
      LaunchOptions.defaults().withGrace(Duration.ofHours(1));

  @TempDir private Path directory;

  @Test
  void fourProcessesThatTogetherHaveTooMuchAreEnded(MemoryGuard guard) throws Exception {
    Outcome.OutOfMemory outcome =
        preempted(
            guard,
            """
            for i in range(3):
                if os.fork() == 0:
                    stay()
            stay()
            """,
            LIMITS);
    Preemption reading = outcome.evidence().preemption().orElseThrow();
    assertThat(reading.limit()).isEqualTo(Preemption.Limit.TREE_MEMORY);
    assertThat(reading.limitBytes()).isEqualTo(96 * MIB);
    assertThat(reading.thresholdBytes()).isEqualTo(128 * MIB);
    assertThat(reading.bytes()).isBetween(128 * MIB, 256 * MIB);
    assertThat(reading.processes()).isBetween(3, 4);
    assertThat(reading.source()).isEqualTo(Preemption.Source.SMAPS_ROLLUP);
    assertThat(outcome.suggestedLimitBytes().getAsLong()).isGreaterThanOrEqualTo(128 * MIB);
    assertThat(outcome.explanation()).contains("descendants together had", "of 96MiB");
  }

  @Test
  void sharedMemoryWhichTheResourceLimitDoesNotCountIsCountedOnce(MemoryGuard guard)
      throws Exception {
    String share =
        """
        shared = mmap.mmap(-1, %d << 20)
        if os.fork() == 0:
            os.close(1)
        for i in range(len(shared) >> 20):
            shared.write(b"x" * (1 << 20))
        %s
        """;
    MemoryLimits limits = MemoryLimits.of("64MiB");
    preempted(guard, share.formatted(160, "stay()"), limits);
    Outcome half = run(guard, share.formatted(70, "os._exit(0)"), limits);
    assertThat(half.isSuccess()).as(half.explanation()).isTrue();
  }

  @Test
  void whoeverLeftTheTreeBelongsToItAllTheSame(MemoryGuard guard) throws Exception {
    preempted(guard, THREE_LEAVE, LIMITS);
  }

  /** Without a resource limit there is no witness, but there is a mark. */
  @Test
  void soDoesWhoeverLeftATreeWithoutResourceLimits(MemoryGuard guard) throws Exception {
    preempted(guard, THREE_LEAVE, MemoryLimits.none().withTreeMemory("96MiB"));
  }

  /** The outcome was told long before. */
  @Test
  void whatTheChildLeftBehindIsEndedToo(MemoryGuard guard) throws Exception {
    List<MemoryEvent> told = new CopyOnWriteArrayList<>();
    String program =
        """
        child = "/proc/%d" % os.getpid()
        for i in range(3):
            if os.fork() == 0:
                os.setsid()
                while os.path.exists(child):
                    time.sleep(0.01)
                stay()
        """;
    Outcome outcome = guard.run(program(program), LIMITS, PATIENT.withMemoryListener(told::add));
    assertThat(outcome.isSuccess()).as(outcome.explanation()).isTrue();
    Eventually.await("three have lived", () -> pids().size() == 3);
    pids().forEach(Eventually::awaitGone);
    Eventually.await("it is told", () -> !told.isEmpty());
    assertThat(told)
        .singleElement()
        .satisfies(
            event -> {
              assertThat(event.kind()).isEqualTo(Kind.PREEMPTED);
              assertThat(event.child()).hasValue(outcome.evidence().pid());
              assertThat(event.bytes().getAsLong()).isGreaterThan(128 * MIB);
            });
  }

  /** With what it keeps, it has 138 MiB: from 160 on it could be killed before it can heed. */
  @Test
  void whoeverHeedsTermEndsItselfAndIsPreempted(MemoryGuard guard) throws Exception {
    Outcome.OutOfMemory outcome =
        preempted(
            guard,
            """
            signal.signal(signal.SIGTERM, lambda number, frame: os._exit(0))
            shared = mmap.mmap(-1, 90 << 20)
            for i in range(len(shared) >> 20):
                shared.write(b"x" * (1 << 20))
            stay()
            """,
            LIMITS);
    assertThat(outcome.evidence().status().isSuccess()).isTrue();
    assertThatExceptionOfType(PreemptivelyKilledException.class).isThrownBy(outcome::orThrow);
  }

  /** Which is not given the hour that it could have taken. */
  @Test
  void whoeverGoesOnGrowingIsKilledAtOnce(MemoryGuard guard) throws Exception {
    Outcome.OutOfMemory outcome =
        preempted(
            guard,
            """
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            hold()
            everything = []
            while True:
                everything.append(mmap.mmap(-1, 1 << 20))
                everything[-1].write(b"x" * (1 << 20))
                time.sleep(0.002)
            """,
            LIMITS);
    assertThat(outcome.evidence().status().exitValue()).isEqualTo(137);
  }

  /** Parent and child have the same pages, of which the cheap numbers know nothing. */
  @Test
  void manyForksUnderTheLimitAreLeftAlone(MemoryGuard guard) throws Exception {
    Outcome outcome =
        run(
            guard,
            """
            kept = hold()
            for i in range(100):
                for worker in range(4):
                    if os.fork() == 0:
                        os._exit(0)
                for worker in range(4):
                    os.wait()
            """,
            MemoryLimits.none().withTreeMemory("80MiB"));
    assertThat(outcome.isSuccess()).as(outcome.explanation()).isTrue();
  }

  @Test
  void theListenerIsToldOnceWhenTheSoftThresholdIsPassed(MemoryGuard guard) throws Exception {
    List<MemoryEvent> told = new CopyOnWriteArrayList<>();
    GuardedProcess child =
        guard.start(
            program("kept = hold()\nprint('full', flush=True)\nsys.stdin.readline()"),
            MemoryLimits.none()
                .withMemoryHigh("32MiB")
                .with(Protection.CGROUP_LEAF, Requirement.OFF),
            LaunchOptions.defaults().withMemoryListener(told::add));
    assertThat(line(child.getInputStream())).isEqualTo("full");
    Eventually.await("it is told", () -> !told.isEmpty());
    say(child, "end\n");
    assertThat(child.outcome().get().isSuccess()).isTrue();
    assertThat(told)
        .singleElement()
        .satisfies(
            event -> {
              assertThat(event.kind()).isEqualTo(Kind.HIGH);
              assertThat(event.child()).hasValue(child.pid());
              assertThat(event.bytes().getAsLong()).isBetween(32 * MIB, 80 * MIB);
            });
  }

  @Test
  void whoeverIsNotWatchedSaysWhy(MemoryGuard guard) throws Exception {
    assertThat(state(guard, MemoryLimits.of("1GiB")).reason())
        .isEqualTo("all of it is ended above 1280MiB");
    assertThat(state(guard, MemoryLimits.none().withMemoryHigh(MIB)).reason())
        .isEqualTo("there is no size to watch for");
    assertThatExceptionOfType(LaunchException.class)
        .isThrownBy(
            () ->
                guard.start(
                    new ProcessBuilder("true"),
                    MemoryLimits.none().with(Protection.TREE_WATCH, Requirement.REQUIRE)))
        .withMessageContaining("the tree watch is required and cannot be had")
        .withMessageContaining("withTreeMemory");
  }

  @Test
  void aGuardIsClosedWhileItWatches() throws Exception {
    Traces before = Traces.begin();
    MemoryGuard guard = MemoryGuard.create();
    GuardedProcess child = guard.start(new ProcessBuilder("sleep", "3600"), LIMITS);
    guard.close();
    assertThat(child.outcome().get()).isInstanceOf(Outcome.Cancelled.class);
    before.assertNothingIsLeft();
  }

  /** A JVM of its own: here other tests' guards have their threads. */
  @Test
  void itsThreadLivesFromTheFirstWatchedChildToTheEndOfTheGuard() throws Exception {
    Process jvm = Children.jvm(List.of(), Threads.class).start();
    assertThat(Children.output(jvm)).isEqualTo("false\ntrue\nfalse\n");
  }

  static final class Threads {
    private Threads() {}

    public static void main(String[] none) throws Exception {
      try (MemoryGuard guard = MemoryGuard.create()) {
        guard.run(
            new ProcessBuilder("true"),
            MemoryLimits.of("1GiB").with(Protection.TREE_WATCH, Requirement.OFF),
            LaunchOptions.defaults().withHangGrace(LaunchOptions.NEVER));
        tell();
        guard.run(new ProcessBuilder("true"), MemoryLimits.of("1GiB"));
        tell();
      }
      Eventually.await("it is over", () -> !Traces.threads().contains("memguard-memory"));
      tell();
    }

    private static void tell() {
      System.out.println(Traces.threads().contains("memguard-memory"));
    }
  }

  private static ProtectionState state(MemoryGuard guard, MemoryLimits limits) throws Exception {
    GuardedProcess child = guard.start(new ProcessBuilder("true"), limits);
    child.waitFor();
    return child.protections().get(Protection.TREE_WATCH);
  }

  private Outcome.OutOfMemory preempted(MemoryGuard guard, String program, MemoryLimits limits)
      throws Exception {
    Outcome outcome = run(guard, program, limits);
    assertThat(outcome).as(outcome.explanation()).isInstanceOf(Outcome.OutOfMemory.class);
    Outcome.OutOfMemory memory = (Outcome.OutOfMemory) outcome;
    assertThat(memory.cause()).isEqualTo(Cause.PREEMPTED);
    assertThat(memory.confidence()).isEqualTo(Confidence.CERTAIN);
    assertThat(memory.evidence().ending()).isEqualTo(Evidence.Ending.PREEMPT);
    assertThat(pids()).noneMatch(Proc::lives);
    return memory;
  }

  private Outcome run(MemoryGuard guard, String program, MemoryLimits limits) throws Exception {
    return guard.run(program(program), limits, PATIENT);
  }

  private ProcessBuilder program(String program) {
    return python(HOLD + program, directory.resolve("pids").toString());
  }

  private List<Long> pids() {
    return Proc.read(directory.resolve("pids")).lines().map(Long::valueOf).toList();
  }

  private static void say(Process child, String text) throws IOException {
    try (OutputStream stdin = child.getOutputStream()) {
      stdin.write(text.getBytes(StandardCharsets.US_ASCII));
    }
  }
}
