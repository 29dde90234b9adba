package io.memguard;

import static io.memguard.support.Children.output;
import static io.memguard.support.Children.sh;
import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.launch.LaunchException;
import io.memguard.limits.MemoryLimits;
import io.memguard.support.Children;
import io.memguard.support.WithGuard;
import java.lang.ProcessBuilder.Redirect;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** A limited program is looked up where it should be, whatever it and its variables are like. */
@ExtendWith(WithGuard.class)
@Timeout(60)
final class ProgramsThatAreOddTest {
  @TempDir private Path directory;

  @Test
  void aProgramThatIsOnlyInTheJvmsDirectoryIsNotFound() throws Exception {
    program("only-here");
    ProcessBuilder job = Children.jvm(List.of(), Launcher.class, "only-here");
    Process jvm = job.directory(directory.toFile()).redirectError(Redirect.INHERIT).start();
    assertThat(output(jvm)).isEqualTo("EXEC ENOENT\n");
  }

  @Test
  void aLimitIsExactWhateverTheChildsPath(MemoryGuard guard) throws Exception {
    ProcessBuilder job = sh("while read -r line; do echo \"$line\"; done < /proc/self/limits");
    job.environment().put("PATH", "/nowhere");
    GuardedProcess child = guard.start(job, MemoryLimits.of(100_000_001L));
    assertThat(output(child)).containsPattern("Max data size +100000001 +100000001 +bytes");
    assertThat(child.waitFor()).isZero();
  }

  @Test
  void aPathThatLooksLikeAnOptionIsAPath(MemoryGuard guard) throws Exception {
    Files.createDirectory(directory.resolve("-c"));
    Files.copy(Path.of("/bin/echo"), directory.resolve("-c/echo"));
    ProcessBuilder job = new ProcessBuilder("-c/echo", "hello").directory(directory.toFile());
    GuardedProcess child = guard.start(job, MemoryLimits.of("1GiB"));
    assertThat(output(child)).isEqualTo("hello\n");
    assertThat(child.waitFor()).isZero();
  }

  private void program(String name) throws Exception {
    Path file = directory.resolve(name);
    Files.writeString(file, "#!/bin/sh\necho hello\n");
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
  }

  /** Says how the launch of a program failed, or what it said. */
  static final class Launcher {
    private Launcher() {}

    public static void main(String[] program) throws Exception {
      try (MemoryGuard guard = MemoryGuard.create()) {
        GuardedProcess child = guard.start(new ProcessBuilder(program), MemoryLimits.of("1GiB"));
        System.out.print(output(child));
      } catch (LaunchException e) {
        System.out.println(e.step() + " " + e.errnoName());
      }
    }
  }
}
