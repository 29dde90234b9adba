package io.memguard;

import static io.memguard.support.Children.output;
import static io.memguard.support.Children.sh;
import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.launch.LaunchException;
import io.memguard.limits.MemoryLimits;
import io.memguard.limits.Protection;
import io.memguard.limits.ProtectionState;
import io.memguard.limits.Requirement;
import io.memguard.platform.OwnLimits;
import io.memguard.support.Children;
import io.memguard.support.Engines;
import java.lang.ProcessBuilder.Redirect;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * The kernel is to take the child, and not its parent: what the child says of its own {@code
 * oom_score_adj}, and memguard of it, where the parent has another one than usual. What needs a
 * privilege is tried in the lab: {@code OomScoreLabTest}.
 */
@Timeout(60)
final class OomScoreTest {
  private static final String SET = "echo $1 >/proc/self/oom_score_adj && shift && exec \"$@\"";

  @Test
  void underABestEffortParentNoChildCanBeAbove() throws Exception {
    assertThat(run(1000, Children.jvm(List.of(), Says.class, "1000")))
        .anyMatch(line -> line.startsWith("capable false this process has oom_score_adj 1000"))
        .anyMatch(
            line ->
                line.startsWith("1000 PREFER: has 1000, false this process has oom_score_adj 1000")
                    && line.endsWith("give the container a memory request"))
        .contains("1000 OFF: has 1000, not asked for")
        .anyMatch(
            line ->
                line.startsWith(
                        "1000 REQUIRE: Cannot start the child: OOM_SCORE_ADJ is required and cannot be had")
                    && line.endsWith("Mend that, or only prefer Protection.OOM_SCORE_ADJ."));
  }

  @Test
  void underABurstableParentItIsSaidByHowMuch() throws Exception {
    assertThat(run(969, Children.jvm(List.of(), Says.class, "1000")))
        .contains(
            "capable true this process has 969, children have 1000; the kernel takes them first,"
                + " unless this process is larger by 3.1 % of the limit that was reached",
            "1000 REQUIRE: has 1000, true oom_score_adj 1000");
  }

  @Test
  void belowTheParentsItIsSetExactlyWhereThatIsAllowed() throws Exception {
    // Who has no privilege may still go back to where he was: so the kernel is asked, and
    // besides it what the portable engine goes by, which asks for the privilege alone.
    boolean allowed =
        sh("echo 500 >/proc/self/oom_score_adj && echo 100 >/proc/self/oom_score_adj")
                .redirectError(Redirect.DISCARD)
                .start()
                .waitFor()
            == 0;
    boolean set = allowed && (Engines.isNative() || OwnLimits.mayLower());
    List<String> said = run(500, Children.jvm(List.of(), Says.class, "100"));
    assertThat(said)
        .contains("100 OFF: has 500, not asked for")
        .anyMatch(
            line ->
                line.startsWith("capable true this process has 500,") && line.contains("50.0 %"));
    if (set) {
      String all = ": has 100, true oom_score_adj 100, not above this process's own 500";
      assertThat(said).contains("100 PREFER" + all, "100 REQUIRE" + all);
    } else {
      assertThat(said)
          .anyMatch(
              line ->
                  line.startsWith("100 PREFER: has 500, false ")
                      && line.contains("CAP_SYS_RESOURCE"))
          .anyMatch(
              line ->
                  line.startsWith(
                      "100 REQUIRE: Cannot start the child: oom_score_adj 100 was refused"));
    }
  }

  private static List<String> run(int own, ProcessBuilder jvm) throws Exception {
    List<String> command = new ArrayList<>(sh(SET, Integer.toString(own)).command());
    command.addAll(jvm.command());
    Process process = new ProcessBuilder(command).redirectError(Redirect.INHERIT).start();
    List<String> lines = output(process).lines().toList();
    assertThat(process.waitFor()).as(String.join("\n", lines)).isZero();
    return lines;
  }

  /** Says what its children say, and its guard of them. */
  static final class Says {
    private Says() {}

    public static void main(String[] scores) throws Exception {
      try (MemoryGuard guard = MemoryGuard.create()) {
        ProtectionState here = guard.capabilities().protections().get(Protection.OOM_SCORE_ADJ);
        System.out.println("capable " + here.active() + " " + here.reason());
        for (String score : scores) {
          for (Requirement wanted : Requirement.values()) {
            MemoryLimits limits =
                MemoryLimits.none()
                    .withOomScoreAdj(Integer.parseInt(score))
                    .with(Protection.OOM_SCORE_ADJ, wanted);
            System.out.println(score + " " + wanted + ": " + child(guard, limits));
          }
        }
      }
    }

    private static String child(MemoryGuard guard, MemoryLimits limits) throws Exception {
      try {
        GuardedProcess child =
            guard.start(new ProcessBuilder("cat", "/proc/self/oom_score_adj"), limits);
        ProtectionState state = child.protections().get(Protection.OOM_SCORE_ADJ);
        String said = output(child).strip();
        child.waitFor();
        return "has "
            + said
            + ", "
            + (state == null ? "not asked for" : state.active() + " " + state.reason());
      } catch (LaunchException e) {
        return String.valueOf(e.getMessage());
      }
    }
  }
}
