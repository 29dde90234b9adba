package io.memguard;

import static io.memguard.support.Children.line;
import static io.memguard.support.Children.sh;
import static io.memguard.support.Parity.sameAsTheJdk;
import static java.util.concurrent.TimeUnit.SECONDS;
import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.support.WithGuard;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;

/** A guarded child's {@link ProcessHandle} tells what one of {@link ProcessBuilder#start} tells. */
@ExtendWith(WithGuard.class)
@Timeout(60)
final class HandlesAsTheJdksTest {
  @Test
  void aHandleKnowsItsProcessWhileItLives(MemoryGuard guard) throws Exception {
    Object seen =
        sameAsTheJdk(
            guard,
            start -> {
              Process cat = start.start(sh("echo ready; exec cat"));
              line(cat.getInputStream());
              ProcessHandle handle = cat.toHandle();
              Object now =
                  List.of(
                      handle.pid() == cat.pid(),
                      handle.isAlive(),
                      handle.parent().equals(java.util.Optional.of(ProcessHandle.current())),
                      handle.equals(ProcessHandle.of(cat.pid()).orElseThrow()),
                      handle.hashCode() == ProcessHandle.of(cat.pid()).orElseThrow().hashCode(),
                      handle.supportsNormalTermination(),
                      cat.info().user().equals(ProcessHandle.current().info().user()),
                      cat.info().startInstant().isPresent(),
                      cat.toHandle() == handle,
                      ProcessHandle.current().children().anyMatch(handle::equals));
              cat.getOutputStream().close();
              return List.of(now, cat.waitFor());
            });
    assertThat(((List<?>) seen).get(0).toString()).doesNotContain("false");
  }

  @Test
  void aHandleTakenBeforeTheExitOutlivesIt(MemoryGuard guard) throws Exception {
    sameAsTheJdk(
        guard,
        start -> {
          Process cat = start.start(new ProcessBuilder("cat"));
          ProcessHandle handle = cat.toHandle();
          cat.getOutputStream().close();
          ProcessHandle ended = handle.onExit().get(30, SECONDS);
          cat.waitFor();
          return List.of(ended.equals(handle), describe(cat), cat.toHandle() == handle);
        });
  }

  @Test
  void aHandleTakenAfterTheExitKnowsNothing(MemoryGuard guard) throws Exception {
    Object seen =
        sameAsTheJdk(
            guard,
            start -> {
              Process child = start.start(sh("sleep 0 & exit 0"));
              child.waitFor();
              return List.of(describe(child), child.toHandle().onExit().get(30, SECONDS).isAlive());
            });
    assertThat(seen.toString()).contains("alive false", "children 0", "descendants 0");
  }

  private static Object describe(Process ended) {
    ProcessHandle handle = ended.toHandle();
    return List.of(
        handle.pid() == ended.pid(),
        "alive " + handle.isAlive(),
        "children " + ended.children().count(),
        "descendants " + ended.descendants().count(),
        "parent " + handle.parent().isPresent(),
        "command " + ended.info().command().isPresent(),
        "line " + ended.info().commandLine().isPresent(),
        "arguments " + ended.info().arguments().isPresent(),
        "user " + ended.info().user().isPresent(),
        "cpu " + ended.info().totalCpuDuration().isPresent(),
        "destroyed " + handle.destroy() + handle.destroyForcibly(),
        "order " + Long.signum(handle.compareTo(ProcessHandle.current())));
  }

  @Test
  void childrenAndDescendantsAreSeen(MemoryGuard guard) throws Exception {
    Object seen =
        sameAsTheJdk(
            guard,
            start -> {
              Process child = start.start(sh("sh -c 'sleep 60 & echo ready; wait' & wait"));
              line(child.getInputStream());
              Object counts = List.of(child.children().count(), child.descendants().count());
              List<ProcessHandle> all = child.descendants().toList();
              all.forEach(ProcessHandle::destroyForcibly);
              child.destroyForcibly().waitFor();
              return counts;
            });
    assertThat(seen).isEqualTo(List.of(1L, 2L));
  }

  @Test
  void aHandleEndsItsProcess(MemoryGuard guard) throws Exception {
    Object seen =
        sameAsTheJdk(
            guard,
            start -> {
              Process one = start.start(new ProcessBuilder("sleep", "60"));
              Process other = start.start(new ProcessBuilder("sleep", "60"));
              return List.of(
                  one.toHandle().destroy(),
                  one.waitFor(),
                  other.toHandle().destroyForcibly(),
                  other.waitFor());
            });
    assertThat(seen).isEqualTo(List.of(true, 143, true, 137));
  }
}
