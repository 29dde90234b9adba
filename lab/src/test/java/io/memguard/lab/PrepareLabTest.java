package io.memguard.lab;

import static io.memguard.lab.LabService.memguard;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Room for leaves, made by memguard itself where it is asked to. */
@Tag("lab")
@DisplayName("Preparing a cgroup")
class PrepareLabTest {
  private static final String[] FILES = {
    "cgroup.subtree_control", "memory.oom.group", "cgroup.procs"
  };

  /** None is refused memory for itself, and together they outgrow their leaf of 56 MiB. */
  private static final String CROWD =
      "for i in 1 2 3 4 5 6 7 8; do perl -e '$x = q(x) x 10_000_000; sleep 60' & done; wait";

  @Test
  @DisplayName("of a writable container that is killed as a whole lets the parent survive")
  void container() throws Exception {
    String memguard = String.join(" ", memguard("native", "--prepare-cgroup", "--cgroup=require"));
    String script =
        "sleep 1000 & "
            + memguard
            + " --supervisor-min=32M --memory=24MiB sh -c \"$0\"; echo \"status $?\"; "
            + memguard
            + " --disarm-oom-group --memory=24MiB true; echo \"again $?\"; cd /sys/fs/cgroup;"
            + " echo \"min $(cat supervisor/memory.min), group $(cat memory.oom.group)\";"
            + " echo \"left $(ls -d */ | tr '\\n' ' ')\"";
    LabContainer.Result container =
        LabContainer.withMemory("160M")
            .with("--cgroup", "rw", "--oom-group", "1")
            .run("sh", "-c", script, CROWD);
    assertThat(container.output())
        .contains("memguard: prepared: made cgroup /supervisor, moved 3 processes of cgroup / into")
        .contains("enabled the memory controller below /, enabled the pids controller below /")
        .contains("memguard: out of memory: It was killed, and its own cgroup /memguard-")
        .contains("reached its limit of 56MiB", "status 137")
        .contains("memguard: prepared: set memory.oom.group of cgroup / from 1 to 0", "again 0")
        .contains("min 33554432, group 0", "left supervisor/ ");
    assertThat(container.exitStatus()).isZero();
    assertThat(container.count("oom_kill").orElse(0)).isPositive();
  }

  @Test
  @DisplayName("by several at once is done by one, and the others find it done")
  void atOnce() throws Exception {
    try (LabService service = LabService.undivided("prepared")) {
      String one = String.join(" ", memguard("native", "--prepare-cgroup", "--cgroup=require"));
      LabService.Result result =
          service.run(
              "sh",
              "-c",
              "for i in 1 2 3 4; do " + one + " --memory=64MiB echo ran $i & done; wait");
      assertThat(result.output().lines())
          .contains("ran 1", "ran 2", "ran 3", "ran 4")
          .filteredOn(line -> line.startsWith("memguard: "))
          .singleElement()
          .asString()
          .startsWith("memguard: prepared: made cgroup /prepared/supervisor");
    }
  }

  @Test
  @DisplayName("waits for whoever is at it, and finds it done")
  void locked() throws Exception {
    try (LabService service = LabService.undivided("prepared");
        FileChannel file =
            FileChannel.open(
                service.directory().resolve("cgroup.threads"), StandardOpenOption.WRITE)) {
      Process late;
      try (FileLock lock = file.lock()) {
        late =
            service
                .command(memguard("native", "--prepare-cgroup", "--cgroup=require", "echo", "ran"))
                .start();
        awaitOpen(late, service.directory().resolve("cgroup.threads"));
        Thread.sleep(1000); // time enough to do it in spite of us
        assertThat(service.below()).isEmpty();
        assertThat(lock.isValid()).isTrue();
        Path supervisor = Files.createDirectory(service.directory().resolve("supervisor"));
        Files.writeString(supervisor.resolve("cgroup.procs"), Long.toString(late.pid()));
        Files.writeString(service.directory().resolve("cgroup.subtree_control"), "+memory +pids");
      }
      String output = new String(late.getInputStream().readAllBytes(), UTF_8);
      assertThat(late.waitFor()).as(output).isZero();
      assertThat(output).contains("ran\n").doesNotContain("memguard: ");
    }
  }

  @Test
  @DisplayName("moves also what is started meanwhile")
  void restless() throws Exception {
    try (LabService service = LabService.undivided("prepared")) {
      LabService.Result result =
          service.run(
              "sh",
              "-c",
              "(while :; do sh -c : ; done) & \"$@\"; status=$?; kill $!; wait; exit $status",
              "sh",
              "env",
              "JDK_JAVA_OPTIONS=-Xint -Dmemguard.engine=native",
              memguard("native")[2],
              "run",
              "--prepare-cgroup",
              "--cgroup=require",
              "--memory=64MiB",
              "true");
      assertThat(result.exitStatus()).as(result.output()).isZero();
      assertThat(service.files("cgroup.procs")).containsValue("");
    }
  }

  @Test
  @DisplayName("that fails at the last step leaves everything as it was")
  void lastStepRefused() throws Exception {
    failsAndUndoes(
        "mount --bind memory.oom.group memory.oom.group && mount -o remount,bind,ro"
            + " memory.oom.group",
        "0 was refused by /sys/fs/cgroup/prepared/memory.oom.group: Read-only file system");
  }

  @Test
  @DisplayName("that fails half-way leaves everything as it was")
  void controllerRefused() throws Exception {
    failsAndUndoes(
        "mkdir /tmp/full && mount -t tmpfs -o size=4k full /tmp/full && touch /tmp/full/control"
            + " && { head -c 4096 /dev/zero >/tmp/full/filler; true; }"
            + " && mount --bind /tmp/full/control cgroup.subtree_control",
        "+memory was refused by /sys/fs/cgroup/prepared/cgroup.subtree_control: No space left");
  }

  @Test
  @DisplayName("moves nobody where a process of another pid namespace is in the way")
  void stranger() throws Exception {
    failsAndUndoes(
        "", "holds a process of another pid namespace", "unshare", "-fp", "--mount-proc");
  }

  /** A bystander is in the same cgroup, and has to be there afterwards. */
  private static void failsAndUndoes(String sabotage, String why, String... around)
      throws Exception {
    try (LabService service = LabService.undivided("prepared")) {
      Files.writeString(service.directory().resolve("memory.oom.group"), "1");
      Process bystander = service.command("sleep", "1000").start();
      try {
        awaitProcess(service, bystander);
        Map<String, String> before = service.files(FILES);
        List<String> command = new ArrayList<>(List.of(around));
        command.addAll(
            List.of(
                "unshare",
                "-m",
                "sh",
                "-ec",
                "cd " + service.directory() + "; " + sabotage + "\nexec \"$@\"",
                "sh"));
        command.addAll(
            List.of(
                memguard(
                    "native",
                    "--prepare-cgroup",
                    "--disarm-oom-group",
                    "--cgroup",
                    "echo",
                    "ran")));
        LabService.Result result = service.run(command.toArray(String[]::new));
        assertThat(result.exitStatus()).as(result.output()).isEqualTo(125);
        assertThat(result.output())
            .contains("memguard: Cannot prepare for leaves: ", why)
            .doesNotContain("ran\n");
        assertThat(service.below()).isEmpty();
        assertThat(service.files(FILES)).isEqualTo(before);
      } finally {
        bystander.destroyForcibly().waitFor();
      }
    }
  }

  private static void awaitOpen(Process process, Path file) throws Exception {
    Path descriptors = Path.of("/proc/" + process.pid() + "/fd");
    long deadline = System.nanoTime() + 60_000_000_000L;
    while (!opened(descriptors).contains(file)) {
      assertThat(System.nanoTime()).as("it never looked for the lock").isLessThan(deadline);
      Thread.sleep(10);
    }
  }

  private static List<Path> opened(Path descriptors) throws IOException {
    List<Path> files = new ArrayList<>();
    try (Stream<Path> all = Files.list(descriptors)) {
      for (Path descriptor : all.toList()) {
        try {
          files.add(Files.readSymbolicLink(descriptor));
        } catch (NoSuchFileException e) {
          // closed meanwhile
        }
      }
    }
    return files;
  }

  private static void awaitProcess(LabService service, Process process) throws Exception {
    Path procs = service.directory().resolve("cgroup.procs");
    long deadline = System.nanoTime() + 30_000_000_000L;
    while (!Files.readAllLines(procs).contains(Long.toString(process.pid()))) {
      assertThat(System.nanoTime()).as("it never got there").isLessThan(deadline);
      Thread.sleep(10);
    }
  }
}
