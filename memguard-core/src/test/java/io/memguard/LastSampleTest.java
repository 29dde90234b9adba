package io.memguard;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.limits.MemoryLimits;
import io.memguard.limits.Protection;
import io.memguard.limits.Requirement;
import io.memguard.limits.ResourceLimit;
import io.memguard.outcome.Cause;
import io.memguard.outcome.Confidence;
import io.memguard.outcome.MemorySample;
import io.memguard.outcome.Outcome;
import io.memguard.support.Children;
import io.memguard.support.Compiler;
import io.memguard.support.Eventually;
import io.memguard.support.Proc;
import io.memguard.support.WithGuard;
import java.nio.file.Path;
import java.util.function.Predicate;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What a child had of its memory is known where no witness could tell, also on the way there. */
@ExtendWith(WithGuard.class)
@Timeout(60)
final class LastSampleTest {
  private static final long MIB = 1 << 20;
  private static final MemoryLimits UNWATCHED =
      MemoryLimits.of("512MiB").with(Protection.WITNESS, Requirement.OFF);

  /** Holds so many MiB without touching them, and waits for a line. */
  private static final String HOLDS =
      """
      import mmap, os, sys
      held = mmap.mmap(-1, int(sys.argv[1]) << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
      sys.stdin.readline()
      """;

  @ParameterizedTest
  @CsvSource({"200, POSSIBLE", "400, PROBABLE"})
  void nearTheLimitTheWordsAreProbable(
      int held, Confidence confidence, MemoryGuard guard, @TempDir Path directory)
      throws Exception {
    ProcessBuilder job = Children.python(HOLDS + "bytearray(1 << 30)", "" + held);
    job.redirectError(directory.resolve("err").toFile());
    GuardedProcess process = guard.start(job, UNWATCHED);
    Outcome.OutOfMemory outcome = denied(goOn(process, has(held)));
    assertThat(outcome.confidence()).isEqualTo(confidence);
    MemorySample sample = outcome.evidence().sample().orElseThrow();
    assertThat(sample.pid()).isEqualTo(process.pid());
    assertThat(sample.name()).startsWith("python");
    assertThat(sample.dataBytes()).isBetween(held * MIB, (held + 50) * MIB);
    assertThat(sample.peakAddressBytes()).isGreaterThan(sample.dataBytes());
    assertThat(sample.peakRssBytes()).isBetween(MIB, 100 * MIB);
    assertThat(sample.age()).isPositive();
  }

  @Test
  void nearlyAllOfItAndAFailureIsPossible(MemoryGuard guard) throws Exception {
    ProcessBuilder silent = Children.python(HOLDS + "os._exit(7)", "490");
    Outcome.OutOfMemory outcome = denied(goOn(guard.start(silent, UNWATCHED), has(490)));
    assertThat(outcome.confidence()).isEqualTo(Confidence.POSSIBLE);
    assertThat(outcome.explanation()).contains("of RLIMIT_DATA 512MiB").contains("exit 7");
  }

  @Test
  void underALimitOfAddressSpaceThatCounts(MemoryGuard guard) throws Exception {
    MemoryLimits space =
        MemoryLimits.none()
            .withRlimit(ResourceLimit.parse("as=512MiB"))
            .with(Protection.WITNESS, Requirement.OFF);
    ProcessBuilder silent = Children.python(HOLDS + "os._exit(7)", "470");
    Outcome.OutOfMemory outcome = denied(goOn(guard.start(silent, space), has(470)));
    assertThat(outcome.explanation()).contains("of RLIMIT_AS 512MiB");
  }

  @Test
  void whoEndsWellHasJustItsSample(MemoryGuard guard) throws Exception {
    Outcome outcome = goOn(guard.start(Children.python(HOLDS, "490"), UNWATCHED), has(490));
    assertThat(outcome).isEqualTo(new Outcome.Exited(0, outcome.evidence()));
    assertThat(outcome.evidence().sample()).isPresent();
  }

  @Test
  void theDescendantThatIsNearestIsTheOneThatIsTold(MemoryGuard guard) throws Exception {
    String holds = HOLDS.replace("sys.stdin", "held.write(b'x' * (10 << 20)); sys.stdin");
    ProcessBuilder python = Children.python("import os; print(os.getpid(), flush=True)\n" + holds);
    python.command().add("480");
    ProcessBuilder shell = Children.sh("\"$@\"; exit 9", python.command().toArray(String[]::new));
    GuardedProcess process = guard.start(shell, UNWATCHED);
    long pid = Long.parseLong(Children.line(process.getInputStream()));
    Outcome.OutOfMemory outcome = denied(goOn(process, has(480)));
    assertThat(outcome.evidence().sample().orElseThrow().pid()).isEqualTo(pid);
    assertThat(outcome.explanation()).startsWith("Its process " + pid + " (python");
  }

  @Test
  void aStaticProgramIsLookedAt(MemoryGuard guard, @TempDir Path directory) throws Exception {
    Path program = directory.resolve("static");
    Compiler.compile(
        """
        #include <stdio.h>
        #include <sys/mman.h>
        int main(void) { mmap(0, 490u << 20, 3, 34, -1, 0); getchar(); return 7; }
        """,
        program,
        "-static");
    MemoryLimits limits = MemoryLimits.of("512MiB");
    GuardedProcess process = guard.start(new ProcessBuilder(program.toString()), limits);
    Outcome.OutOfMemory outcome = denied(goOn(process, has(490)));
    assertThat(outcome.confidence()).isEqualTo(Confidence.POSSIBLE);
    assertThat(outcome.evidence().sample().orElseThrow().name()).isEqualTo("static");
  }

  @Test
  void whoMayBeGoneBeforeAnybodyLooksIsNotWaitedFor(MemoryGuard guard) throws Exception {
    Outcome outcome = guard.run(new ProcessBuilder("false"), UNWATCHED);
    assertThat(outcome).isEqualTo(new Outcome.Exited(1, outcome.evidence()));
  }

  private static Predicate<MemorySample> has(int mib) {
    return sample -> Math.max(sample.dataBytes(), sample.peakRssBytes()) >= mib * MIB;
  }

  /** Lets it go on as soon as it was seen to have what it holds. */
  private static Outcome goOn(GuardedProcess process, Predicate<MemorySample> seen)
      throws Exception {
    Eventually.await(
        () -> "a sample of " + process.pid() + ": " + process.sample(),
        () -> process.sample().filter(seen).isPresent() || !Proc.lives(process.pid()));
    process.getOutputStream().close();
    return process.outcome().get();
  }

  private static Outcome.OutOfMemory denied(Outcome outcome) {
    assertThat(outcome).isInstanceOf(Outcome.OutOfMemory.class);
    Outcome.OutOfMemory memory = (Outcome.OutOfMemory) outcome;
    assertThat(memory.cause()).isEqualTo(Cause.ALLOCATION_DENIED);
    return memory;
  }
}
