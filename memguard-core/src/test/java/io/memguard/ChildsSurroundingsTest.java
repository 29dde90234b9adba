package io.memguard;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.memguard.launch.LaunchException;
import io.memguard.launch.LaunchStep;
import io.memguard.limits.LaunchOptions;
import io.memguard.limits.LaunchOptions.ProcessGroup;
import io.memguard.limits.MemoryLimits;
import io.memguard.support.Children;
import io.memguard.support.Engines;
import io.memguard.support.Proc;
import io.memguard.support.WithGuard;
import java.io.FileInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a child finds around itself: signals, descriptors, its parent and its group. */
@ExtendWith(WithGuard.class)
final class ChildsSurroundingsTest {
  private static final long SIGHUP = 1;

  @Test
  void noSignalIsBlockedOrCaughtAndNoneIgnoredButAnInheritedHangup(MemoryGuard guard)
      throws Exception {
    ProcessBuilder cat = new ProcessBuilder("cat", "/proc/self/status");
    String status = run(guard, cat);
    assertThat(mask(status, "SigPnd") | mask(status, "ShdPnd")).isZero();
    if (!Engines.isNative()) { // the JDK blocks or ignores a few, and so does the engine on top
      assertThat(guard.capabilities().limitations()).anyMatch(text -> text.contains("SIGQUIT"));
      String jdks = Children.output(cat.start());
      assertThat(mask(status, "SigBlk")).isEqualTo(mask(jdks, "SigBlk"));
      assertThat(mask(status, "SigIgn")).isEqualTo(mask(jdks, "SigIgn"));
      return;
    }
    assertThat(mask(status, "SigBlk")).isZero();
    assertThat(mask(status, "SigCgt")).isZero();
    long own = mask(Files.readString(Path.of("/proc/self/status")), "SigIgn");
    assertThat(mask(status, "SigIgn")).isEqualTo(own & SIGHUP);
  }

  @Test
  void onlyTheStandardStreamsAreOpen(MemoryGuard guard) throws Exception {
    assertThat(openInChild(guard)).containsExactly("0", "1", "2");
  }

  @ParameterizedTest
  @ValueSource(ints = {2_000, 10_000})
  void noDescriptorOfTheParentsLeaksHoweverManyAreOpen(int count, MemoryGuard guard)
      throws Exception {
    Assumptions.assumeTrue(
        mayOpen() > count + 500, "RLIMIT_NOFILE is " + mayOpen() + ": too low to open " + count);
    List<FileInputStream> open = new ArrayList<>();
    try {
      for (int i = 0; i < count; i++) {
        open.add(new FileInputStream("/dev/null"));
      }
      assertThat(openInChild(guard)).containsExactly("0", "1", "2");
    } finally {
      for (FileInputStream file : open) {
        file.close();
      }
    }
  }

  @Test
  void theParentIsThisProcess(MemoryGuard guard) throws Exception {
    assertThat(stat(guard, LaunchOptions.defaults()).parent())
        .isEqualTo(ProcessHandle.current().pid());
  }

  @Test
  void unlessAskedItStaysInTheParentsGroupAndSession(MemoryGuard guard) throws Exception {
    Stat child = stat(guard, LaunchOptions.defaults());
    Stat own = Stat.of(Files.readString(Path.of("/proc/self/stat")));
    assertThat(child.group()).isEqualTo(own.group());
    assertThat(child.session()).isEqualTo(own.session());
  }

  @Test
  void itLeadsItsOwnGroupWhenAsked(MemoryGuard guard) throws Exception {
    LaunchOptions options = LaunchOptions.defaults().withGroup(ProcessGroup.NEW_GROUP);
    if (!Engines.isNative()) {
      assertThat(guard.capabilities().limitations())
          .anyMatch(text -> text.contains("process group of its own"));
      assertThatExceptionOfType(LaunchException.class)
          .isThrownBy(() -> stat(guard, options))
          .withMessageContaining("process group of its own")
          .satisfies(e -> assertThat(e.step()).isEqualTo(LaunchStep.PREPARE));
      return;
    }
    Stat child = stat(guard, options);
    assertThat(child.group()).isEqualTo(child.pid());
    assertThat(child.session())
        .isEqualTo(Stat.of(Files.readString(Path.of("/proc/self/stat"))).session());
  }

  @Test
  void itLeadsItsOwnSessionWithoutATerminalWhenAsked(MemoryGuard guard) throws Exception {
    Stat child = stat(guard, LaunchOptions.defaults().withGroup(ProcessGroup.NEW_SESSION));
    assertThat(child.group()).isEqualTo(child.pid());
    assertThat(child.session()).isEqualTo(child.pid());
    assertThat(child.terminal()).isZero();
  }

  /** The first fields of {@code /proc/<pid>/stat}. */
  private record Stat(long pid, long parent, long group, long session, long terminal) {
    static Stat of(String line) {
      String[] rest = line.substring(line.lastIndexOf(')') + 2).split(" ", -1);
      return new Stat(
          Long.parseLong(line.substring(0, line.indexOf(' '))),
          Long.parseLong(rest[1]),
          Long.parseLong(rest[2]),
          Long.parseLong(rest[3]),
          Long.parseLong(rest[4]));
    }
  }

  private static Stat stat(MemoryGuard guard, LaunchOptions options) throws Exception {
    GuardedProcess child =
        guard.start(new ProcessBuilder("cat", "/proc/self/stat"), MemoryLimits.none(), options);
    Stat stat = Stat.of(Children.output(child));
    assertThat(child.waitFor()).isZero();
    assertThat(stat.pid()).isEqualTo(child.pid());
    return stat;
  }

  private static List<String> openInChild(MemoryGuard guard) throws Exception {
    String list = "for f in /proc/self/fd/*; do [ -e \"$f\" ] && echo \"${f##*/}\"; done; true";
    return run(guard, Children.sh(list)).lines().toList();
  }

  private static String run(MemoryGuard guard, ProcessBuilder job) throws Exception {
    GuardedProcess child = guard.start(job, MemoryLimits.of("1GiB"));
    String text = Children.output(child);
    assertThat(child.waitFor()).isZero();
    return text;
  }

  private static long mask(String status, String name) {
    return Long.parseUnsignedLong(Proc.field(status, name), 16);
  }

  private static long mayOpen() throws IOException {
    String limits = Files.readString(Path.of("/proc/self/limits"));
    return limits
        .lines()
        .filter(line -> line.startsWith("Max open files"))
        .map(line -> Long.parseLong(line.split("\\s+", -1)[3]))
        .findFirst()
        .orElseThrow();
  }
}
