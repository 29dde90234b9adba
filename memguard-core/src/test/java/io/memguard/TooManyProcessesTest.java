package io.memguard;

import static io.memguard.support.Children.output;
import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.launch.LaunchException;
import io.memguard.limits.LaunchOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.support.Children;
import io.memguard.support.Engines;
import io.memguard.support.Libc;
import io.memguard.support.Privileges;
import io.memguard.support.Proc;
import java.lang.ProcessBuilder.Redirect;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Where no further process is allowed for the moment, a launch fails and can be tried again. */
@Timeout(60)
final class TooManyProcessesTest {
  private static final long SOME = 4096;
  private static final int PATIENCE_SECONDS = 15;
  private static final MemoryLimits LIMITS = MemoryLimits.of("1GiB");

  @TempDir private Path directory;

  @Test
  void launchesCanBeRetriedAndWhatLivesCanBeEnded() throws Exception {
    Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwxrwxrwx"));
    String option = "-Djava.io.tmpdir=" + directory;
    Process jvm =
        Privileges.ofAnotherUser(Children.jvm(List.of(option, "-Xlog:disable"), Limited.class))
            .redirectError(Redirect.INHERIT)
            .start();
    assertThat(output(jvm).lines())
        .containsExactly(
            "EAGAIN, retryable true, left [the first]",
            "EAGAIN, retryable true, left [the first]",
            "the first ended: true",
            "afterwards exit 0");
    assertThat(jvm.waitFor()).isZero();
  }

  /** Says how a launch failed while no process was allowed, and how one ended afterwards. */
  static final class Limited {
    private Limited() {}

    public static void main(String[] none) throws Exception {
      LaunchOptions tied = LaunchOptions.defaults().withDieWithParent(Engines.isNative());
      ProcessBuilder job = new ProcessBuilder("true");
      try (MemoryGuard guard = MemoryGuard.create()) {
        GuardedProcess first =
            guard.start(new ProcessBuilder("sleep", "3600"), MemoryLimits.none());
        Libc.limitProcesses(1);
        String failed = failure(guard, job, LaunchOptions.defaults(), first);
        String tiedFailed = failure(guard, job, tied, first);
        boolean ended = !Engines.isNative() || ends(first); // else the JDK has threads to start
        Libc.limitProcesses(SOME);
        first.destroyForcibly().waitFor();
        System.out.println(failed);
        System.out.println(tiedFailed);
        System.out.println("the first ended: " + ended);
        System.out.println("afterwards " + guard.run(job, LIMITS).evidence().status());
        Runtime.getRuntime().halt(0);
      }
    }

    /** There is no thread to be had for ending its tree. */
    private static boolean ends(GuardedProcess child) throws InterruptedException {
      var unused = child.destroyTree(Duration.ZERO);
      return child.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS);
    }

    private static String failure(
        MemoryGuard guard, ProcessBuilder job, LaunchOptions options, GuardedProcess first)
        throws InterruptedException {
      try {
        return "none: " + guard.run(job, LIMITS, options);
      } catch (LaunchException e) {
        String left = Proc.childrenOf(ProcessHandle.current().pid()).toString();
        return "%s, retryable %s, left %s"
            .formatted(e.errnoName(), e.isRetryable(), left.replace("" + first.pid(), "the first"));
      }
    }
  }
}
