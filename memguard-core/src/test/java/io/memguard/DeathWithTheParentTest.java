package io.memguard;

import static io.memguard.support.Children.line;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.memguard.launch.LaunchException;
import io.memguard.limits.LaunchOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.support.Children;
import io.memguard.support.Engines;
import io.memguard.support.Eventually;
import io.memguard.support.Proc;
import io.memguard.support.WithGuard;
import java.io.File;
import java.io.RandomAccessFile;
import java.lang.ProcessBuilder.Redirect;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** A child that is to die with its parent does, however the parent dies, and not before. */
@ExtendWith(WithGuard.class)
@Timeout(60)
final class DeathWithTheParentTest {
  private static final LaunchOptions TIED = LaunchOptions.defaults().withDieWithParent(true);

  @TempDir private Path directory;

  @Test
  void theKernelKillsTheChildOfAKilledJvm() throws Exception {
    Process jvm = parent("tied");
    try {
      if (!Engines.isNative()) {
        assertThat(line(jvm.getInputStream()))
            .contains("cannot give a child death with the parent");
        return;
      }
      long child = Long.parseLong(line(jvm.getInputStream()));
      assertThat(Proc.lives(child)).isTrue();
      jvm.destroyForcibly().waitFor();
      Eventually.awaitGone(child);
    } finally {
      jvm.destroyForcibly().waitFor();
    }
  }

  @Test
  void unlessAskedTheChildOutlivesIt() throws Exception {
    Process jvm = parent("free");
    long child = Long.parseLong(line(jvm.getInputStream()));
    jvm.destroyForcibly().waitFor();
    assertThat(Proc.lives(child)).isTrue();
    ProcessHandle.of(child).orElseThrow().destroyForcibly();
    Eventually.awaitGone(child);
  }

  @Test
  void whatHasNotBecomeTheProgramYetNeverOutlivesIt() throws Exception {
    Assumptions.assumeTrue(Engines.isNative(), "the JDK opens the file before it has a child");
    Path fifo = directory.resolve("fifo");
    assertThat(new ProcessBuilder("mkfifo", fifo.toString()).start().waitFor()).isZero();
    Process jvm =
        Children.jvm(List.of(), Hanging.class, fifo.toString())
            .redirectError(Redirect.INHERIT)
            .start();
    try {
      assertThat(line(jvm.getInputStream())).isEqualTo("ready");
      Eventually.await("it hangs", () -> !Proc.childrenOf(jvm.pid()).isEmpty());
      List<Long> children = Proc.childrenOf(jvm.pid());
      jvm.destroyForcibly().waitFor();
      children.forEach(Eventually::awaitGone);
    } finally {
      new RandomAccessFile(fifo.toFile(), "rw").close(); // lets go whoever still waits
      jvm.destroyForcibly().waitFor();
    }
  }

  @Test
  void theThreadThatAskedMayEndBefore(MemoryGuard guard) throws Exception {
    if (!Engines.isNative()) {
      assertThatExceptionOfType(LaunchException.class)
          .isThrownBy(() -> guard.start(new ProcessBuilder("cat"), MemoryLimits.none(), TIED))
          .withMessageContaining("cannot give a child death with the parent");
      return;
    }
    CompletableFuture<GuardedProcess> started = new CompletableFuture<>();
    Thread thread =
        new Thread(
            () -> {
              try {
                started.complete(guard.start(new ProcessBuilder("cat"), MemoryLimits.none(), TIED));
              } catch (Exception e) {
                started.completeExceptionally(e);
              }
            });
    thread.start();
    GuardedProcess cat = started.get();
    thread.join();
    cat.getOutputStream().write('x');
    cat.getOutputStream().flush();
    assertThat(cat.getInputStream().read()).isEqualTo('x');
    cat.getOutputStream().close();
    assertThat(cat.waitFor()).isZero();
  }

  private static Process parent(String how) throws Exception {
    return Children.jvm(List.of(), Parent.class, how).redirectError(Redirect.INHERIT).start();
  }

  /** A JVM whose child waits for somebody to write to its input. */
  static final class Hanging {
    private Hanging() {}

    public static void main(String[] fifo) throws Exception {
      try (MemoryGuard guard = MemoryGuard.create()) {
        ProcessBuilder cat = new ProcessBuilder("cat").redirectInput(new File(fifo[0]));
        System.out.println("ready");
        guard.run(cat, MemoryLimits.none());
      }
    }
  }

  /** A JVM that has a child which would live for an hour, and says its pid. */
  static final class Parent {
    private Parent() {}

    public static void main(String[] how) throws Exception {
      LaunchOptions options = LaunchOptions.defaults().withDieWithParent(how[0].equals("tied"));
      ProcessBuilder job =
          new ProcessBuilder("sleep", "3600")
              .redirectOutput(Redirect.DISCARD)
              .redirectError(Redirect.DISCARD);
      try (MemoryGuard guard = MemoryGuard.create()) {
        GuardedProcess child = guard.start(job, MemoryLimits.none(), options);
        System.out.println(child.pid());
        child.waitFor();
      } catch (LaunchException e) {
        System.out.println(e.getMessage());
      }
    }
  }
}
