package io.memguard;

import static io.memguard.support.Children.output;
import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.limits.LaunchOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.limits.ResourceLimit;
import io.memguard.limits.Rlimit;
import io.memguard.limits.RuntimeTuning;
import io.memguard.limits.RuntimeTuning.Target;
import io.memguard.outcome.Cause;
import io.memguard.outcome.Outcome;
import io.memguard.platform.OwnLimits;
import io.memguard.recover.RetryPolicy;
import io.memguard.support.Children;
import io.memguard.support.WithGuard;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Runtimes that are told of their limit live within it; what the caller has set stays. */
@ExtendWith(WithGuard.class)
final class TuningTest {
  private static final long MIB = 1 << 20;
  private static final MemoryLimits LIMIT = MemoryLimits.of("512MiB");
  private static final LaunchOptions AUTO =
      LaunchOptions.defaults().withTuning(RuntimeTuning.auto());
  private static final LaunchOptions ALL =
      LaunchOptions.defaults().withTuning(RuntimeTuning.of(Target.values()));
  private static final ProcessBuilder ENVIRONMENT = new ProcessBuilder("env", "-0");

  /** Each thread waits until all are there. */
  private static final String THREADS =
      """
      import os, sys, threading
      count = int(sys.argv[1])
      all_there = threading.Barrier(count + 1)
      try:
          for _ in range(count): threading.Thread(target=all_there.wait, daemon=True).start()
      except RuntimeError as e:
          print(e, file=sys.stderr, flush=True)
          os._exit(1)
      all_there.wait()
      """;

  /** Keeps some MiB, and makes garbage of many times that. */
  private static final String OBJECTS =
      """
      const one = i => Array.from({length: 1024}, (_, j) => ({i, j, k: i ^ j}));
      const kept = [];
      for (let i = 0; i < 3000; i++) kept.push(one(i));
      for (let i = 0; i < 9000; i++) kept[i % kept.length] = one(i);
      """;

  private static final String SLICES =
      """
      package main

      func main() {
        kept := make([][]byte, 3600)
        for i := 0; i < 40000; i++ {
          kept[i%len(kept)] = make([]byte, 64<<10)
          kept[i%len(kept)][0] = 1
        }
      }
      """;

  /** Keeps blocks of 64 KiB, so many of them, and makes others for garbage. */
  static final class Hoard {
    private static final int BLOCK = 64 << 10;

    public static void main(String[] arguments) {
      int kept = Integer.parseInt(arguments[0]);
      byte[][] blocks = new byte[kept][];
      for (int i = 0; i < 20 * kept; i++) {
        blocks[i % kept] = new byte[BLOCK];
      }
      System.out.println(Runtime.getRuntime().maxMemory() >> 20);
    }
  }

  @TempDir Path scratch;

  @Test
  void threadsOfPythonFitThatDidNot(MemoryGuard guard) throws Exception {
    assumeLargeStacks();
    ProcessBuilder threads = Children.python(THREADS, "64");
    MemoryLimits limits = MemoryLimits.of("256MiB");
    Map<String, String> tuning = finishes(guard, threads, limits);
    assertThat(tuning)
        .containsExactly(Map.entry("MALLOC_ARENA_MAX", "2"), Map.entry("RLIMIT_STACK", "2MiB"));
  }

  @Test
  void arenasOfThreadsFitIntoAnAddressSpace(MemoryGuard guard) throws Exception {
    ProcessBuilder threads =
        Children.python(
            THREADS
                .replace("all_there.wait, ", "work, ")
                .replace(
                    "all_there = ",
                    "work = lambda: (bytearray(1000), all_there.wait())\nall_there = "),
            "32");
    finishes(guard, threads, MemoryLimits.none().withRlimit(ResourceLimit.parse("as=256MiB")));
  }

  @Test
  void theHeapOfTheJvmGrowsNoFurtherThanItMay(MemoryGuard guard) throws Exception {
    Map<String, String> tuning =
        finishes(guard, Children.jvm(List.of(), Hoard.class, "2900"), LIMIT);
    assertThat(tuning.get("JAVA_TOOL_OPTIONS"))
        .contains("-XX:MaxRAM=536870912 ", "-XX:MaxRAMPercentage=50.0 ", "ExitOnOutOfMemoryError");
  }

  @Test
  void nodeCollectsItsGarbageInTime(MemoryGuard guard) throws Exception {
    String node = installed("node");
    Map<String, String> tuning = finishes(guard, new ProcessBuilder(node, "-e", OBJECTS), LIMIT);
    assertThat(tuning).containsEntry("NODE_OPTIONS", "--max-old-space-size=313");
  }

  @Test
  void soDoesWhatIsWrittenInGo(MemoryGuard guard) throws Exception {
    Path program = goProgram();
    Map<String, String> tuning = finishes(guard, new ProcessBuilder(program.toString()), LIMIT);
    assertThat(tuning).containsExactly(Map.entry("GOMEMLIMIT", "380MiB"));
  }

  /** Returns what it was told. */
  private Map<String, String> finishes(MemoryGuard guard, ProcessBuilder job, MemoryLimits limits)
      throws Exception {
    job.directory(scratch.toFile()); // where a JVM that dies leaves a file
    Outcome untuned = guard.run(job, limits);
    assertThat(untuned.isSuccess()).as("untuned: %s", untuned.explanation()).isFalse();
    assertThat(untuned.evidence().tuning()).isEmpty();
    Outcome tuned = guard.run(job, limits, AUTO);
    assertThat(tuned.isSuccess())
        .as("%s: %s", tuned.evidence().tuning(), tuned.explanation() + tuned.evidence().errorTail())
        .isTrue();
    assertThat(tuned.evidence().limits()).isEqualTo(limits);
    return tuned.evidence().tuning();
  }

  @Test
  void offLeavesTheEnvironmentAsItWas(MemoryGuard guard) throws Exception {
    List<String> plain = variables(output(ENVIRONMENT.start()));
    GuardedProcess process = guard.start(ENVIRONMENT, LIMIT);
    List<String> guarded = variables(output(process));
    guarded.removeIf(
        name -> name.startsWith("LD_PRELOAD=") || name.startsWith("MEMGUARD_WITNESS="));
    assertThat(guarded).containsExactlyInAnyOrderElementsOf(plain);
    assertThat(process.tuning()).isEmpty();
  }

  @Test
  void whatIsNamedIsToldToWhateverIsLaunched(MemoryGuard guard) throws Exception {
    GuardedProcess process = guard.start(ENVIRONMENT, LIMIT, ALL);
    Map<String, String> tuning = process.tuning();
    List<String> seen = variables(output(process));
    for (Target target : Target.values()) {
      if (target != Target.THREAD_STACKS) {
        assertThat(seen).contains(target.variable() + "=" + tuning.get(target.variable()));
      }
    }
    assertThat(process.outcome().get().evidence().tuning()).isEqualTo(tuning);
    assertThat(tuning)
        .containsEntry("GOMEMLIMIT", "380MiB")
        .containsEntry("DOTNET_GCHeapHardLimit", Long.toHexString(512 * MIB * 60 / 100));
    assertThat(ENVIRONMENT.environment()).as("the caller's own").doesNotContainKey("GOMEMLIMIT");
  }

  @Test
  void withoutALimitNobodyIsToldAnything(MemoryGuard guard) throws Exception {
    GuardedProcess process = guard.start(ENVIRONMENT, MemoryLimits.none(), ALL);
    assertThat(process.tuning()).isEmpty();
    assertThat(output(process)).doesNotContain("GOMEMLIMIT");
  }

  static Stream<Arguments> callersOwn() {
    return Stream.of(
        Arguments.of("JAVA_TOOL_OPTIONS", "-Da=b -Xmx99m"),
        Arguments.of("JAVA_TOOL_OPTIONS", "-XX:MaxRAMPercentage=30"),
        Arguments.of("NODE_OPTIONS", "--max-old-space-size=77"),
        Arguments.of("NODE_OPTIONS", "--trace-gc --max_old_space_size=77"),
        Arguments.of("GOMEMLIMIT", "off"),
        Arguments.of("MALLOC_ARENA_MAX", "1"),
        Arguments.of("DOTNET_GCHeapHardLimit", "C800000"));
  }

  @ParameterizedTest
  @MethodSource("callersOwn")
  void whatTheCallerHasSetStays(String name, String value, MemoryGuard guard) throws Exception {
    ProcessBuilder job = new ProcessBuilder("env", "-0");
    job.environment().put(name, value);
    GuardedProcess process = guard.start(job, LIMIT, ALL);
    assertThat(process.tuning()).doesNotContainKey(name);
    assertThat(variables(output(process))).contains(name + "=" + value);
  }

  @ParameterizedTest
  @MethodSource("saidOtherwise")
  void soDoesWhatTheCallerHasSaidInAnotherWay(
      String name, String value, String untouched, MemoryGuard guard) throws Exception {
    ProcessBuilder job = new ProcessBuilder("env", "-0");
    job.environment().put(name, value);
    GuardedProcess process = guard.start(job, LIMIT, ALL);
    assertThat(process.tuning()).doesNotContainKey(untouched);
    assertThat(output(process)).doesNotContain(untouched + "=");
  }

  static Stream<Arguments> saidOtherwise() {
    return Stream.of(
        Arguments.of("JDK_JAVA_OPTIONS", "-Xmx99m", "JAVA_TOOL_OPTIONS"),
        Arguments.of("_JAVA_OPTIONS", "-XX:MaxHeapSize=99m", "JAVA_TOOL_OPTIONS"),
        Arguments.of("GLIBC_TUNABLES", "glibc.malloc.arena_max=1", "MALLOC_ARENA_MAX"),
        Arguments.of("COMPlus_GCHeapHardLimit", "C800000", "DOTNET_GCHeapHardLimit"),
        Arguments.of("DOTNET_GCHeapHardLimitPercent", "1E", "DOTNET_GCHeapHardLimit"));
  }

  @Test
  void soDoesWhatIsInTheArguments(MemoryGuard guard) throws Exception {
    ProcessBuilder job = Children.sh("env -0", "-Xmx99m", "--max-old-space-size=99");
    assertThat(guard.start(job, LIMIT, ALL).tuning())
        .doesNotContainKeys("JAVA_TOOL_OPTIONS", "NODE_OPTIONS")
        .containsKey("GOMEMLIMIT");
  }

  @Test
  void otherOptionsComeBehindOursWhereTheyWin(MemoryGuard guard) throws Exception {
    ProcessBuilder job = new ProcessBuilder("env", "-0");
    job.environment().put("JAVA_TOOL_OPTIONS", "-XX:-ExitOnOutOfMemoryError");
    job.environment().put("NODE_OPTIONS", "--trace-warnings");
    Map<String, String> tuning = guard.start(job, LIMIT, ALL).tuning();
    assertThat(tuning.get("JAVA_TOOL_OPTIONS"))
        .endsWith(" -XX:+ExitOnOutOfMemoryError -XX:-ExitOnOutOfMemoryError");
    assertThat(tuning.get("NODE_OPTIONS")).isEqualTo("--max-old-space-size=313 --trace-warnings");
  }

  /** As in a script of an application's own, whose options cannot be seen. */
  @Test
  void aHeapThatIsSizedLaterOnWins(MemoryGuard guard) throws Exception {
    LaunchOptions jvm = LaunchOptions.defaults().withTuning(RuntimeTuning.of(Target.JVM));
    for (String option : List.of("-Xmx64m", "-Xms300m", "-XX:MaxRAMPercentage=25")) {
      List<String> java = Children.jvm(List.of(), Hoard.class, "1").command();
      Path script =
          Files.writeString(
              scratch.resolve("java.sh"), "java=$1; shift; exec \"$java\" " + option + " \"$@\"");
      ProcessBuilder job = new ProcessBuilder("/bin/sh", script.toString());
      job.command().addAll(java);
      GuardedProcess process = guard.start(job, LIMIT, jvm);
      assertThat(process.tuning()).containsKey("JAVA_TOOL_OPTIONS");
      String heap = output(process).strip();
      int mebibytes = Integer.parseInt(heap);
      if (option.equals("-Xms300m")) {
        assertThat(mebibytes).isGreaterThanOrEqualTo(290);
      } else {
        assertThat(mebibytes).isLessThanOrEqualTo(128);
      }
    }
  }

  @Test
  void ofTheStackOnlyTheSoftLimitIsLowered(MemoryGuard guard) throws Exception {
    assumeLargeStacks();
    LaunchOptions stacks =
        LaunchOptions.defaults().withTuning(RuntimeTuning.of(Target.THREAD_STACKS));
    ProcessBuilder job = Children.sh("ulimit -Ss; ulimit -Hs");
    String hard = output(Children.sh("ulimit -Hs").start());
    assertThat(output(guard.start(job, LIMIT, stacks))).isEqualTo("4096\n" + hard);
    assertThat(output(guard.start(job, MemoryLimits.of("64MiB"), stacks)))
        .isEqualTo("2048\n" + hard);
    assertThat(guard.start(job, MemoryLimits.of("4GiB"), stacks).tuning()).isEmpty();
    MemoryLimits callers = LIMIT.withRlimit(ResourceLimit.parse("stack=3MiB:5MiB"));
    assertThat(output(guard.start(job, callers, stacks))).isEqualTo("3072\n5120\n");
  }

  @Test
  void argumentsThatNeedTheStackKeepIt(MemoryGuard guard) throws Exception {
    LaunchOptions stacks =
        LaunchOptions.defaults().withTuning(RuntimeTuning.of(Target.THREAD_STACKS));
    ProcessBuilder job = new ProcessBuilder("true");
    for (int i = 0; i < 10; i++) {
      job.command().add("x".repeat(100_000));
    }
    assertThat(guard.run(job, LIMIT, stacks).isSuccess()).isTrue();
  }

  @Test
  void aRetryIsToldOfItsOwnLimit(MemoryGuard guard) throws Exception {
    Outcome outcome =
        guard.run(
            Children.python("bytearray(100 << 20)"),
            MemoryLimits.of("64MiB"),
            LaunchOptions.defaults().withTuning(RuntimeTuning.of(Target.GO)),
            RetryPolicy.onOutOfMemory().growBy(4));
    assertThat(outcome.isSuccess()).isTrue();
    assertThat(outcome.earlierAttempts().get(0).evidence().tuning())
        .containsEntry("GOMEMLIMIT", "16MiB");
    assertThat(outcome.evidence().tuning()).containsEntry("GOMEMLIMIT", "150MiB");
  }

  @Test
  void aHeapThatFollowsTheLimitIsTriedAgainWithMore(MemoryGuard guard) throws Exception {
    ProcessBuilder job = Children.jvm(List.of(), Hoard.class, "4800"); // 300 MiB
    RetryPolicy retry = RetryPolicy.onOutOfMemory();
    Outcome tuned = guard.run(job, LIMIT, AUTO, retry);
    assertThat(tuned.isSuccess()).as(tuned.explanation()).isTrue();
    Outcome.OutOfMemory first = (Outcome.OutOfMemory) tuned.earlierAttempts().get(0);
    assertThat(first.cause()).isEqualTo(Cause.RUNTIME_HEAP);
    assertThat(first.explanation()).contains("was set after memguard's");
  }

  @Test
  void aHeapOfTheCallersIsNot(MemoryGuard guard) throws Exception {
    ProcessBuilder job = Children.jvm(List.of("-Xmx64m"), Hoard.class, "4800");
    Outcome outcome = guard.run(job, LIMIT, AUTO, RetryPolicy.onOutOfMemory());
    assertThat(((Outcome.OutOfMemory) outcome).cause()).isEqualTo(Cause.RUNTIME_HEAP);
    assertThat(outcome.earlierAttempts()).isEmpty();
    assertThat(outcome.explanation()).contains("alone does not help", "-Xmx");
  }

  private static void assumeLargeStacks() {
    long soft = OwnLimits.of(Rlimit.STACK).map(ResourceLimit::soft).orElse(0L);
    Assumptions.assumeTrue(
        soft >= 8 * MIB && soft != ResourceLimit.UNLIMITED, "stacks are not of 8 MiB here");
  }

  private Path goProgram() throws Exception {
    String go = installed("go");
    Path source = Files.writeString(scratch.resolve("slices.go"), SLICES);
    Path program = scratch.resolve("slices");
    ProcessBuilder build =
        new ProcessBuilder(go, "build", "-o", program.toString(), source.toString());
    build.environment().put("GOCACHE", scratch.resolve("cache").toString());
    build.environment().put("CGO_ENABLED", "0");
    build.environment().put("GO111MODULE", "off");
    Process built = build.redirectErrorStream(true).start();
    String said = output(built);
    assertThat(built.waitFor()).as(said).isZero();
    return program;
  }

  private static String installed(String name) {
    Optional<Path> found =
        Stream.of(System.getenv("PATH").split(":", 0))
            .map(each -> Path.of(each, name))
            .filter(Files::isExecutable)
            .findFirst();
    Assumptions.assumeTrue(found.isPresent(), name + " is not installed");
    return found.orElseThrow().toString();
  }

  private static List<String> variables(String zeroTerminated) {
    return new ArrayList<>(Arrays.asList(zeroTerminated.split("\0", 0)));
  }
}
