package io.memguard.lab;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.GuardedProcess;
import io.memguard.MemoryGuard;
import io.memguard.launch.LaunchException;
import io.memguard.limits.MemoryLimits;
import io.memguard.limits.Protection;
import io.memguard.limits.ProtectionState;
import io.memguard.limits.Requirement;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Scores that only the privileged can give; each child says what it has. */
@Tag("lab")
@DisplayName("A child's oom_score_adj")
class OomScoreLabTest {
  private static final String SET = "echo $0 >/proc/self/oom_score_adj && exec \"$@\"";
  private static final List<String> UNPRIVILEGED =
      List.of("setpriv", "--inh-caps=-all", "--bounding-set=-all");

  /** Capabilities that hold for the namespace and not for the kernel. */
  private static final List<String> PRIVILEGED_IN_NAME = List.of("unshare", "--map-root-user");

  @ParameterizedTest
  @ValueSource(strings = {"native", "portable"})
  @DisplayName("is above that of a Guaranteed pod's parent by itself, and may be less")
  void guaranteed(String engine) throws Exception {
    assertThat(say(-997, UNPRIVILEGED, engine, "1000", "-500", "-997", "-998"))
        .contains(
            "capable true this process has -997, children have 1000",
            "1000 PREFER: has 1000, true oom_score_adj 1000",
            "1000 REQUIRE: has 1000, true oom_score_adj 1000",
            "1000 OFF: has -997, not asked for",
            "-500 REQUIRE: has -500, true oom_score_adj -500",
            "-997 REQUIRE: has -997, true oom_score_adj -997, not above this process's own -997")
        .anySatisfy(line -> assertThat(line).startsWith("-998 PREFER: has -997, false "))
        .anySatisfy(line -> refused(line, "-998"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"native", "portable"})
  @DisplayName("can be below the parent's with CAP_SYS_RESOURCE alone")
  void below(String engine) throws Exception {
    for (List<String> as : List.of(UNPRIVILEGED, PRIVILEGED_IN_NAME)) {
      assertThat(say(500, as, engine, "100"))
          .anySatisfy(
              line ->
                  assertThat(line)
                      .startsWith("100 PREFER: has 500, false ")
                      .contains("CAP_SYS_RESOURCE"))
          .anySatisfy(line -> refused(line, "100"))
          .contains("100 OFF: has 500, not asked for");
    }
    String said = "has 100, true oom_score_adj 100, not above this process's own 500";
    assertThat(say(500, List.of(), engine, "100"))
        .contains("100 PREFER: " + said, "100 REQUIRE: " + said);
  }

  private static void refused(String line, String score) {
    assertThat(line)
        .startsWith(score + " REQUIRE: Cannot start the child: oom_score_adj " + score)
        .contains("EACCES");
  }

  private static List<String> say(int own, List<String> as, String engine, String... scores)
      throws Exception {
    List<String> command = new ArrayList<>(List.of("sh", "-c", SET, Integer.toString(own)));
    command.addAll(as);
    command.addAll(LeafSupervisor.command(Says.class, engine));
    command.addAll(Arrays.asList(scores));
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String output = new String(process.getInputStream().readAllBytes(), UTF_8);
    System.out.println(output);
    assertThat(process.waitFor()).isZero();
    return output.lines().toList();
  }

  /** Says what its children say, and its guard of them; the first argument is the engine. */
  static final class Says {
    private Says() {}

    public static void main(String[] arguments) throws Exception {
      System.setProperty(MemoryGuard.ENGINE_PROPERTY, arguments[0]);
      try (MemoryGuard guard = MemoryGuard.create()) {
        ProtectionState here = guard.capabilities().protections().get(Protection.OOM_SCORE_ADJ);
        System.out.println("capable " + here.active() + " " + here.reason());
        for (String score : Arrays.asList(arguments).subList(1, arguments.length)) {
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
        String said = new String(child.getInputStream().readAllBytes(), UTF_8).strip();
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
