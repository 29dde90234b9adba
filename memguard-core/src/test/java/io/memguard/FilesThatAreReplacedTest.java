package io.memguard;

import static io.memguard.support.Children.sh;
import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.limits.MemoryLimits;
import io.memguard.outcome.Outcome;
import io.memguard.support.WithGuard;
import java.io.RandomAccessFile;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** Whatever a child puts where its output was to go, its evidence is gathered without waiting. */
@ExtendWith(WithGuard.class)
@Timeout(60)
final class FilesThatAreReplacedTest {
  private static final int PATIENCE_SECONDS = 10;

  @TempDir private Path directory;

  @Test
  void aFifoWithoutAWriterHoldsUpNobody(MemoryGuard guard) throws Exception {
    Path file = directory.resolve("out");
    GuardedProcess child =
        guard.start(
            sh("rm \"$1\" && mkfifo \"$1\"; exit 3", file.toString()).redirectOutput(file.toFile()),
            MemoryLimits.none());
    GuardedProcess another = guard.start(sh("exit 4"), MemoryLimits.none());
    boolean told = child.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS);
    boolean otherTold = another.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS);
    new RandomAccessFile(file.toFile(), "rw").close(); // lets go whoever waits for a writer
    assertThat(told).as("its own end was told").isTrue();
    assertThat(otherTold).as("the other one's end was told").isTrue();
    Outcome outcome = child.outcome().get();
    assertThat(outcome).isEqualTo(new Outcome.Exited(3, outcome.evidence()));
    assertThat(outcome.evidence().outputTail()).isEmpty();
    assertThat(another.exitValue()).isEqualTo(4);
  }
}
