package io.memguard;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.memguard.launch.LaunchException;
import io.memguard.limits.MemoryLimits;
import io.memguard.limits.Protection;
import io.memguard.limits.Requirement;
import io.memguard.platform.OwnLimits;
import io.memguard.support.Children;
import io.memguard.support.Compiler;
import io.memguard.support.WithGuard;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What {@code /proc/<pid>/oom_score_adj} says of a supervisor and of its workers. */
@ExtendWith(WithGuard.class)
@Timeout(60)
final class WorkersFirstTest {
  private static final int OWN = OwnLimits.oomScoreAdj();
  private static final int HALF_WAY = (OWN + 1000) / 2;
  private static final MemoryLimits LIMITS = MemoryLimits.of("256MiB").withTreeMemory("4GiB");
  private static final MemoryLimits FIRST =
      LIMITS.with(Protection.WORKERS_FIRST, Requirement.REQUIRE);

  /** Says its own, that of workers made in every way, and its own again. */
  private static final String SUPERVISOR =
      """
      import os, subprocess, sys
      SCORE = "/proc/self/oom_score_adj"
      def say(who): print(who, open(SCORE).read().strip(), flush=True)
      say("supervisor")
      if os.fork() == 0:
        say("fork")
        if os.fork() == 0: say("fork of a fork"); os._exit(0)
        os.wait()
        os._exit(0)
      os.wait()
      def run(who, *command): print(who, subprocess.check_output(command).decode().strip(), flush=True)
      run("program", "cat", SCORE)
      run("shell", "sh", "-c", "read x <%s; echo $x" % SCORE)
      run("program of a shell", "sh", "-c", "cat %s; :" % SCORE)
      read, write = os.pipe()
      os.posix_spawnp("cat", ["cat", SCORE], os.environ,
          file_actions=[(os.POSIX_SPAWN_DUP2, write, 1)])
      os.wait()
      print("spawn", os.read(read, 9).decode().strip(), flush=True)
      say("supervisor")
      """;

  @Test
  void eachWorkerHasMoreThanItsSupervisor(MemoryGuard guard) throws Exception {
    GuardedProcess pool = guard.start(Children.python(SUPERVISOR), FIRST);
    assertThat(Children.output(pool).lines())
        .containsExactly(
            "supervisor " + HALF_WAY,
            "fork 1000",
            "fork of a fork 1000",
            "program 1000",
            "shell 1000",
            "program of a shell 1000",
            "spawn 1000",
            "supervisor " + HALF_WAY);
    assertThat(pool.waitFor()).isZero();
    assertThat(pool.protections().get(Protection.WORKERS_FIRST).reason())
        .isEqualTo("the child has oom_score_adj " + HALF_WAY + ", its descendants have 1000");
    assertThat(pool.protections().get(Protection.OOM_SCORE_ADJ).active()).isTrue();
  }

  @Test
  void unlessThatIsAskedForAllHaveTheSame(MemoryGuard guard) throws Exception {
    GuardedProcess pool = guard.start(Children.python(SUPERVISOR), LIMITS);
    assertThat(Children.output(pool).lines()).hasSize(8).allMatch(line -> line.endsWith(" 1000"));
    assertThat(pool.protections()).doesNotContainKey(Protection.WORKERS_FIRST);
  }

  @Test
  void theSupervisorsMayBeAskedFor(MemoryGuard guard) throws Exception {
    int asked = Math.min(999, Math.max(0, OWN) + 7);
    assertThat(scores(guard, FIRST.withOomScoreAdj(asked))).containsExactly(asked, 1000, asked);
  }

  @Test
  void orItIsLeftAsItIs(MemoryGuard guard) throws Exception {
    MemoryLimits left = FIRST.with(Protection.OOM_SCORE_ADJ, Requirement.OFF);
    assertThat(scores(guard, left)).containsExactly(OWN, 1000, OWN);
  }

  /** What is launched next in the same slot is no supervisor. */
  @Test
  void theNextLaunchIsNotConcerned(MemoryGuard guard) throws Exception {
    assertThat(scores(guard, FIRST)).contains(HALF_WAY);
    assertThat(scores(guard, LIMITS)).containsExactly(1000, 1000, 1000);
  }

  @ParameterizedTest
  @CsvSource({"PREFER", "REQUIRE"})
  void withoutAWitnessNobodyRaisesThem(Requirement wanted, MemoryGuard guard) throws Exception {
    MemoryLimits blind =
        LIMITS.with(Protection.WITNESS, Requirement.OFF).with(Protection.WORKERS_FIRST, wanted);
    ProcessBuilder job = Children.sh(":");
    if (wanted == Requirement.REQUIRE) {
      assertThatThrownBy(() -> guard.start(job, blind))
          .isInstanceOf(LaunchException.class)
          .hasMessageContaining("WORKERS_FIRST is required and cannot be had: no witness");
    } else {
      GuardedProcess child = guard.start(job, blind);
      child.waitFor();
      assertThat(child.protections().get(Protection.WORKERS_FIRST).reason())
          .isEqualTo(
              "no witness raises the oom_score_adj of descendants: switched off for this launch");
      assertThat(scores(guard, blind)).containsExactly(1000, 1000, 1000);
    }
  }

  /** Its first worker that is seen would pass for the supervisor. */
  @Test
  void aSupervisorThatIsNeverSeenHasNone(MemoryGuard guard, @TempDir Path directory)
      throws Exception {
    Path supervisor = directory.resolve("supervisor");
    Compiler.compile(
        """
        #include <stdlib.h>
        int main(void) { return system("cat /proc/self/oom_score_adj"); }
        """,
        supervisor,
        "-static");
    ProcessBuilder job = new ProcessBuilder(supervisor.toString());
    assertThatThrownBy(() -> guard.start(job, FIRST))
        .isInstanceOf(LaunchException.class)
        .hasMessageContaining("WORKERS_FIRST is required and cannot be had: no witness")
        .hasMessageContaining(supervisor + " is statically linked");
    GuardedProcess pool =
        guard.start(job, LIMITS.with(Protection.WORKERS_FIRST, Requirement.PREFER));
    assertThat(Children.output(pool).strip()).as("as without").isEqualTo("1000");
    assertThat(pool.protections().get(Protection.WORKERS_FIRST).active()).isFalse();
  }

  @Test
  void aWorkerMayGoBelowAgainWhereTheKernelAllowsIt(MemoryGuard guard) throws Exception {
    String lowers =
        """
        import os
        if os.fork() == 0:
          try: open("/proc/self/oom_score_adj", "w").write("900")
          except OSError: pass
          print(open("/proc/self/oom_score_adj").read().strip(), flush=True)
          os.fork() or print(open("/proc/self/oom_score_adj").read().strip(), flush=True)
          os._exit(0)
        os.wait()
        """;
    GuardedProcess pool = guard.start(Children.python(lowers), FIRST);
    List<String> said = Children.output(pool).lines().toList();
    assertThat(said).hasSize(2).allMatch(said.get(0)::equals);
  }

  private static List<Integer> scores(MemoryGuard guard, MemoryLimits limits) throws Exception {
    String script =
        "read own </proc/self/oom_score_adj; echo $own; (read its </proc/self/oom_score_adj; echo $its); echo $own";
    GuardedProcess shell = guard.start(Children.sh(script), limits);
    return Children.output(shell).lines().map(Integer::parseInt).toList();
  }
}
