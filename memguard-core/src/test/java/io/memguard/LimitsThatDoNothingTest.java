package io.memguard;

import static io.memguard.support.Children.output;
import static io.memguard.support.Children.sh;
import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.launch.LaunchException;
import io.memguard.limits.MemoryLimits;
import io.memguard.limits.MemorySize;
import io.memguard.limits.Protection;
import io.memguard.limits.ProtectionState;
import io.memguard.limits.Requirement;
import io.memguard.limits.ResourceLimit;
import io.memguard.outcome.Outcome;
import io.memguard.support.Children;
import io.memguard.support.WithGuard;
import java.lang.ProcessBuilder.Redirect;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/**
 * Where resource limits are taken and forgotten, that is found out, said, and nothing is concluded
 * from them. A seccomp filter makes such a place for a JVM.
 */
@ExtendWith(WithGuard.class)
@Timeout(60)
final class LimitsThatDoNothingTest {
  private static final String INSTEAD =
      "; what a child and its descendants use together is watched instead (TREE_WATCH), where"
          + " MemoryLimits.treeMemory is set";

  @TempDir private static Path directory;

  private static Path ignored;

  @BeforeAll
  static void build() throws Exception {
    ignored = directory.resolve("limits-ignored");
    Process gcc =
        new ProcessBuilder("gcc", "-o", ignored.toString(), "src/test/native/limits_ignored.c")
            .inheritIO()
            .start();
    assertThat(gcc.waitFor()).isZero();
  }

  @Test
  void elsewhereTheProbeChildWasRefusedMemory(MemoryGuard guard) {
    for (Protection limit : List.of(Protection.RLIMIT_DATA, Protection.RLIMIT_AS)) {
      ProtectionState state = guard.capabilities().protections().get(limit);
      assertThat(state.active()).as(state.reason()).isTrue();
      assertThat(state.reason()).endsWith("a probe child under it was refused memory");
    }
  }

  @Test
  void theyAreSaidToDoNothingAndAreNotSet() throws Exception {
    List<String> said = run("data=64MiB", "as=64MiB");
    String what = " does nothing here: a probe child got all the memory it mapped under it";
    assertThat(said)
        .contains(
            "capable RLIMIT_DATA false RLIMIT_DATA" + what + INSTEAD,
            "capable RLIMIT_AS false RLIMIT_AS" + what + INSTEAD,
            "data=64MiB in force RLIMIT_DATA false RLIMIT_DATA" + what,
            "as=64MiB in force RLIMIT_AS false RLIMIT_AS" + what);
  }

  @Test
  void whereOneIsRequiredTheLaunchIsRefused() throws Exception {
    assertThat(run("data=64MiB"))
        .contains(
            "data=64MiB required: Cannot start the child: RLIMIT_DATA is required and cannot be had:"
                + " RLIMIT_DATA does nothing here: a probe child got all the memory it mapped under it"
                + " (preparing the launch). Mend that, or only prefer Protection.RLIMIT_DATA.");
  }

  @Test
  void whatAChildSaysIsNotTakenForARefusalByThem() throws Exception {
    assertThat(run("data=64MiB"))
        .contains("data=64MiB that says so: Exited exit 1", "data=64MiB limits: RLIMIT_DATA=64MiB");
  }

  @Test
  void aChildIsHeldToItsMemoryAllTheSame() throws Exception {
    assertThat(run(Held.class)).containsExactly("PREEMPTED CERTAIN past 64MiB", "TREE_WATCH true");
  }

  private static List<String> run(String... limits) throws Exception {
    return run(Tries.class, limits);
  }

  private static List<String> run(Class<?> main, String... limits) throws Exception {
    List<String> command = new ArrayList<>(List.of(ignored.toString()));
    command.addAll(Children.jvm(List.of(), main, limits).command());
    Process jvm = new ProcessBuilder(command).redirectError(Redirect.INHERIT).start();
    List<String> lines = output(jvm).lines().toList();
    assertThat(jvm.waitFor()).as(String.join("\n", lines)).isZero();
    return lines;
  }

  /** Says how a child ended that took more than it was given. */
  static final class Held {
    private static final String GREEDY = "import time; taken = b'x' * (200 << 20); time.sleep(60)";

    private Held() {}

    public static void main(String[] none) throws Exception {
      try (MemoryGuard guard = MemoryGuard.create()) {
        Outcome outcome = guard.run(Children.python(GREEDY), MemoryLimits.of("64MiB"));
        if (outcome instanceof Outcome.OutOfMemory memory) {
          long past = outcome.evidence().preemption().orElseThrow().thresholdBytes();
          System.out.println(
              memory.cause() + " " + memory.confidence() + " past " + MemorySize.format(past));
        } else {
          System.out.println(outcome.summary() + ": " + outcome.explanation());
        }
        System.out.println("TREE_WATCH " + outcome.evidence().active(Protection.TREE_WATCH));
      }
    }
  }

  /** Says what its guard says of resource limits, and does with children that have them. */
  static final class Tries {
    private static final ProcessBuilder SAYS_SO = sh("echo MemoryError >&2; exit 1");

    private Tries() {}

    public static void main(String[] limits) throws Exception {
      try (MemoryGuard guard = MemoryGuard.create()) {
        say("capable ", Protection.RLIMIT_DATA, guard.capabilities());
        say("capable ", Protection.RLIMIT_AS, guard.capabilities());
        for (String limit : limits) {
          Protection protection =
              limit.startsWith("as") ? Protection.RLIMIT_AS : Protection.RLIMIT_DATA;
          tryOne(guard, limit, protection);
        }
      }
    }

    private static void tryOne(MemoryGuard guard, String limit, Protection protection)
        throws Exception {
      MemoryLimits limits =
          MemoryLimits.none()
              .withRlimit(ResourceLimit.parse(limit))
              .with(Protection.WITNESS, Requirement.OFF);
      GuardedProcess child = guard.start(SAYS_SO, limits);
      ProtectionState state = child.protections().get(protection);
      System.out.println(
          limit + " in force " + protection + " " + state.active() + " " + state.reason());
      System.out.println(limit + " limits: " + child.limits().rlimits().values().iterator().next());
      var outcome = child.outcome().join();
      System.out.println(
          limit
              + " that says so: "
              + outcome.getClass().getSimpleName()
              + " "
              + outcome.evidence().status());
      try {
        guard.run(SAYS_SO, limits.with(protection, Requirement.REQUIRE));
      } catch (LaunchException e) {
        System.out.println(limit + " required: " + e.getMessage());
      }
    }

    private static void say(String what, Protection protection, Capabilities here) {
      ProtectionState state = here.protections().get(protection);
      System.out.println(what + protection + " " + state.active() + " " + state.reason());
    }
  }
}
