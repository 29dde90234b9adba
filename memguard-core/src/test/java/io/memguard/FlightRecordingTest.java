package io.memguard;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.tuple;

import io.memguard.events.MemoryGuardListener;
import io.memguard.launch.LaunchException;
import io.memguard.limits.LaunchOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.limits.Protection;
import io.memguard.limits.Requirement;
import io.memguard.outcome.MemoryEvent;
import io.memguard.outcome.MemoryEvent.Affected;
import io.memguard.outcome.MemoryEvent.Kind;
import io.memguard.outcome.Outcome;
import io.memguard.platform.cgroup.CgroupFinder;
import io.memguard.platform.cgroup.Leaf;
import io.memguard.platform.cgroup.LeafLimits;
import io.memguard.platform.jfr.Recorder;
import io.memguard.platform.kernellog.OomVictims;
import io.memguard.recover.PoolOptions;
import io.memguard.recover.RetryPolicy;
import io.memguard.recover.WorkerPool;
import io.memguard.support.Children;
import io.memguard.support.ContainerOfFiles;
import io.memguard.support.Eventually;
import io.memguard.support.PoolWorkers;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import jdk.jfr.Configuration;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What is in a real recording around real children, and what becomes of all that without JFR. */
@Timeout(120)
final class FlightRecordingTest {
  private static final MemoryLimits LIMITS = MemoryLimits.of("64MiB");
  private static final String GREEDY = "bytearray(600 << 20)";
  private static final String STEP_BY_STEP = "held = [bytearray(30 << 20) for _ in range(9)]";
  private static final long UNKNOWN = Long.MIN_VALUE;
  private static final RetryPolicy TWICE =
      RetryPolicy.onOutOfMemory().maxAttempts(2).growBy(2).upTo("128MiB");

  @TempDir Path directory;

  /** A program of an application: one child that runs out of memory, and one that is not there. */
  static final class Program {
    private Program() {}

    public static void main(String[] arguments) throws Exception {
      try (MemoryGuard guard = MemoryGuard.create()) {
        System.out.println(guard.run(Children.python(GREEDY), LIMITS).label());
        guard.run(new ProcessBuilder("/nowhere/at-all"), LIMITS);
      } catch (LaunchException e) {
        System.out.println(e.errnoName());
      }
      System.out.println(ModuleLayer.boot().findModule("jdk.jfr").isPresent());
    }
  }

  @Test
  void aRecordingWithTheReadyMadeSettingsHasAllOfIt() throws Exception {
    Path file = directory.resolve("all.jfr");
    Outcome refused;
    Outcome preempted;
    try (Recording recording = new Recording(Configuration.create(settings()))) {
      recording.start();
      try (MemoryGuard guard = MemoryGuard.create()) {
        refused =
            guard.run(
                Children.python(STEP_BY_STEP),
                LIMITS,
                LaunchOptions.defaults().withName("greedy"),
                TWICE);
        preempted =
            guard.run(
                Children.python("import time; held = bytearray(600 << 20); time.sleep(60)"),
                LIMITS.with(Protection.RLIMIT_DATA, Requirement.OFF));
        assertThatExceptionOfType(LaunchException.class)
            .isThrownBy(() -> guard.run(new ProcessBuilder("/nowhere/at-all"), LIMITS));
        try (WorkerPool pool =
            guard.pool(
                PoolWorkers.anything(),
                LIMITS,
                PoolOptions.workers(1).withRetry(TWICE.growBy(4).upTo("256MiB")))) {
          assertThat(pool.submit("eat 100".getBytes(UTF_8)).get()).isNotEmpty();
          assertThatThrownBy(() -> pool.submit("eat 600".getBytes(UTF_8)).get())
              .isInstanceOf(ExecutionException.class);
        }
      }
      recording.dump(file);
    }
    List<RecordedEvent> events = RecordingFile.readAllEvents(file);

    List<RecordedEvent> attempts = named(events, "memguard.ChildOutcome", "greedy");
    assertThat(attempts).hasSize(2);
    RecordedEvent first = attempts.get(0);
    assertThat(first.getString("outcome")).isEqualTo("out-of-memory");
    assertThat(first.getString("cause")).isEqualTo("allocation-denied");
    assertThat(first.getString("confidence")).isEqualTo("certain");
    assertThat(first.getInt("exitCode")).isEqualTo(1);
    assertThat(first.getLong("limit")).isEqualTo(64L << 20);
    assertThat(first.getLong("refused")).isGreaterThanOrEqualTo(30L << 20);
    assertThat(first.getDuration("lifetime")).isPositive();
    assertThat(first.getString("next")).isEqualTo("retry");
    assertThat(first.getLong("nextLimit")).isEqualTo(128L << 20);
    assertThat(attempts.get(1).getString("next")).isEqualTo("give-up");
    assertThat(attempts.get(1).getLong("nextLimit")).isEqualTo(UNKNOWN);
    assertThat(attempts.get(1).getString("explanation")).isEqualTo(refused.explanation());

    List<RecordedEvent> launches = named(events, "memguard.ChildLaunch", "greedy");
    assertThat(launches).hasSize(2);
    assertThat(launches.get(0).getLong("pid")).isEqualTo(first.getLong("pid"));
    assertThat(launches.get(0).getDuration()).isPositive();
    assertThat(launches.get(0).getStackTrace()).as("who launched it").isNotNull();

    assertThat(of(events, "memguard.MemoryRefused", first.getLong("pid")))
        .hasSize(1)
        .allSatisfy(
            event -> {
              assertThat(event.getString("process")).startsWith("python3");
              assertThat(event.getLong("largest")).isGreaterThanOrEqualTo(30L << 20);
              assertThat(event.getLong("times")).isPositive();
            });

    assertThat(of(events, "memguard.Preemption", preempted.evidence().pid()))
        .hasSize(1)
        .allSatisfy(
            event -> {
              assertThat(event.getString("reason")).isEqualTo("tree-memory");
              assertThat(event.getLong("limit")).isEqualTo(64L << 20);
              assertThat(event.getLong("held")).isGreaterThan(64L << 20);
            });

    assertThat(all(events, "memguard.LaunchFailure"))
        .hasSize(1)
        .allSatisfy(event -> assertThat(event.getString("errno")).isEqualTo("ENOENT"));
    assertThat(all(events, "memguard.PoolChange"))
        .extracting(event -> event.getString("change"))
        .contains("worker started", "worker ended", "task retried", "task quarantined");
  }

  @Test
  void pressureOnAChildIsInIt() throws Exception {
    Path file = directory.resolve("pressure.jfr");
    List<MemoryEvent> told = new CopyOnWriteArrayList<>();
    GuardedProcess child;
    try (Recording recording = new Recording(Configuration.create(settings()));
        MemoryGuard guard = MemoryGuard.create()) {
      recording.start();
      child =
          guard.start(
              Children.python("import sys; held = bytearray(40 << 20); sys.stdin.read()"),
              MemoryLimits.none()
                  .withMemoryHigh("32MiB")
                  .with(Protection.CGROUP_LEAF, Requirement.OFF),
              LaunchOptions.defaults().withMemoryListener(told::add));
      Eventually.await("it is told, and recorded before", () -> !told.isEmpty());
      child.getOutputStream().close();
      assertThat(child.outcome().get().isSuccess()).isTrue();
      recording.dump(file);
    }
    assertThat(of(RecordingFile.readAllEvents(file), "memguard.Pressure", child.pid()))
        .singleElement()
        .satisfies(
            event -> {
              assertThat(event.getString("kind")).isEqualTo("high");
              assertThat(event.getString("level")).isEqualTo("warning");
              assertThat(event.getLong("times")).isEqualTo(1);
              assertThat(event.getLong("bytes")).isBetween(32L << 20, 80L << 20);
              assertThat(event.getString("processes")).isEmpty();
            });
  }

  /** What needs a cgroup of the child's own, or a full container: both are files here. */
  @Test
  void pressureOfTheKernelsAndTheContainersIsInIt() throws Exception {
    Path file = directory.resolve("container.jfr");
    ContainerOfFiles container = new ContainerOfFiles(directory, 200 << 20);
    Leaf leaf =
        new Leaf(
            CgroupFinder.findOwn(container.machine()).levels().get(0),
            new LeafLimits(OptionalLong.empty(), OptionalLong.empty(), OptionalInt.empty()));
    List<MemoryEvent> told = new CopyOnWriteArrayList<>();
    Recorder recorder = Recorder.find();
    try (Recording recording = new Recording(Configuration.create(settings()));
        MemoryEvents silent = events(recorder);
        MemoryEvents events = events(recorder, MemoryGuardListener.ofMemory(told::add))) {
      assertThat(silent.areWanted(Optional.empty())).as("nobody records or listens").isFalse();
      recording.start();
      assertThat(silent.areWanted(Optional.empty())).as("for the recording alone").isTrue();
      MemoryEvents.Listening listening =
          events.listen(Optional.of(leaf), 7, Optional.empty()).orElseThrow();
      container.set("memory.events", "low 0\nhigh 0\nmax 9\noom 2\noom_kill 1\n");
      listening.begin();
      Eventually.await("the leaf's are told", () -> told.size() == 3);
      events.tell(Kind.HEADROOM_CRITICAL, 5 << 20);
      Eventually.await("the container's is told", () -> told.size() == 4);
      listening.stop();
      recorder.memory(
          new MemoryEvent(
              OptionalLong.of(7),
              Kind.OOM_KILL,
              2,
              OptionalLong.empty(),
              List.of(affected(8, "python3"), affected(9, "sh"))));
      recording.dump(file);
    }
    assertThat(all(RecordingFile.readAllEvents(file), "memguard.Pressure"))
        .extracting(
            event -> event.getLong("child"),
            event -> event.getString("kind"),
            event -> event.getString("level"),
            event -> event.getLong("times"),
            event -> event.getLong("bytes"),
            event -> event.getString("processes"))
        .containsExactlyInAnyOrder(
            tuple(7L, "max", "warning", 9L, UNKNOWN, ""),
            tuple(7L, "oom", "critical", 2L, UNKNOWN, ""),
            tuple(7L, "oom-kill", "killed", 1L, UNKNOWN, ""),
            tuple(UNKNOWN, "headroom-critical", "critical", 1L, 5L << 20, ""),
            tuple(7L, "oom-kill", "killed", 2L, UNKNOWN, "python3 8, sh 9"));
  }

  private static MemoryEvents events(Recorder recorder, MemoryGuardListener... listeners) {
    return new MemoryEvents(Optional.empty(), OomVictims.unknown(), List.of(listeners), recorder);
  }

  private static Affected affected(long pid, String name) {
    return new Affected(pid, name, Optional.empty(), Optional.empty());
  }

  /** Somebody has to look for what happens to memory: not for every recording that there is. */
  @Test
  void aRecordingWithoutThemHasLaunchesAndOutcomes() throws Exception {
    Path file = directory.resolve("some.jfr");
    try (Recording recording = new Recording();
        MemoryGuard guard = MemoryGuard.create()) {
      guard.run(Children.sh("exit 3"), LIMITS);
      recording.start();
      guard.run(Children.python(GREEDY), LIMITS, LaunchOptions.defaults().withName("greedy"));
      recording.stop();
      guard.run(Children.sh("exit 3"), LIMITS);
      recording.dump(file);
    }
    List<RecordedEvent> events =
        RecordingFile.readAllEvents(file).stream()
            .filter(event -> event.getEventType().getName().startsWith("memguard."))
            .toList();
    assertThat(events)
        .extracting(event -> event.getEventType().getName() + " " + event.getString("name"))
        .containsExactlyInAnyOrder("memguard.ChildLaunch greedy", "memguard.ChildOutcome greedy");
  }

  @Test
  void anApplicationIsRecordedFromItsCommandLine() throws Exception {
    Path file = directory.resolve("application.jfr");
    Path log = directory.resolve("jfr.log");
    ProcessBuilder application =
        Children.jvm(
            List.of(
                "-Xlog:jfr*=info:file=" + log,
                "-XX:StartFlightRecording:settings=" + settings() + ",filename=" + file),
            Program.class);
    assertThat(run(application)).contains("out-of-memory", "ENOENT", "true");
    assertThat(Files.readString(log)).doesNotContainIgnoringCase("[error]", "unexpected");
    String printed =
        run(
            new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin/jfr").toString(),
                "print",
                "--events",
                "memguard.*",
                file.toString()));
    assertThat(printed)
        .contains("memguard.ChildLaunch {", "memguard.ChildOutcome {", "memguard.MemoryRefused {")
        .contains("memguard.LaunchFailure {", "cause = \"allocation-denied\"", "limit = 64.0 MB")
        .contains("nextLimit = N/A");
  }

  @Test
  void withoutTheModuleAllElseGoesOn() throws Exception {
    ProcessBuilder application =
        Children.jvm(
            List.of(
                "--limit-modules",
                "java.base,java.logging,java.management,java.naming,java.xml,jdk.management"),
            Program.class);
    assertThat(run(application).lines())
        .filteredOn(line -> !line.startsWith("["))
        .containsExactly("out-of-memory", "ENOENT", "false");
  }

  private String run(ProcessBuilder program) throws IOException, InterruptedException {
    Path output = Files.createTempFile(directory, "output", ".txt");
    Process process = program.redirectErrorStream(true).redirectOutput(output.toFile()).start();
    try {
      assertThat(process.waitFor(100, TimeUnit.SECONDS)).as("it ended").isTrue();
    } finally {
      process.destroyForcibly();
    }
    String text = Files.readString(output);
    assertThat(process.exitValue()).as(text).isZero();
    return text;
  }

  private static Path settings() {
    return Path.of("src/main/resources/memguard.jfc").toAbsolutePath();
  }

  private static List<RecordedEvent> all(List<RecordedEvent> events, String type) {
    return stream(events, type).toList();
  }

  private static List<RecordedEvent> named(List<RecordedEvent> events, String type, String name) {
    return stream(events, type).filter(event -> name.equals(event.getString("name"))).toList();
  }

  private static List<RecordedEvent> of(List<RecordedEvent> events, String type, long child) {
    return stream(events, type).filter(event -> event.getLong("child") == child).toList();
  }

  private static Stream<RecordedEvent> stream(List<RecordedEvent> events, String type) {
    return events.stream().filter(event -> event.getEventType().getName().equals(type));
  }
}
