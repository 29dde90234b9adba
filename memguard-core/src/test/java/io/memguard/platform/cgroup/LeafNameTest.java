package io.memguard.platform.cgroup;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.support.Eventually;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Whose a leaf is: nobody's but of a JVM that is known to be gone. */
@Tag("engine-independent")
final class LeafNameTest {
  private static final int NO_PID = 1 << 30;
  private static final long NAMESPACE = 4026532088L;

  @TempDir Path root;

  @Test
  void namesThisProcessAndNeverTwiceTheSame() throws Exception {
    LeafName first = LeafName.next();
    assertThat(first.pid()).isEqualTo(ProcessHandle.current().pid());
    assertThat(LeafName.next().number()).isGreaterThan(first.number());
    assertThat(LeafName.parse(first.toString())).contains(first);
  }

  @Test
  void aLivingJvmsIsNotAbandoned() throws Exception {
    assertThat(LeafName.next().isAbandoned()).isFalse();
  }

  @Test
  void oneWhosePidIsGoneOrAnothersIsAbandoned() throws Exception {
    LeafName own = LeafName.next();
    assertThat(new LeafName(own.namespace(), NO_PID, own.start(), 1).isAbandoned()).isTrue();
    assertThat(new LeafName(own.namespace(), own.pid(), own.start() + 1, 1).isAbandoned()).isTrue();
  }

  @Test
  void oneThatHasEndedAndThatNobodyReapsIsAbandoned() throws Exception {
    String ends = "exec 3<&0; read end <&3 & echo $!; exec sleep 1000";
    Process parent = new ProcessBuilder("sh", "-c", ends).start();
    try (BufferedReader says = parent.inputReader();
        Writer end = parent.outputWriter()) {
      Path stat = Path.of("/proc", says.readLine(), "stat");
      Path shell = Path.of("/proc", Long.toString(parent.pid()), "stat");
      Eventually.await("nobody reaps", () -> fields(shell)[1].equals("(sleep)")); // as a shell does
      end.write("\n");
      end.flush();
      Eventually.await("it has ended", () -> fields(stat)[2].equals("Z"));
      String[] fields = fields(stat);
      LeafName dead =
          new LeafName(
              LeafName.next().namespace(),
              Long.parseLong(fields[0]),
              Long.parseLong(fields[21]),
              1);
      assertThat(dead.isAbandoned()).isTrue();
    } finally {
      parent.destroyForcibly().waitFor();
    }
  }

  /** Its first thread is counted as long as others live. */
  @Test
  void oneOfWhichOnlyTheFirstThreadHasEndedIsNot() throws Exception {
    machine(root, "NSpid:\t" + ProcessHandle.current().pid() + "\n");
    Path jvm = Files.createDirectory(root.resolve("proc/7"));
    LeafName name = new LeafName(NAMESPACE, 7, 665, 1);
    Files.writeString(jvm.resolve("stat"), "7 (java) Z 1 7 7 0 0 0 0 0 0 0 0 0 0 0 20 0 12 0 665");
    assertThat(name.isAbandoned(new Machine(root))).isFalse();
    Files.writeString(jvm.resolve("stat"), "7 (java) Z 1 7 7 0 0 0 0 0 0 0 0 0 0 0 20 0 1 0 665");
    assertThat(name.isAbandoned(new Machine(root))).isTrue();
  }

  private static String[] fields(Path stat) {
    try {
      return Files.readString(stat).split(" ", -1);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Test
  void ofAnotherPidNamespaceNothingIsKnown() throws Exception {
    LeafName own = LeafName.next();
    assertThat(new LeafName(own.namespace() + 1, NO_PID, 1, 1).isAbandoned()).isFalse();
  }

  @Test
  void whereProcShowsAnotherPidNamespaceNothingIsKnown() throws Exception {
    long own = ProcessHandle.current().pid();
    assertThat(gone(root.resolve("own"), "Pid:\t" + own + "\nNSpid:\t" + own + "\n")).isTrue();
    assertThat(gone(root.resolve("before-4.1"), "Pid:\t" + own + "\n")).isTrue();
    assertThat(gone(root.resolve("outer"), "Pid:\t814\nNSpid:\t814\t" + own + "\n")).isFalse();
    assertThat(gone(root.resolve("hidden"), "")).isFalse();
  }

  /** Asks a {@code /proc} that has no process of the name's pid. */
  private static boolean gone(Path machine, String ownStatus) throws Exception {
    machine(machine, ownStatus);
    return new LeafName(NAMESPACE, 7, 665, 1).isAbandoned(new Machine(machine));
  }

  private static void machine(Path root, String ownStatus) throws IOException {
    Path self = Files.createDirectories(root.resolve("proc/self"));
    Files.writeString(self.resolve("status"), ownStatus);
    Files.createDirectory(self.resolve("ns"));
    Files.createSymbolicLink(self.resolve("ns/pid"), Path.of("pid:[" + NAMESPACE + "]"));
    Files.createDirectory(root.resolve("proc/1"));
    Files.writeString(root.resolve("proc/1/stat"), "1 (init) S 0\n");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "memguard-1-2-3",
        "memguard-1-2-3-x",
        "memguard-1-2-3-4-5",
        "xmemguard-1-2-3-4",
        ""
      })
  void whatIsNotItsFormIsNobodys(String name) {
    assertThat(LeafName.parse(name)).isEmpty();
  }
}
