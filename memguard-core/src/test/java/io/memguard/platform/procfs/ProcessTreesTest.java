package io.memguard.platform.procfs;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.platform.Linux;
import io.memguard.platform.procfs.ProcessTrees.Reading;
import io.memguard.platform.procfs.ProcessTrees.Source;
import io.memguard.platform.procfs.ProcessTrees.Tree;
import io.memguard.support.Eventually;
import io.memguard.support.Proc;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.LongStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What real trees have in memory, with the native library and without. */
@Tag("engine-independent")
@Timeout(120)
final class ProcessTreesTest {
  private static final long MIB = 1 << 20;

  /** What a small C program has beside what it was told to have. */
  private static final long SMALL = MIB;

  @TempDir private static Path directory;
  private static Path program;

  /** How often all processes were listed. */
  private int listings;

  @BeforeAll
  static void prepare() throws Exception {
    Linux.load();
    program = TreeActor.compile(directory);
  }

  private static ProcessTrees trees(boolean nativeCalls) {
    return new ProcessTrees(
        new ProcFiles(Path.of("/proc"), nativeCalls), System::nanoTime, System::nanoTime);
  }

  private static void awaitWritten(TreeActor actor, ProcessTrees trees, Tree tree) {
    assertThat(actor.says()).isEqualTo("written");
    Eventually.await(
        "it is seen",
        () -> {
          trees.look();
          return tree.residentBytes() > 64 * MIB;
        });
  }

  private static Tree follow(ProcessTrees trees, TreeActor actor) {
    Tree tree = trees.follow(actor.pid(), Optional.empty());
    trees.look();
    return tree;
  }

  /** Where kcmp(2) may not be asked, it takes a moment to tell a fork from a vfork. */
  private static Reading settled(Tree tree) {
    AtomicReference<Reading> reading = new AtomicReference<>();
    Eventually.await(
        "a reading is settled",
        () -> {
          reading.set(tree.measure(Long.MAX_VALUE));
          return reading.get().settled();
        });
    return reading.get();
  }

  private static void assertAbout(Reading reading, long mib, int processes) {
    assertThat(reading.bytes()).isBetween(mib * MIB, mib * MIB + (processes + 1) * SMALL);
    assertThat(reading.processes()).isEqualTo(processes);
    assertThat(reading.source()).isEqualTo(Source.ROLLUP);
    assertThat(reading.settled()).isTrue();
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void pagesThatWorkersShareCountOnceAndTheirOwnCopiesEach(boolean nativeCalls) throws Exception {
    try (TreeActor actor = TreeActor.start(program, "workers", 24, "8");
        ProcessTrees trees = trees(nativeCalls)) {
      actor.isReady();
      Tree tree = follow(trees, actor);
      assertThat(tree.processes()).isEqualTo(9);
      assertAbout(settled(tree), 24, 9);
      long resident = tree.residentBytes();
      assertThat(resident).isGreaterThan(9 * 24 * MIB);

      actor.go();
      assertThat(actor.says()).isEqualTo("unshared");
      trees.look();
      assertAbout(tree.measure(Long.MAX_VALUE), 9 * 24, 9);
      assertThat(tree.residentBytes()).isBetween(resident, resident + 9 * SMALL);
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void aChildBetweenVforkAndExecHasItsParentsMemory(boolean nativeCalls) throws Exception {
    try (TreeActor actor = TreeActor.start(program, "before_exec", 64, "");
        ProcessTrees trees = trees(nativeCalls)) {
      actor.isReady();
      Tree tree = follow(trees, actor);
      assertAbout(tree.measure(Long.MAX_VALUE), 64, 2);
      assertThat(tree.residentBytes()).isGreaterThan(128 * MIB);
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void sharedMemoryCountsOnce(boolean nativeCalls) throws Exception {
    try (TreeActor actor = TreeActor.start(program, "shared_by_two", 64, "");
        ProcessTrees trees = trees(nativeCalls)) {
      actor.isReady();
      assertAbout(settled(follow(trees, actor)), 64, 2);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"memfd", "memfd_mapped", "memfd_two", "memfd_mapped_two"})
  void aMemfdCountsOnceMappedOrNot(String act) throws Exception {
    try (TreeActor actor = TreeActor.start(program, act, 64, "");
        ProcessTrees trees = trees(true)) {
      actor.isReady();
      Tree tree = follow(trees, actor);
      assertAbout(tree.measure(Long.MAX_VALUE), 64, act.contains("two") ? 2 : 1);
      assertThat(tree.residentBytes()).as("an upper bound").isGreaterThan(64 * MIB);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"file", "file_mapped", "file_mapped_closed", "file_mapped_two"})
  void aFileOfTmpfsCountsOnceIfItIsHeldOrMapped(String act) throws Exception {
    Path file = Path.of("/dev/shm", "memguard-test-" + UUID.randomUUID());
    try (TreeActor actor = TreeActor.start(program, act, 64, file.toString());
        ProcessTrees trees = trees(true)) {
      actor.isReady();
      assertAbout(follow(trees, actor).measure(Long.MAX_VALUE), 64, act.contains("two") ? 2 : 1);
    } finally {
      Files.deleteIfExists(file);
    }
  }

  /** What all have together says nothing then. */
  @Test
  void soIsWhatIsWrittenWhileOthersGiveBackMore() throws Exception {
    try (TreeActor other = TreeActor.start(program, "memfd", 128, "");
        TreeActor actor = TreeActor.start(program, "memfd_later", 64, "");
        ProcessTrees trees = trees(true)) {
      other.isReady();
      actor.isReady();
      Tree tree = follow(trees, actor);
      trees.look(); // with what the other has
      other.kill();
      actor.go();
      awaitWritten(actor, trees, tree);
    }
  }

  /** Nobody measures a tree that seems to be far from its limit. */
  @Test
  void whatIsWrittenIntoFilesInMemoryIsResidentToo() throws Exception {
    try (TreeActor actor = TreeActor.start(program, "memfd_later", 64, "");
        ProcessTrees trees = trees(true)) {
      actor.isReady();
      Tree tree = follow(trees, actor);
      assertThat(tree.residentBytes()).isLessThan(16 * MIB);
      actor.go();
      awaitWritten(actor, trees, tree);
    }
  }

  /** Also when it took so long the last time that all others are left alone for a while. */
  @Test
  void whoHoldsFilesInMemoryIsLookedAtAsSoonAsTheyHaveGrown() throws Exception {
    AtomicLong clock = new AtomicLong();
    AtomicLong step = new AtomicLong(TimeUnit.SECONDS.toNanos(1));
    ProcFiles files = new ProcFiles(Path.of("/proc"), true);
    try (TreeActor actor = TreeActor.start(program, "memfd_later", 64, "");
        ProcessTrees trees =
            new ProcessTrees(files, () -> clock.getAndAdd(step.get()), System::nanoTime)) {
      actor.isReady();
      Tree tree = follow(trees, actor);
      actor.go();
      assertThat(actor.says()).isEqualTo("written");
      trees.look();
      assertThat(tree.residentBytes()).isGreaterThan(64 * MIB);
      step.set(0); // no time goes by after that
      actor.go();
      assertThat(actor.says()).isEqualTo("written");
      trees.look();
      assertThat(tree.residentBytes()).isGreaterThan(128 * MIB);
    }
  }

  /** A log that it appends to, for example; one that it makes anew at the same path does. */
  @Test
  void aFileOfTmpfsThatWasThereBeforeDoesNotCount() throws Exception {
    Path file = Files.createFile(Path.of("/dev/shm", "memguard-test-" + UUID.randomUUID()));
    long born = System.nanoTime();
    // A tree's beginning may be taken for two seconds and a clock tick earlier than it was.
    Eventually.await("the file is older than any child", () -> System.nanoTime() - born > 2.1e9);
    try {
      assertAbout(whileItFills(file), 0, 1);
      Files.delete(file);
      assertAbout(whileItFills(file), 64, 1);
    } finally {
      Files.deleteIfExists(file);
    }
  }

  private static Reading whileItFills(Path file) throws Exception {
    try (TreeActor actor = TreeActor.start(program, "file", 64, file.toString());
        ProcessTrees trees = trees(true)) {
      actor.isReady();
      return follow(trees, actor).measure(Long.MAX_VALUE);
    }
  }

  @Test
  void aFileOnDiskDoesNotCount() throws Exception {
    try (TreeActor actor =
            TreeActor.start(program, "file_mapped", 16, directory.resolve("file").toString());
        ProcessTrees trees = trees(true)) {
      actor.isReady();
      assertAbout(follow(trees, actor).measure(Long.MAX_VALUE), 0, 1);
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void manyThreadsAreOneProcess(boolean nativeCalls) throws Exception {
    try (TreeActor actor = TreeActor.start(program, "threads", 8, "200");
        ProcessTrees trees = trees(nativeCalls)) {
      actor.isReady();
      Reading reading = follow(trees, actor).measure(Long.MAX_VALUE);
      assertThat(reading.processes()).isEqualTo(1);
      assertThat(reading.bytes()).isBetween(20 * MIB, 40 * MIB);
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void aProcessWhoseFirstThreadHasEndedIsRead(boolean nativeCalls) throws Exception {
    try (TreeActor actor = TreeActor.start(program, "headless", 64, "");
        ProcessTrees trees = trees(nativeCalls)) {
      actor.isReady();
      assertThat(Proc.lives(actor.pid())).as("it looks like a zombie").isFalse();
      Tree tree = follow(trees, actor);
      assertThat(tree.residentBytes()).isGreaterThan(64 * MIB);
      assertAbout(tree.measure(Long.MAX_VALUE), 64, 1);
    }
  }

  @Test
  void whatLeftBeforeAnybodyLookedIsKnownByItsMark() throws Exception {
    String mark = "MEMGUARD_TEST=" + UUID.randomUUID();
    try (TreeActor actor =
            TreeActor.start(
                List.of(program.toString(), "away", "16"),
                Map.of("MEMGUARD_TEST", mark.substring(mark.indexOf('=') + 1)));
        ProcessTrees trees = trees(true)) {
      long away = Long.parseLong(actor.says());
      Tree tree = trees.follow(actor.pid(), Optional.of(mark));
      Tree another = trees.follow(ProcessHandle.current().pid(), Optional.of("ANOTHER=1"));
      trees.look();
      assertThat(tree.pids()).containsExactlyInAnyOrder(actor.pid(), away);
      assertThat(another.pids()).doesNotContain(away);
      assertAbout(tree.measure(Long.MAX_VALUE), 16, 2);
    }
  }

  @Test
  void whatIsGivenToAnotherParentIsKept() throws Exception {
    try (TreeActor actor =
            TreeActor.start(List.of("sh", "-c", "sleep 1000 & echo ready; read x"), Map.of());
        ProcessTrees trees = trees(true)) {
      actor.isReady();
      Tree tree = follow(trees, actor);
      assertThat(tree.pids()).hasSize(2);
      actor.kill();
      trees.look();
      assertThat(tree.pids()).hasSize(1).doesNotContain(actor.pid());
      long orphan = tree.pids().iterator().next();
      ProcessHandle.of(orphan).orElseThrow().destroyForcibly();
      Eventually.awaitGone(orphan);
      trees.look();
      assertThat(tree.processes()).isZero();
      assertThat(tree.measure(Long.MAX_VALUE)).isEqualTo(new Reading(0, 0, Source.ROLLUP, true));
    }
  }

  /** What is started between two looks is found by the second, with the one before it at rest. */
  @Test
  void whatIsStartedLaterIsFound() throws Exception {
    try (TreeActor shell =
            TreeActor.start(
                List.of("sh", "-c", "echo ready; read x; sleep 1000 & echo $!; read x; kill $!"),
                Map.of());
        ProcessTrees trees =
            new ProcessTrees(countingListings(), System::nanoTime, System::nanoTime)) {
      shell.isReady();
      Tree tree = follow(trees, shell);
      Eventually.await( // not at once: others may start something too
          "a look that lists nothing",
          () -> {
            int before = listings;
            trees.look();
            return listings == before;
          });
      assertThat(tree.processes()).isEqualTo(1);
      shell.go();
      long sleep = Long.parseLong(shell.says());
      trees.look();
      assertThat(tree.pids()).containsExactlyInAnyOrder(shell.pid(), sleep);
    }
  }

  private ProcFiles countingListings() {
    return new ProcFiles(Path.of("/proc"), true) {
      @Override
      LongStream numbers(String below) {
        listings += below.isEmpty() ? 1 : 0;
        return super.numbers(below);
      }
    };
  }

  /** However the forks, the execs and the ends fall between the readings of single processes. */
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void aTreeThatForksAllTheTimeNeverHasMoreThanItHas(boolean nativeCalls) throws Exception {
    try (TreeActor actor = TreeActor.start(program, "forks", 32, "");
        ProcessTrees trees = trees(nativeCalls)) {
      actor.isReady();
      Tree tree = trees.follow(actor.pid(), Optional.empty());
      for (int i = 0; i < 300; i++) {
        trees.look();
        Reading reading = tree.measure(Long.MAX_VALUE);
        assertThat(reading.bytes())
            .as("%s", reading)
            .isLessThan((reading.settled() ? 36 : 72) * MIB);
      }
    }
  }
}
