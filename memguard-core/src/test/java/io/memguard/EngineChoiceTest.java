package io.memguard;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.limits.EffectiveLimit;
import io.memguard.limits.MemoryLimits;
import io.memguard.limits.Protection;
import io.memguard.support.Children;
import io.memguard.support.Engines;
import io.memguard.support.WithGuard;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Which engine is used, and what is said where the native one cannot be loaded. */
@ExtendWith(WithGuard.class)
final class EngineChoiceTest {
  private static final String NATIVE = "-Dmemguard.engine=native";
  private static final String AUTO = "-Dmemguard.engine=auto";

  @TempDir private Path temp;

  @Test
  void theForcedEngineIsTheOneInUse(MemoryGuard guard) {
    Capabilities here = guard.capabilities();
    if (Engines.isNative()) {
      assertThat(here.engine()).isEqualTo(Capabilities.Engine.NATIVE);
      assertThat(here.limitations()).isEmpty();
    } else {
      assertThat(here.engine()).isEqualTo(Capabilities.Engine.PORTABLE);
      assertThat(here.engineReason()).isEqualTo("-Dmemguard.engine=portable");
      assertThat(here.limitations()).isNotEmpty();
    }
    assertThat(here.protections()).containsOnlyKeys(Protection.values());
    assertThat(here.limits()).extracting(EffectiveLimit::kind).contains(EffectiveLimit.Kind.MAX);
  }

  @Test
  @Tag("engine-independent")
  void leftAloneItIsTheNativeOne() throws Exception {
    assertThat(run(List.of(AUTO, "-Djava.io.tmpdir=" + temp))).startsWith("NATIVE ");
  }

  @Test
  @Tag("engine-independent")
  void anEngineNobodyKnowsIsRefused() throws Exception {
    assertThat(run(List.of("-Dmemguard.engine=turbo")))
        .isEqualTo(
            "IllegalArgumentException -Dmemguard.engine=turbo names no engine; it is one of auto, native, portable");
  }

  @ParameterizedTest
  @Tag("engine-independent")
  @CsvSource({"/proc", "/no/such/directory"})
  void aTempDirectoryThatCannotBeWrittenIsNamed(String unwritable) throws Exception {
    String option = "-Djava.io.tmpdir=" + unwritable;
    assertThat(run(List.of(NATIVE, option)))
        .startsWith("IllegalStateException The native engine is forced and cannot be used")
        .contains(unwritable + "/memguard-")
        .contains("-Dmemguard.native.dir");
    assertThat(run(List.of(AUTO, option)))
        .startsWith("PORTABLE ")
        .contains(unwritable + "/memguard-")
        .endsWith(" exit 7");
  }

  @ParameterizedTest
  @Tag("engine-independent")
  @CsvSource({"'size=4k', no space left", "'size=9m,noexec', noexec", "'size=9m,ro', read-only"})
  void aFullANoexecAndAReadOnlyTempDirectoryAreToldApart(String mount, String said)
      throws Exception {
    Assumptions.assumeTrue(mayMount(), "a mount namespace needs root, or user namespaces");
    Path here = Files.createDirectories(temp.resolve("mounted"));
    String option = "-Djava.io.tmpdir=" + here;
    assertThat(run(mounting(mount, here), List.of(NATIVE, option)))
        .startsWith("IllegalStateException The native engine is forced and cannot be used")
        .containsIgnoringCase(said)
        .contains("-Djava.io.tmpdir");
    assertThat(run(mounting(mount, here), List.of(AUTO, option)))
        .startsWith("PORTABLE ")
        .containsIgnoringCase(said)
        .endsWith(" exit 7");
  }

  /** Nobody but the child sees the mount, and it ends with the child. */
  private static List<String> mounting(String options, Path where) {
    return List.of(
        "unshare",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        "mount -t tmpfs -o \"$1\" memguard-test \"$2\" && shift 2 && exec \"$@\"",
        "sh",
        options,
        where.toString());
  }

  private boolean mayMount() throws Exception {
    List<String> command = new ArrayList<>(mounting("size=4k", temp));
    command.add("true");
    return new ProcessBuilder(command).start().waitFor() == 0;
  }

  private static String run(List<String> options) throws Exception {
    return run(List.of(), options);
  }

  private static String run(List<String> before, List<String> options) throws Exception {
    List<String> command = new ArrayList<>(before);
    command.addAll(Children.jvm(options, Chooser.class).command());
    Process jvm = new ProcessBuilder(command).start();
    String printed = Children.output(jvm).strip();
    assertThat(jvm.waitFor()).as(printed).isZero();
    return printed;
  }

  /** Says which engine it got and why, and how a child of it ended; or what was thrown. */
  static final class Chooser {
    private Chooser() {}

    public static void main(String[] none) throws Exception {
      try (MemoryGuard guard = MemoryGuard.create()) {
        Capabilities here = guard.capabilities();
        System.out.println(
            here.engine()
                + " "
                + here.engineReason()
                + " "
                + guard.run(Children.sh("exit 7"), MemoryLimits.of("1GiB")).evidence().status());
      } catch (IllegalStateException | IllegalArgumentException e) {
        System.out.println(e.getClass().getSimpleName() + " " + e.getMessage());
      }
    }
  }
}
