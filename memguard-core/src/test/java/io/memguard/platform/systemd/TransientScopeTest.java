package io.memguard.platform.systemd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIOException;

import io.memguard.platform.cgroup.Machine;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is asked of systemd, and what becomes of its answers: a script stands for busctl. */
@Tag("engine-independent")
class TransientScopeTest {
  private static final long PID = ProcessHandle.current().pid();
  private static final String SCOPE = "memguard-" + PID + ".scope";
  private static final Duration LONG = Duration.ofSeconds(30);
  private static final Duration SHORT = Duration.ofMillis(300);

  @TempDir Path root;
  private Path cgroup;
  private Path asked;

  @BeforeEach
  void makeMachine() throws IOException {
    Path self = Files.createDirectories(root.resolve("proc/self"));
    status("Uid:\t0\t0\t0\t0\nNSpid:\t" + PID + "\n");
    Path first = Files.createDirectories(root.resolve("proc/1"));
    Files.writeString(first.resolve("comm"), "systemd\n");
    cgroup = Files.writeString(self.resolve("cgroup"), "0::/system.slice/app.service\n");
    asked = root.resolve("asked");
  }

  @Test
  void asksForADelegatedScopeWithThisProcessAloneAndWaitsUntilItIsThere() throws Exception {
    busctl("(sleep 0.3; echo 0::/system.slice/" + SCOPE + " >" + cgroup + ") >/dev/null 2>&1 &");
    scope(LONG).enter();

    assertThat(Files.readString(cgroup)).contains(SCOPE);
    assertThat(Files.readAllLines(asked))
        .containsSubsequence(
            List.of(
                "call",
                "org.freedesktop.systemd1",
                "/org/freedesktop/systemd1",
                "org.freedesktop.systemd1.Manager",
                "StartTransientUnit",
                "ssa(sv)a(sa(sv))",
                SCOPE,
                "fail"))
        .containsSubsequence("PIDs", "au", "1", "" + PID)
        .containsSubsequence("Delegate", "b", "true")
        .doesNotContain("--user");
  }

  @Test
  void asksTheUsersOwnManagerUnlessRoot() throws Exception {
    status("Uid:\t1000\t1000\t1000\t1000\nNSpid:\t" + PID + "\n");
    busctl("echo 0::/user.slice/" + SCOPE + " >" + cgroup);
    scope(LONG).enter();

    assertThat(Files.readAllLines(asked)).startsWith("--user", "call");
  }

  @Test
  void passesARefusalOnWithWhatHelps() throws Exception {
    busctl("echo 'Call failed: Interactive authentication required.' >&2; exit 1");

    assertThatIOException()
        .isThrownBy(() -> scope(LONG).enter())
        .withMessageContaining(
            "busctl exited with 1, Call failed: Interactive authentication required.; start this"
                + " process with Delegate=yes instead");
  }

  @Test
  void saysThatThereIsNoClient() {
    assertThatIOException()
        .isThrownBy(() -> scope(LONG).enter())
        .withMessageContaining("busctl was not found on the PATH ::" + root)
        .withMessageContaining("Delegate=yes");
  }

  @Test
  void doesNotTellThePidOfAContainerToTheMachinesSystemd() throws Exception {
    busctl("echo 0::/system.slice/" + SCOPE + " >" + cgroup);
    Files.writeString(root.resolve("proc/1/comm"), "java\n");
    assertThatIOException()
        .isThrownBy(() -> scope(LONG).enter())
        .withMessageContaining("process 1 is java, not systemd, and to a systemd elsewhere");
    Files.delete(root.resolve("proc/1/comm"));
    assertThatIOException()
        .isThrownBy(() -> scope(LONG).enter())
        .withMessageContaining("process 1 cannot be seen, and to a systemd elsewhere");
    assertThat(asked).doesNotExist();
  }

  /** As after {@code unshare -fp} without {@code --mount-proc}: its first process is systemd. */
  @Test
  void doesNotTellItsPidToTheSystemdOfAnOuterProc() throws Exception {
    busctl("echo 0::/system.slice/" + SCOPE + " >" + cgroup);
    status("Uid:\t0\t0\t0\t0\nNSpid:\t756\t" + PID + "\n");
    assertThatIOException()
        .isThrownBy(() -> scope(LONG).enter())
        .withMessageContaining("/proc is not of this process's pid namespace")
        .withMessageContaining("Delegate=yes");
    assertThat(asked).doesNotExist();
  }

  @Test
  void doesNotWaitForAClientThatHangs() throws Exception {
    busctl("exec sleep 1000");

    assertThatIOException()
        .isThrownBy(() -> scope(SHORT).enter())
        .withMessageContaining(
            ", has not answered within 0.3 seconds; systemd may still move this process there later");
  }

  @Test
  void doesNotWaitForAScopeThatNeverComes() throws Exception {
    busctl("exit 0");

    assertThatIOException()
        .isThrownBy(
            () -> scope(Duration.ofSeconds(2)).enter()) // in which busctl must have answered
        .withMessageContaining("systemd has not moved this process into " + SCOPE)
        .withMessageContaining(
            "within 2.0 seconds; systemd may still move this process there later");
  }

  private void status(String lines) throws IOException {
    Files.writeString(root.resolve("proc/self/status"), "Name:\tjava\n" + lines);
  }

  private TransientScope scope(Duration patience) {
    return new TransientScope(
        new Machine(root), "::" + root.resolve("nowhere") + ":" + root.resolve("bin"), patience);
  }

  private void busctl(String script) throws IOException {
    Path program = Files.createDirectories(root.resolve("bin")).resolve("busctl");
    Files.writeString(
        program, "#!/bin/sh\nfor word; do echo \"$word\"; done >" + asked + "\n" + script + "\n");
    Files.setPosixFilePermissions(program, PosixFilePermissions.fromString("rwxr-xr-x"));
  }
}
