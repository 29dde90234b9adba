package io.memguard.platform.cgroup;

import static org.assertj.core.api.Assertions.assertThat;

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
    Path self = Files.createDirectories(machine.resolve("proc/self"));
    Files.writeString(self.resolve("status"), ownStatus);
    Files.createDirectory(self.resolve("ns"));
    Files.createSymbolicLink(self.resolve("ns/pid"), Path.of("pid:[4026532088]"));
    Files.createDirectory(machine.resolve("proc/1"));
    Files.writeString(machine.resolve("proc/1/stat"), "1 (init) S 0\n");
    return new LeafName(4026532088L, 7, 665, 1).isAbandoned(new Machine(machine));
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
