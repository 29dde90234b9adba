package io.memguard.platform.systemd;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.doctor.SystemdUnit;
import io.memguard.platform.cgroup.Machine;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Which unit this is, and what systemd says of it: a script stands for systemctl. */
@Tag("engine-independent")
class OwnUnitTest {
  private static final Duration LONG = Duration.ofSeconds(30);
  private static final Duration SHORT = Duration.ofMillis(300);

  @TempDir Path root;

  @BeforeEach
  void makeMachine() throws IOException {
    Files.createDirectories(root.resolve("proc/self"));
    Files.createDirectories(root.resolve("proc/1"));
    Files.writeString(
        root.resolve("proc/self/status"), "NSpid:\t" + ProcessHandle.current().pid() + "\n");
    first("systemd");
    cgroup("0::/system.slice/app.service");
  }

  @Test
  void whatSystemctlSays() throws IOException {
    systemctl("echo OOMPolicy=stop; echo Delegate=no; echo \"$@\" >" + root.resolve("asked"));

    assertThat(unit(LONG))
        .hasValue(
            new SystemdUnit(
                "app.service", false, Optional.of("stop"), Optional.of(false), Optional.empty()));
    assertThat(Files.readString(root.resolve("asked")))
        .isEqualTo("--system show --property=OOMPolicy,Delegate -- app.service\n");
  }

  @Test
  void itIsAskedOnce() throws IOException {
    systemctl("echo OOMPolicy=stop; echo >>" + root.resolve("asked"));
    OwnUnit own = new OwnUnit(new Machine(root), root.toString(), LONG);

    assertThat(own.find()).isPresent().isEqualTo(own.find());
    assertThat(root.resolve("asked")).hasContent("\n");
  }

  /** As a pod sees itself that shares the machine's pids and cgroups. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-2.scope",
        "0::/kubepods.slice/crio-2.scope",
        "0::/system.slice/docker-2.scope",
        "0::/machine.slice/libpod-2.scope/container",
      })
  void aContainersScopeIsItsRuntimes(String line) throws IOException {
    cgroup(line);
    systemctl("echo OOMPolicy=stop");

    assertThat(unit(LONG)).isEmpty();
  }

  @ParameterizedTest
  @CsvSource({
    "0::/user.slice/user-1.slice/user@1.service/app.slice/app.service, app.service, true",
    "0::/user.slice/user-1.slice/session-3.scope, session-3.scope, false",
    "0::/system.slice/app.service/supervisor, app.service, false",
    "0::/user.slice/user-1.slice/user@1.service, user@1.service, false",
    "1:name=systemd:/system.slice/old.service, old.service, false",
  })
  void theInnermostUnitOfWhoeverManagesIt(String line, String name, boolean ofUser)
      throws IOException {
    cgroup(line);
    systemctl("echo OOMPolicy=continue; echo Delegate=yes");

    SystemdUnit unit = unit(LONG).orElseThrow();
    assertThat(unit.name()).isEqualTo(name);
    assertThat(unit.ofUser()).isEqualTo(ofUser);
    assertThat(unit.endsTogether()).isFalse();
  }

  @Test
  void anOlderSystemdHasNoPolicyForScopes() throws IOException {
    cgroup("0::/user.slice/session-3.scope");
    systemctl("echo Delegate=no");

    assertThat(unit(LONG).orElseThrow().oomPolicy()).isEmpty();
    assertThat(unit(LONG).orElseThrow().endsTogether()).isFalse();
  }

  @Test
  void whereTheFirstProcessIsHiddenTheUnitIsTakenToHaveTheDefault() throws IOException {
    Files.delete(root.resolve("proc/1/comm"));
    assertThat(unit(LONG)).isEmpty();

    Files.createDirectories(root.resolve("run/systemd/system"));
    SystemdUnit unit = unit(LONG).orElseThrow();
    assertThat(unit.name()).isEqualTo("app.service");
    assertThat(unit.unknown().orElseThrow()).contains("process 1 cannot be seen");
    assertThat(unit.endsTogether()).isTrue();

    cgroup("0::/user.slice/session-3.scope");
    assertThat(unit(LONG).orElseThrow().endsTogether()).isTrue();
  }

  @Test
  void whoDoesNotAnswerIsSaidSo() throws IOException {
    assertThat(unit(LONG).orElseThrow().unknown().orElseThrow()).contains("was not found");

    systemctl("echo no bus >&2; exit 1");
    assertThat(unit(LONG).orElseThrow().unknown()).hasValue("systemctl exited with 1, no bus");

    systemctl("exec sleep 60");
    assertThat(unit(SHORT).orElseThrow().unknown()).hasValue("systemctl has not answered in time");
    assertThat(unit(SHORT).orElseThrow().endsTogether()).isTrue();
  }

  @Test
  void elsewhereNobodyIsAsked() throws IOException {
    systemctl("echo OOMPolicy=stop");
    first("sh");
    assertThat(unit(LONG)).isEmpty();

    first("systemd");
    cgroup("0::/");
    assertThat(unit(LONG)).isEmpty();
  }

  private Optional<SystemdUnit> unit(Duration patience) {
    return new OwnUnit(new Machine(root), root.toString(), patience).find();
  }

  private void first(String name) throws IOException {
    Files.writeString(root.resolve("proc/1/comm"), name + "\n");
  }

  private void cgroup(String line) throws IOException {
    Files.writeString(root.resolve("proc/self/cgroup"), line + "\n");
  }

  private void systemctl(String script) throws IOException {
    Path file = root.resolve("systemctl");
    Files.writeString(file, "#!/bin/sh\n" + script + "\n");
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwx------"));
  }
}
