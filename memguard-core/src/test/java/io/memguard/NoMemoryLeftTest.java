package io.memguard;

import static io.memguard.support.Children.line;
import static io.memguard.support.Children.output;
import static io.memguard.support.Children.sh;
import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.limits.MemoryLimits;
import io.memguard.outcome.Outcome;
import io.memguard.support.Children;
import io.memguard.support.Engines;
import io.memguard.support.Eventually;
import io.memguard.support.Proc;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.OutputStream;
import java.lang.ProcessBuilder.Redirect;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** An application that has used up its own memory still hears of its children's ends. */
@Timeout(120)
final class NoMemoryLeftTest {
  private static final int PATIENCE_SECONDS = 15;

  @Test
  void aFullHeapEndsNoWatch() throws Exception {
    Process jvm = jvm("-Xmx24m", FullHeap.class);
    try (OutputStream in = jvm.getOutputStream()) {
      List<Long> children =
          Stream.of(line(jvm.getInputStream()).split(" ")).map(Long::valueOf).toList();
      assertThat(line(jvm.getInputStream())).isEqualTo("full");
      children.forEach(child -> ProcessHandle.of(child).ifPresent(ProcessHandle::destroyForcibly));
      Eventually.await("all have ended", () -> children.stream().noneMatch(Proc::lives));
      in.write('x');
      in.flush();
      assertThat(output(jvm)).isEqualTo("8 of 8 ended, and the next with 7\n");
    } finally {
      jvm.destroyForcibly().waitFor();
    }
  }

  @Test
  void usedUpDirectMemoryLosesNoEnd() throws Exception {
    Process jvm = jvm("-XX:MaxDirectMemorySize=1m", NoDirectMemory.class);
    try {
      assertThat(output(jvm)).isEqualTo("[exit 3, out, err, out, err]\n");
    } finally {
      jvm.destroyForcibly().waitFor();
    }
  }

  @BeforeEach
  void withTheNativeEngine() {
    Assumptions.assumeTrue(Engines.isNative(), "the portable engine's watch is the JDK's own");
  }

  private static Process jvm(String option, Class<?> main) throws Exception {
    Process jvm =
        Children.jvm(List.of(option, "-XX:+UseSerialGC"), main)
            .redirectError(Redirect.DISCARD) // memguard says there that it has no memory
            .start();
    // Reading from it cannot be interrupted.
    CompletableFuture.delayedExecutor(110, TimeUnit.SECONDS).execute(jvm::destroyForcibly);
    return jvm;
  }

  /** Says its children, fills its heap, and keeps it full until it is told something. */
  static final class FullHeap {
    private static final int CHILDREN = 8;
    private static final int MORE = 100;

    private FullHeap() {}

    public static void main(String[] none) throws Exception {
      try (MemoryGuard guard = MemoryGuard.create()) {
        List<GuardedProcess> children = new ArrayList<>();
        StringBuilder pids = new StringBuilder();
        for (int i = 0; i < CHILDREN; i++) {
          children.add(guard.start(new ProcessBuilder("sleep", "3600"), MemoryLimits.none()));
          pids.append(children.get(i).pid()).append(' ');
        }
        System.out.println(pids.toString().strip());
        fill();
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
        int ended = 0;
        for (GuardedProcess child : children) {
          ended += child.waitFor(deadline - System.nanoTime(), TimeUnit.NANOSECONDS) ? 1 : 0;
        }
        GuardedProcess next = guard.start(sh("exit 7"), MemoryLimits.none());
        boolean told = next.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS);
        System.out.printf(
            "%d of %d ended, and the next with %s%n",
            ended, CHILDREN, told ? next.exitValue() : "no word");
        Runtime.getRuntime().halt(0);
      }
    }

    /** Every refusal comes after a collection, which lets all threads get on. */
    @SuppressWarnings("UnusedVariable") // it keeps the heap full
    private static void fill() throws Exception {
      byte[] full = "full\n".getBytes(StandardCharsets.US_ASCII);
      FileOutputStream out = new FileOutputStream(FileDescriptor.out); // stays open, as it was
      Object[] all = null;
      boolean isFull = false;
      boolean said = false;
      int size = 1 << 20;
      int more = 0;
      while (more < MORE) {
        try {
          if (isFull && !said) {
            out.write(full);
            said = true;
          }
          more += said && System.in.available() > 0 ? 1 : 0;
          all = new Object[] {all, new byte[size]};
        } catch (OutOfMemoryError e) {
          isFull = size == 1;
          size = Math.max(1, size / 2);
        }
      }
    }
  }

  /** Uses up its direct memory while a child waits for the end of its input. */
  static final class NoDirectMemory {
    private static final List<ByteBuffer> ALL = new ArrayList<>(); // else it could be freed

    private NoDirectMemory() {}

    public static void main(String[] none) throws Exception {
      try (MemoryGuard guard = MemoryGuard.create()) {
        GuardedProcess child =
            guard.start(sh("cat; echo out; echo err >&2; exit 3"), MemoryLimits.of("1GiB"));
        try {
          while (ALL.size() < 1 << 20) {
            ALL.add(ByteBuffer.allocateDirect(1));
          }
        } catch (OutOfMemoryError e) {
          child.getOutputStream().close();
        }
        System.out.println(
            child.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS) ? all(child) : "no word");
        Runtime.getRuntime().halt(0);
      }
    }

    private static List<Object> all(GuardedProcess child) throws Exception {
      Outcome outcome = child.outcome().get();
      return List.of(
          outcome.evidence().status(),
          output(child).strip(),
          Children.text(child.getErrorStream()).strip(),
          outcome.evidence().outputTail().strip(),
          outcome.evidence().errorTail().strip());
    }
  }
}
