package io.memguard.lab;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Cgroups that are not as they should be: a launch is refused or says so, and never goes wrong. */
@Tag("lab")
@DisplayName(
    "Where a leaf cannot be had, it is refused if required, and else said, because cgroups")
class BrokenCgroupsLabTest {
  private static final Path CGROUPS = Path.of("/sys/fs/cgroup");
  private static final String NOBODY = "65534";

  @ParameterizedTest
  @ValueSource(strings = {"native", "portable"})
  @DisplayName("are read-only")
  void readOnly(String engine) throws Exception {
    try (LabService service = LabService.withSupervisor("broken")) {
      assertThat(
              ask(
                  service,
                  engine,
                  "unshare",
                  "-m",
                  "sh",
                  "-ec",
                  "mount -o remount,bind,ro /sys/fs/cgroup; exec \"$@\"",
                  "sh"))
          .satisfies(
              said -> refusedAndSaid(said, "cgroups are mounted read-only", "cgroup_writable"));
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"native", "portable"})
  @DisplayName("have no memory controller")
  void noMemoryController(String engine) throws Exception {
    Path parent = Files.createDirectory(CGROUPS.resolve("pids-only"));
    Files.writeString(parent.resolve("cgroup.subtree_control"), "+pids");
    try (LabService service = LabService.withSupervisor("pids-only/broken")) {
      assertThat(ask(service, engine))
          .satisfies(
              said -> refusedAndSaid(said, "was not given the memory controller", "+memory"));
    } finally {
      Files.delete(parent);
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "native cgroup.procs",
        "portable cgroup.procs",
        "native cgroup.subtree_control",
        "portable cgroup.subtree_control"
      })
  @DisplayName("are half-delegated")
  void halfDelegated(String engineAndFile) throws Exception {
    String engine = engineAndFile.split(" ", 2)[0];
    String missing = engineAndFile.split(" ", 2)[1];
    try (LabService service = LabService.withSupervisor("broken")) {
      delegate(service, missing);
      assertThat(ask(service, engine, "setpriv", "--reuid", NOBODY, "--clear-groups"))
          .satisfies(said -> refusedAndSaid(said, "but not write its " + missing, "chown"));
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"native", "portable"})
  @DisplayName("are not delegated; where they are, an ordinary user can have leaves")
  void delegated(String engine) throws Exception {
    try (LabService service = LabService.withSupervisor("broken")) {
      assertThat(ask(service, engine, "setpriv", "--reuid", NOBODY, "--clear-groups"))
          .satisfies(said -> refusedAndSaid(said, "may not make directories in", "Delegate=yes"));
      delegate(service, "nothing");
      assertThat(ask(service, engine, "setpriv", "--reuid", NOBODY, "--clear-groups"))
          .anyMatch(line -> line.startsWith("REQUIRE leaf true: "))
          .anyMatch(line -> line.startsWith("PREFER leaf true: "));
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"native", "portable"})
  @DisplayName("were removed after the guard was made")
  void removed(String engine) throws Exception {
    LabService service = LabService.withSupervisor("broken");
    Process launcher = service.command(LeafLauncher.command(engine, "ask")).start();
    try (var said = launcher.inputReader(UTF_8)) {
      awaitReady(said);
      Files.writeString(CGROUPS.resolve("lab/cgroup.procs"), Long.toString(launcher.pid()));
      service.close();
      answer(launcher);
      refusedAndSaid(said.lines().toList(), "no cgroup could be made below " + service.directory());
      assertThat(launcher.waitFor()).isZero();
    } finally {
      launcher.destroyForcibly().waitFor();
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"native", "portable"})
  @DisplayName("were unmounted after the guard was made")
  void unmounted(String engine) throws Exception {
    try (LabService service = LabService.withSupervisor("broken")) {
      List<String> command = new ArrayList<>(List.of("unshare", "-m"));
      command.addAll(List.of(LeafLauncher.command(engine, "ask")));
      Process launcher = service.command(command.toArray(String[]::new)).start();
      try (var said = launcher.inputReader(UTF_8)) {
        awaitReady(said);
        Process unmount =
            new ProcessBuilder(
                    "nsenter", "-m", "-t", "" + launcher.pid(), "umount", "-l", "/sys/fs/cgroup")
                .inheritIO()
                .start();
        assertThat(unmount.waitFor()).isZero();
        answer(launcher);
        refusedAndSaid(
            said.lines().toList(), "no cgroup could be made below /sys/fs/cgroup/broken");
        assertThat(launcher.waitFor()).isZero();
      } finally {
        launcher.destroyForcibly().waitFor();
      }
    }
  }

  private static void refusedAndSaid(List<? extends String> said, String... why) {
    assertThat(said)
        .anySatisfy(
            line ->
                assertThat(line)
                    .startsWith("REQUIRE refused: ")
                    .contains("a cgroup of its own is required and cannot be had: ")
                    .contains(why)
                    .endsWith("Mend that, or only prefer Protection.CGROUP_LEAF."))
        .anySatisfy(line -> assertThat(line).startsWith("PREFER leaf false: ").contains(why))
        .anyMatch(line -> line.startsWith("PREFER launched, "));
  }

  /** Gives it to the user nobody, but for one file. */
  private static void delegate(LabService service, String except) throws IOException {
    var nobody =
        service
            .directory()
            .getFileSystem()
            .getUserPrincipalLookupService()
            .lookupPrincipalByName("nobody");
    for (String name : List.of("", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads")) {
      if (!name.equals(except)) {
        Files.setOwner(service.directory().resolve(name), nobody);
      }
    }
  }

  private static List<String> ask(LabService service, String engine, String... around)
      throws Exception {
    String[] command =
        Stream.of(around, LeafLauncher.command(engine, "ask"))
            .flatMap(Stream::of)
            .toArray(String[]::new);
    Process launcher = service.command(command).start();
    answer(launcher);
    try (var said = launcher.inputReader(UTF_8)) {
      List<String> lines = said.lines().peek(System.out::println).toList();
      assertThat(launcher.waitFor()).as(String.join("\n", lines)).isZero();
      return lines;
    }
  }

  private static void awaitReady(java.io.BufferedReader said) throws IOException {
    String line = said.readLine();
    while (line != null && !line.equals("ready")) {
      line = said.readLine();
    }
    assertThat(line).as("it ended before it was ready").isNotNull();
  }

  private static void answer(Process launcher) throws IOException {
    try (var input = launcher.getOutputStream()) {
      input.write('\n');
    }
  }
}
