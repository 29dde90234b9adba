package io.memguard;

import static io.memguard.support.Children.output;
import static io.memguard.support.Children.sh;
import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.limits.MemoryLimits;
import io.memguard.outcome.Outcome;
import io.memguard.support.Children;
import io.memguard.support.Libc;
import io.memguard.support.Privileges;
import java.lang.ProcessBuilder.Redirect;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * A parent that is not dumpable keeps its {@code /proc} to itself, so that its children get a copy
 * of its descriptors: no launch fails for that, and no child keeps one.
 */
@Timeout(60)
final class NotDumpableTest {
  @Test
  void simultaneousLaunchesAllSucceedAndLeakNothing() throws Exception {
    Process jvm =
        Privileges.without(Children.jvm(List.of(), NotDumpable.class))
            .redirectError(Redirect.INHERIT)
            .start();
    assertThat(output(jvm)).isEqualTo("{=80}\n");
    assertThat(jvm.waitFor()).isZero();
  }

  /** Says what its children said, and how often: each says which descriptors it has from 3 on. */
  static final class NotDumpable {
    private static final int THREADS = 8;
    private static final int LAUNCHES = 10;
    private static final ProcessBuilder JOB =
        sh("i=3; while [ $i -lt 256 ]; do [ ! -e /proc/$$/fd/$i ] || echo $i; i=$((i + 1)); done");

    private NotDumpable() {}

    public static void main(String[] none) throws Exception {
      Map<String, Integer> all = new TreeMap<>();
      ExecutorService threads = Executors.newFixedThreadPool(THREADS);
      try (MemoryGuard guard = MemoryGuard.create()) {
        guard.run(sh("echo"), MemoryLimits.none());
        Libc.beNotDumpable();
        CyclicBarrier together = new CyclicBarrier(THREADS);
        List<Callable<List<String>>> each = new ArrayList<>();
        for (int i = 0; i < THREADS; i++) {
          each.add(() -> launches(guard, together));
        }
        for (Future<List<String>> said : threads.invokeAll(each)) {
          said.get().forEach(text -> all.merge(text, 1, Integer::sum));
        }
      }
      threads.shutdown();
      System.out.println(all);
    }

    private static List<String> launches(MemoryGuard guard, CyclicBarrier together)
        throws Exception {
      List<String> all = new ArrayList<>();
      for (int i = 0; i < LAUNCHES; i++) {
        together.await();
        all.add(launch(guard));
      }
      return all;
    }

    private static String launch(MemoryGuard guard) throws InterruptedException {
      try {
        Outcome outcome = guard.run(JOB, MemoryLimits.none());
        return outcome.isSuccess() ? outcome.evidence().outputTail() : outcome.explanation();
      } catch (java.io.IOException e) {
        return String.valueOf(e.getMessage());
      }
    }
  }
}
