package io.memguard;

import static io.memguard.support.Children.line;
import static io.memguard.support.Children.sh;
import static io.memguard.support.Children.text;
import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.limits.MemoryLimits;
import io.memguard.outcome.Outcome;
import io.memguard.support.Engines;
import io.memguard.support.Proc;
import io.memguard.support.WithGuard;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;

/** A grandchild that outlives the child, and holds its pipes, holds up nobody. */
@ExtendWith(WithGuard.class)
@Timeout(60)
final class HeldPipesTest {
  private static final String LEAVES_A_HOLDER = "sleep 300 & echo $!; exit 3";

  @Test
  void runDoesNotWaitForIt(MemoryGuard guard) throws Exception {
    Outcome outcome = guard.run(sh(LEAVES_A_HOLDER), MemoryLimits.none());
    long holder = Long.parseLong(outcome.evidence().outputTail().strip());
    try {
      assertThat(outcome).isEqualTo(new Outcome.Exited(3, outcome.evidence()));
      assertThat(Proc.lives(holder)).isTrue();
    } finally {
      kill(holder);
    }
  }

  @Test
  void waitForDoesNot(MemoryGuard guard) throws Exception {
    GuardedProcess child = guard.start(sh(LEAVES_A_HOLDER), MemoryLimits.none());
    long holder = Long.parseLong(line(child.getInputStream()));
    try {
      assertThat(child.waitFor(30, TimeUnit.SECONDS)).isTrue();
      assertThat(Proc.lives(holder)).isTrue();
    } finally {
      kill(holder);
    }
  }

  @Test
  void whoeverReadsAfterTheExitDoesNot(MemoryGuard guard) throws Exception {
    GuardedProcess child = guard.start(sh(LEAVES_A_HOLDER), MemoryLimits.none());
    child.waitFor();
    String all = text(child.getInputStream());
    kill(Long.parseLong(all.strip()));
  }

  @Test
  void whoeverIsReadingAlreadyDoesNotEither(MemoryGuard guard) throws Exception {
    GuardedProcess child =
        guard.start(sh("sleep 300 & echo $!; read go; exit 3"), MemoryLimits.none());
    long holder = Long.parseLong(line(child.getInputStream()));
    try {
      CompletableFuture<String> reader =
          CompletableFuture.supplyAsync(() -> text(child.getInputStream()));
      child.getOutputStream().close();
      if (Engines.isNative()) {
        child.waitFor();
        assertThat(reader.get(30, TimeUnit.SECONDS)).isEmpty();
        assertThat(Proc.lives(holder)).isTrue();
      } else { // the JDK's readers wait for the holder, and the engine is built on them
        kill(holder);
        assertThat(reader.get(30, TimeUnit.SECONDS)).isEmpty();
        child.waitFor();
      }
    } finally {
      kill(holder);
    }
  }

  private static void kill(long pid) {
    ProcessHandle.of(pid).ifPresent(ProcessHandle::destroyForcibly);
  }
}
