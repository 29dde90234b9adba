package io.memguard;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.memguard.outcome.Cause;
import io.memguard.outcome.Outcome;
import io.memguard.platform.Linux;
import io.memguard.platform.cgroup.CgroupFinder;
import io.memguard.platform.cgroup.Machine;
import io.memguard.support.Eventually;
import io.memguard.support.Proc;
import io.memguard.support.Traces;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import java.util.function.Predicate;
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
              Eventually.await("it holds a file", () -> held(process).isPresent());
              Optional<String> held = held(process);
              // The witness's own page is mapped as well, from another file.
              assertThat(Proc.read(process.resolve("maps")).lines())
                  .anyMatch(line -> line.contains(" rw-s ") && line.endsWith(held.orElseThrow()));
              child.destroyTree(Duration.ZERO).join();
            });
    assertThat(had).isTrue();
  }

  @Test
  void nothingOfItIsLeft() {
    assertThat(rehearsal.with(child -> child.destroyTree(Duration.ZERO).join())).isTrue();
    Traces before = Traces.begin();
    for (int i = 0; i < 5; i++) {
      assertThat(rehearsal.with(child -> child.destroyTree(Duration.ZERO).join())).isTrue();
    }
    before.assertNothingIsLeft();
    awaitNoChild();
  }

  @Test
  void itIsEndedAndReapedWhateverBecomesOfTheRehearsal() {
    Consumer<GuardedProcess> broken =
        child -> {
          throw new IllegalStateException("on purpose");
        };
    assertThatIllegalStateException().isThrownBy(() -> rehearsal.with(broken));
    awaitNoChild();
  }

  /** So it does when the JVM dies, which closes the pipe. */
  @Test
  void itEndsByItselfWhenItsStdinDoes() {
    boolean had =
        rehearsal.with(
            child -> {
              try {
                child.getOutputStream().close();
                child.waitFor();
              } catch (Exception e) {
                throw new AssertionError(e);
              }
            });
    assertThat(had).isTrue();
    awaitNoChild();
  }

  /** As any other child is that is too large. */
  @Test
  void theTreeWatchEndsItForItsMemory() {
    AtomicReference<Outcome> ended = new AtomicReference<>();
    Predicate<Consumer<GuardedProcess>> observed =
        end ->
            rehearsal.with(
                child -> {
                  end.accept(child);
                  ended.set(child.outcome().orTimeout(10, TimeUnit.SECONDS).join());
                });
    try (MemoryWatch thread = new MemoryWatch();
        TreeWatch watch = new TreeWatch(thread, observed)) {
      watch.rehearse();
    }
    assertThat(ended.get())
        .isInstanceOfSatisfying(
            Outcome.OutOfMemory.class,
            outcome -> assertThat(outcome.cause()).isEqualTo(Cause.PREEMPTED));
    awaitNoChild();
  }

  private static void awaitNoChild() {
    long self = ProcessHandle.current().pid();
    Eventually.await("there is no child", () -> Proc.childrenOf(self).isEmpty());
  }

  private static Optional<String> held(Path process) {
    return links(process.resolve("fd")).stream()
        .filter(link -> link.contains("memfd:") || link.startsWith("/dev/shm/"))
        .findFirst();
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
