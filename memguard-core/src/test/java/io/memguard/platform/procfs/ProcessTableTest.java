package io.memguard.platform.procfs;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Listings are shared, and nobody is given one that is older than his question. */
@Timeout(60)
final class ProcessTableTest {
  private static final int ASKING = 8;
  private static final int ROUNDS = 10;

  @Test
  void whoWasStartedBeforeItWasAskedForIsInIt() throws Exception {
    ExecutorService threads = Executors.newFixedThreadPool(ASKING);
    try {
      List<Future<Boolean>> found = new ArrayList<>();
      for (int i = 0; i < ASKING * ROUNDS; i++) {
        found.add(threads.submit(findsItsChild()));
      }
      for (Future<Boolean> one : found) {
        assertThat(one.get()).isTrue();
      }
    } finally {
      threads.shutdown();
    }
  }

  private static Callable<Boolean> findsItsChild() {
    return () -> {
      Process child = new ProcessBuilder("sleep", "3600").start();
      try {
        return ProcessTable.now().children(ProcessHandle.current()).contains(child.toHandle());
      } finally {
        child.destroyForcibly();
      }
    };
  }
}
