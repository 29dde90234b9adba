package io.memguard;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.memguard.platform.Linux;
import io.memguard.platform.cgroup.CgroupFinder;
import io.memguard.platform.cgroup.Machine;
import io.memguard.support.Eventually;
import io.memguard.support.Proc;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The child that memguard ends for practice. */
@Tag("engine-independent")
@Timeout(60)
final class RehearsalTest {
  private Engine engine;
  private Witnesses witnesses;
  private Rehearsal rehearsal;

  @BeforeEach
  void prepare() throws Exception {
    Linux.load();
    engine = new NativeEngine();
    witnesses = Witnesses.probe(engine);
    Machine machine = Machine.here();
    rehearsal = new Rehearsal(engine, witnesses, machine, CgroupFinder.findOwn(machine));
  }

  @AfterEach
  void end() {
    witnesses.close();
    engine.close();
  }

  /** Of each kind of memory that has to be found and read later. */
  @Test
  void itHoldsAFileInMemoryThatItHasMappedToo() {
    boolean had =
        rehearsal.with(
            child -> {
              Path process = Path.of("/proc", Long.toString(child.pid()));
              assertThat(links(process.resolve("fd")))
                  .anyMatch(link -> link.contains("memfd:") || link.startsWith("/dev/shm/"));
              assertThat(Proc.read(process.resolve("smaps_rollup")))
                  .containsPattern("Pss_Shmem: +[1-9]");
              child.destroyTree(Duration.ZERO).join();
            });
    assertThat(had).isTrue();
  }

  @Test
  void nothingOfItIsLeft() {
    rehearsal.with(child -> child.destroyTree(Duration.ZERO).join());
    List<String> before = Proc.openFiles();
    for (int i = 0; i < 5; i++) {
      rehearsal.with(child -> child.destroyTree(Duration.ZERO).join());
    }
    Eventually.await("no file is left open", () -> Proc.openFiles().size() == before.size());
    assertThat(Proc.childrenOf(ProcessHandle.current().pid())).isEmpty();
  }

  @Test
  void itIsEndedAndReapedWhateverBecomesOfTheRehearsal() {
    Consumer<GuardedProcess> broken =
        child -> {
          throw new IllegalStateException("on purpose");
        };
    assertThatIllegalStateException().isThrownBy(() -> rehearsal.with(broken));
    assertThat(Proc.childrenOf(ProcessHandle.current().pid())).isEmpty();
  }

  /** So it does when the JVM dies, which closes the pipe. */
  @Test
  void itEndsByItselfWhenItsStdinDoes() {
    rehearsal.with(
        child -> {
          try {
            child.getOutputStream().close();
            child.waitFor();
          } catch (Exception e) {
            throw new AssertionError(e);
          }
        });
    assertThat(Proc.childrenOf(ProcessHandle.current().pid())).isEmpty();
  }

  private static List<String> links(Path directory) {
    try (Stream<Path> all = Files.list(directory)) {
      return all.map(RehearsalTest::link).toList();
    } catch (Exception e) {
      throw new AssertionError(e);
    }
  }

  private static String link(Path path) {
    try {
      return Files.readSymbolicLink(path).toString();
    } catch (Exception e) {
      throw new AssertionError(e);
    }
  }
}
