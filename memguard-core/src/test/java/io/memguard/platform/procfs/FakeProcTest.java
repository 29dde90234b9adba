package io.memguard.platform.procfs;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.outcome.MemorySample;
import io.memguard.platform.procfs.ProcessTrees.Reading;
import io.memguard.platform.procfs.ProcessTrees.Source;
import io.memguard.platform.procfs.ProcessTrees.Tree;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What cannot be had from real processes on demand: pids that are used again, old kernels. */
@Tag("engine-independent")
@Timeout(60)
final class FakeProcTest {
  private static final long MIB = 1 << 20;
  private static final long JVM = 50;
  private static final long ROOT = 100;

  @TempDir private Path proc;
  private long nanos;
  private ProcessTrees trees;

  /** How often the process with pid 60 was read. */
  private int readings;

  @BeforeEach
  void prepare() throws IOException {
    process(1, 0, 1, 10);
    process(JVM, 1, 500, 10);
    process(ROOT, JVM, 1000, 10);
    lastPid(ROOT);
    Files.createDirectories(proc.resolve("sys/kernel"));
    Files.writeString(proc.resolve("sys/kernel/pid_max"), "4194304\n");
    trees = new ProcessTrees(countingReadings(), () -> nanos, () -> nanos);
  }

  private ProcFiles countingReadings() {
    return new ProcFiles(proc, false) {
      private final byte[] counted = name("60/stat");

      @Override
      boolean read(byte[] file) {
        readings += Arrays.equals(file, counted) ? 1 : 0;
        return super.read(file);
      }
    };
  }

  private void lastPid(long pid) throws IOException {
    Files.writeString(proc.resolve("loadavg"), "0.00 0.01 0.05 1/80 " + pid + "\n");
  }

  private void process(long pid, long ppid, long start, long pages) throws IOException {
    Path directory = Files.createDirectories(proc.resolve(Long.toString(pid)));
    Files.writeString(
        directory.resolve("stat"),
        pid
            + " (a) S (b) S "
            + ppid
            + " 1 1 0 -1 4194304 9 9 9 9 9 9 9 9 20 0 1 0 "
            + start
            + " 999999 "
            + pages
            + " 18446744073709551615 1 1\n");
    Files.writeString(directory.resolve("environ"), "HOME=/\0");
  }

  private void zombie(long pid, long ppid) throws IOException {
    process(pid, ppid, 900, 0);
    Path stat = proc.resolve(pid + "/stat");
    Files.writeString(stat, Files.readString(stat).replace("(b) S", "(b) Z"));
  }

  private void marked(long pid, String environment) throws IOException {
    Files.writeString(proc.resolve(pid + "/environ"), environment);
  }

  private void ends(long pid) throws IOException {
    for (String file : new String[] {"stat", "environ", "status", "smaps_rollup"}) {
      Files.deleteIfExists(proc.resolve(pid + "/" + file));
    }
    Files.delete(proc.resolve(Long.toString(pid)));
  }

  private void lookLater() {
    nanos += TimeUnit.SECONDS.toNanos(1);
    trees.look();
  }

  /** Looks until nothing is expected to have been started since. */
  private void rest() {
    lookLater();
    lookLater();
    lookLater();
  }

  @Test
  void nothingIsListedWhileNoPidIsGivenOut() throws Exception {
    Tree tree = trees.follow(ROOT, Optional.empty());
    rest();
    process(101, ROOT, 1001, 10);
    lookLater();
    assertThat(tree.processes()).isEqualTo(1);
    lastPid(101);
    lookLater();
    assertThat(tree.pids()).containsExactlyInAnyOrder(ROOT, 101L);
    assertThat(tree.residentBytes()).isEqualTo(20 * PageSize.BYTES);
  }

  /** The pid is given out before the process can be seen. */
  @Test
  void aProcessThatCannotBeSeenYetIsFoundByTheNextLook() throws Exception {
    Tree tree = trees.follow(ROOT, Optional.empty());
    rest();
    lastPid(101);
    lookLater();
    process(101, ROOT, 1001, 10);
    lookLater();
    assertThat(tree.processes()).isEqualTo(2);
  }

  @Test
  void aLastPidThatIsNobodysIsNotBelieved() throws Exception {
    lastPid(0);
    Tree tree = trees.follow(ROOT, Optional.empty());
    rest();
    process(101, ROOT, 1001, 10);
    lookLater();
    assertThat(tree.processes()).isEqualTo(2);
  }

  @Test
  void aPidThatIsUsedAgainIsAnotherProcess() throws Exception {
    process(101, ROOT, 1001, 10);
    Tree tree = trees.follow(ROOT, Optional.empty());
    rest();
    assertThat(tree.processes()).isEqualTo(2);
    process(101, JVM, 2000, 10);
    lastPid(101);
    rest();
    assertThat(tree.pids()).containsExactly(ROOT);
  }

  @Test
  void aStrangersPidThatIsUsedAgainMayBeOurs() throws Exception {
    process(90, JVM, 900, 10);
    Tree tree = trees.follow(ROOT, Optional.empty());
    rest();
    process(90, ROOT, 2000, 10);
    lastPid(95); // it went around
    lookLater();
    assertThat(tree.pids()).containsExactlyInAnyOrder(ROOT, 90L);
  }

  /** With 32,768 pids, all of them can be given out within a few hundredths of a second. */
  @Test
  void whoIsKnownIsReadAgainOnlyIfAllPidsMayHaveBeenGivenOut() throws Exception {
    Files.writeString(proc.resolve("sys/kernel/pid_max"), "32768\n");
    trees = new ProcessTrees(countingReadings(), () -> nanos, () -> nanos);
    process(60, JVM, 900, 10);
    trees.follow(ROOT, Optional.empty());
    rest();
    int before = readings;

    glances(100, 0);
    lastPid(101);
    trees.look();
    assertThat(readings).as("it was counted").isEqualTo(before);

    glances(4, 10_000);
    trees.look();
    assertThat(readings).as("so many that its pid may be another's").isEqualTo(before + 1);

    lastPid(30_300);
    lookLater();
    assertThat(readings).as("nobody counted").isEqualTo(before + 2);
  }

  /** A glance every 50 ms, with so many pids given out between two. */
  private void glances(int times, int pids) throws IOException {
    for (int i = 1; i <= times; i++) {
      nanos += TimeUnit.MILLISECONDS.toNanos(50);
      lastPid((101 + (long) i * pids) % 32_768);
      trees.glance();
    }
  }

  @Test
  void aTreeThatIsFollowedLaterTakesItsDescendantsFromTheStrangers() throws Exception {
    Tree tree = trees.follow(ROOT, Optional.empty());
    process(200, JVM, 1200, 10);
    process(201, 200, 1201, 10);
    process(202, 201, 1201, 10);
    lastPid(202);
    rest();
    Tree later = trees.follow(200, Optional.empty());
    lookLater();
    assertThat(tree.processes()).isEqualTo(1);
    assertThat(later.pids()).containsExactlyInAnyOrder(200L, 201L, 202L);
  }

  @Test
  void forgettingATreeLetsItsProcessesGo() throws Exception {
    Tree tree = trees.follow(ROOT, Optional.of("MARK=1"));
    lookLater();
    trees.forget(tree);
    process(101, 1, 1001, 10);
    marked(101, "MARK=1\0");
    lastPid(101);
    rest();
    assertThat(tree.processes()).isZero();
  }

  @Test
  void anOrphanIsKnownByItsMarkAlsoInTheMiddleOfExec() throws Exception {
    Tree tree = trees.follow(ROOT, Optional.of("MARK=1"));
    rest();
    process(101, 1, 1001, 10);
    marked(101, "");
    process(102, JVM, 1001, 10);
    marked(102, "HOME=/\0MARK=11\0");
    process(103, 1, 1001, 10);
    marked(103, "HOME=/\0MARK=1\0");
    lastPid(103);
    lookLater();
    assertThat(tree.pids()).containsExactlyInAnyOrder(ROOT, 103L);
    marked(101, "MARK=1\0");
    lookLater();
    assertThat(tree.pids()).containsExactlyInAnyOrder(ROOT, 101L, 103L);
  }

  /** Its parent has ended between the listing and the reading. */
  @Test
  void aNewcomerWhoseParentIsUnknownIsAskedAgain() throws Exception {
    Tree tree = trees.follow(ROOT, Optional.of("MARK=1"));
    rest();
    process(102, 101, 1001, 10);
    marked(102, "MARK=1\0");
    lastPid(102);
    lookLater();
    assertThat(tree.processes()).isEqualTo(1);
    process(102, 1, 1001, 10);
    marked(102, "MARK=1\0");
    lookLater();
    assertThat(tree.processes()).isEqualTo(2);
  }

  @Test
  void onlySomeTreesAreReadIfOnlySomeAreDue() throws Exception {
    process(200, JVM, 1200, 10);
    Tree one = trees.follow(ROOT, Optional.empty());
    Tree other = trees.follow(200, Optional.empty());
    rest();
    process(ROOT, JVM, 1000, 20);
    process(200, JVM, 1200, 20);
    trees.look(List.of(other), read -> {});
    assertThat(one.residentBytes()).isEqualTo(10 * PageSize.BYTES);
    assertThat(other.residentBytes()).isEqualTo(20 * PageSize.BYTES);
  }

  @Test
  void aRootThatHasEndedHasDescendantsAllTheSame() throws Exception {
    process(101, 1, 1001, 10);
    marked(101, "MARK=1\0");
    ends(ROOT);
    Tree tree = trees.follow(ROOT, Optional.of("MARK=1"));
    lookLater();
    assertThat(tree.pids()).containsExactly(101L);
  }

  /** Looking at all strangers again for each child that has ended would be dear. */
  @Test
  void aRootThatHasEndedWasStartedLately() throws Exception {
    process(60, 1, 1999, 10);
    marked(60, "MARK=1\0");
    process(101, 1, 2000, 10);
    marked(101, "MARK=1\0");
    rest();
    Files.writeString(proc.resolve("uptime"), "30.00 55.55\n");
    Tree tree = trees.follow(-1, Optional.of("MARK=1"));
    lookLater();
    assertThat(tree.pids()).containsExactly(101L);
  }

  /** Where pid 1 never asks for anybody's status, there are ever more of them. */
  @Test
  void whoHasEndedIsNotReadAgainUntilHisPidMayBeAnothers() throws Exception {
    zombie(60, 1);
    Tree tree = trees.follow(ROOT, Optional.of("MARK=1"));
    rest();
    assertThat(readings).isEqualTo(1);
    process(60, 1, 2000, 10);
    marked(60, "MARK=1\0");
    lastPid(101);
    rest();
    assertThat(readings).isEqualTo(1);
    assertThat(tree.pids()).containsExactly(ROOT);
    lastPid(60);
    rest();
    assertThat(readings).isGreaterThan(1);
    assertThat(tree.pids()).containsExactlyInAnyOrder(ROOT, 60L);
  }

  /** His pid may be another's then, even if the last pid that was given out does not tell. */
  @Test
  void whoHasEndedAndIsGoneIsForgotten() throws Exception {
    zombie(60, 1);
    Tree tree = trees.follow(ROOT, Optional.of("MARK=1"));
    rest();
    ends(60);
    lastPid(101);
    rest();
    process(60, 1, 2000, 10);
    marked(60, "MARK=1\0");
    lastPid(102);
    rest();
    assertThat(tree.pids()).containsExactlyInAnyOrder(ROOT, 60L);
  }

  @Test
  void memoryIsAnonymousAndSharedAndSwappedButNotFilesNorWhatIsFree() throws Exception {
    Files.writeString(
        proc.resolve(ROOT + "/smaps_rollup"),
        """
        55aa-7fff ---p 00000000 00:00 0 [rollup]
        Rss: 9999 kB
        Pss: 9000 kB
        Pss_Anon: 1024 kB
        Pss_File: 6000 kB
        Pss_Shmem: 2048 kB
        LazyFree: 512 kB
        Swap: 9000 kB
        SwapPss: 4096 kB
        """);
    Tree tree = trees.follow(ROOT, Optional.empty());
    lookLater();
    assertThat(tree.measure(Long.MAX_VALUE))
        .isEqualTo(new Reading(7 * MIB - MIB / 2, 1, Source.ROLLUP, true));
  }

  /** The largest are asked first. */
  @Test
  void ofWhoHasMoreThanEnoughTheRestIsNotRead() throws Exception {
    process(ROOT, JVM, 1000, 8 * MIB / PageSize.BYTES);
    process(101, ROOT, 1001, 4 * MIB / PageSize.BYTES);
    process(102, ROOT, 1002, 16 * MIB / PageSize.BYTES);
    Files.writeString(proc.resolve(ROOT + "/smaps_rollup"), "Pss_Anon: 8192 kB\n");
    Files.writeString(proc.resolve("101/smaps_rollup"), "Pss_Anon: 4096 kB\n");
    Files.writeString(proc.resolve("102/smaps_rollup"), "Pss_Anon: 16384 kB\n");
    lastPid(102);
    Tree tree = trees.follow(ROOT, Optional.empty());
    lookLater();
    assertThat(tree.measure(15 * MIB).bytes()).isEqualTo(24 * MIB);
    assertThat(tree.measure(14 * MIB).bytes()).isEqualTo(16 * MIB);
    assertThat(tree.measure(14 * MIB).processes()).isEqualTo(3);
    assertThat(tree.measure(Long.MAX_VALUE).bytes()).isEqualTo(28 * MIB);
  }

  /** Where pages may count twice, only twice as much is enough. */
  @Test
  void whereSharedPagesCannotBeToldApartTwiceAsMuchIsEnough() throws Exception {
    String status = "RssAnon: 10240 kB\nRssShmem: 0 kB\nVmSwap: 0 kB\n";
    Files.writeString(proc.resolve(ROOT + "/status"), status);
    for (int pid = 101; pid <= 109; pid++) {
      process(pid, ROOT, 900 + pid, 10);
      Files.writeString(proc.resolve(pid + "/status"), status);
    }
    lastPid(109);
    Tree tree = trees.follow(ROOT, Optional.empty());
    lookLater();
    Reading reading = tree.measure(30 * MIB);
    assertThat(reading.isMoreThan(30 * MIB)).isTrue();
    assertThat(reading.bytes()).isEqualTo(70 * MIB);
  }

  @Test
  void whatCannotBeReadCountsInFullAndTwoOfThemAreNotActedUpon() throws Exception {
    String status =
        "Name: a\nVmRSS: 8192 kB\nRssAnon: 1024 kB\nRssShmem: 2048 kB\nVmSwap: 4096 kB\n";
    Files.writeString(proc.resolve(ROOT + "/status"), status);
    Tree tree = trees.follow(ROOT, Optional.empty());
    lookLater();
    assertThat(tree.measure(Long.MAX_VALUE)).isEqualTo(new Reading(7 * MIB, 1, Source.STAT, true));
    process(101, ROOT, 1001, 10);
    Files.writeString(proc.resolve("101/status"), status);
    Files.writeString(
        proc.resolve("101/smaps_rollup"), "Rss: 8192 kB\nPss: 8192 kB\n"); // Linux 5.2
    lastPid(101);
    lookLater();
    assertThat(tree.measure(Long.MAX_VALUE))
        .isEqualTo(new Reading(14 * MIB, 2, Source.STAT, false));
  }

  /** Otherwise it would count with half of what both had, and the other one with all of it. */
  @Test
  void whatEndsWhileTheOthersAreReadDoesNotCount() throws Exception {
    assertThat(measuredWhile(() -> ends(ROOT)))
        .isEqualTo(new Reading(8 * MIB, 1, Source.ROLLUP, true));
  }

  @Test
  void whatIsLetGoOfWhileTheOthersAreReadDoesNotCount() throws Exception {
    assertThat(measuredWhile(() -> process(ROOT, JVM, 1000, 2 * MIB / PageSize.BYTES)))
        .isEqualTo(new Reading(8 * MIB + 2 * MIB, 2, Source.ROLLUP, true));
    assertThat(measuredWhile(() -> process(ROOT, JVM, 1000, 0)))
        .isEqualTo(new Reading(8 * MIB, 2, Source.ROLLUP, true));
    assertThat(measuredWhile(() -> process(ROOT, JVM, 1000, 9999)))
        .isEqualTo(new Reading(8 * MIB + 4 * MIB, 2, Source.ROLLUP, true));
  }

  private interface Change {
    void happen() throws IOException;
  }

  /**
   * Measures a root that has 4 MiB resident and as its part, and a child of which reading the part,
   * 8 MiB, waits until something happened to the root.
   */
  private Reading measuredWhile(Change change) throws Exception {
    process(ROOT, JVM, 1000, 4 * MIB / PageSize.BYTES);
    process(101, ROOT, 1001, 10);
    Files.writeString(proc.resolve(ROOT + "/smaps_rollup"), "Pss_Anon: 4096 kB\n");
    Path part = proc.resolve("101/smaps_rollup");
    Files.deleteIfExists(part);
    assertThat(new ProcessBuilder("mkfifo", part.toString()).start().waitFor()).isZero();
    lastPid(0);
    Tree tree = trees.follow(ROOT, Optional.empty());
    lookLater();
    CompletableFuture<Void> answered =
        CompletableFuture.runAsync(
            () -> {
              try (Writer child = Files.newBufferedWriter(part)) { // opened when it is read
                change.happen();
                child.write("Pss_Anon: 8192 kB\n");
              } catch (IOException e) {
                throw new UncheckedIOException(e);
              }
            });
    Reading reading = tree.measure(Long.MAX_VALUE);
    answered.get();
    trees.forget(tree);
    return reading;
  }

  /** Captured from runsc 20221219, a Python program; it has no smaps_rollup. */
  @Test
  void whereOnlyMappingsTellThoseCount() throws Exception {
    Files.writeString(proc.resolve(ROOT + "/status"), "Name:\tpython3\nVmRSS:\t119100 kB\n");
    Files.writeString(
        proc.resolve(ROOT + "/smaps"),
        """
        56205fca9000-56206064b000 rw-p 00000000 00:00 0                          [heap]
        Size:               9864 kB
        Rss:                9864 kB
        Pss:                9864 kB
        Anonymous:          9864 kB
        7ff2bf600000-7ff2c0a01000 rw-p 00000000 00:00 0
        Rss:               20484 kB
        Pss:               20484 kB
        Anonymous:         20484 kB
        7ff2c1800000-7ff2c2000000 rw-s 00000000 00:04 2                          /dev/zero (deleted)
        Rss:                8192 kB
        Pss:                8192 kB
        Anonymous:             0 kB
        7ff2c28f5000-7ff2c2b31000 r-xp 000f5000 00:0e 176                        /usr/lib/libpython3.11.so.1.0
        Rss:                2288 kB
        Pss:                2288 kB
        Anonymous:             0 kB
        """);
    Tree tree = trees.follow(ROOT, Optional.empty());
    lookLater();
    assertThat(tree.measure(Long.MAX_VALUE))
        .isEqualTo(new Reading((9864 + 20484 + 8192) * 1024L, 1, Source.STAT, true));
  }

  private void status(long pid, String name, long dataKib) throws IOException {
    Files.writeString(
        proc.resolve(pid + "/status"),
        "Name:\t%s\nVmPeak:\t 5000 kB\nVmHWM:\t 700 kB\nVmData:\t %d kB\n"
            .formatted(name, dataKib));
  }

  @Test
  void whatTheFirstAndTheLargestHaveHadIsRead() throws Exception {
    process(101, ROOT, 1001, 30);
    process(102, ROOT, 1001, 20);
    status(ROOT, "sh", 100);
    status(101, "a: b", 3000);
    status(102, "c", 9000);
    Tree tree = trees.follow(ROOT, Optional.empty());
    rest();
    assertThat(tree.peaks())
        .containsExactly(
            new MemorySample(ROOT, "sh", 100 << 10, 5000 << 10, 700 << 10, Duration.ZERO),
            new MemorySample(101, "a: b", 3000 << 10, 5000 << 10, 700 << 10, Duration.ZERO));
    status(101, "a: b", 4000);
    assertThat(tree.peaks().get(1).dataBytes()).isEqualTo(3000 << 10); // its size is the same
    process(101, ROOT, 1001, 31);
    lookLater();
    assertThat(tree.peaks().get(1).dataBytes()).isEqualTo(4000 << 10);
  }

  @Test
  void whoShowsNoMemoryHasNoPeaks() throws Exception {
    Tree tree = trees.follow(ROOT, Optional.empty());
    assertThat(tree.peaks()).isEmpty();
    Files.writeString(proc.resolve(ROOT + "/status"), "Name:\tzombie\nState:\tZ\n");
    process(ROOT, JVM, 1000, 11);
    lookLater();
    assertThat(tree.peaks()).isEmpty();
  }

  @Test
  void whatATreeHasDoneIsAddedUp() throws Exception {
    process(101, ROOT, 1001, 10);
    io(ROOT, 1000);
    io(101, 20);
    Tree tree = trees.follow(ROOT, Optional.empty());
    rest();
    // the fields of stat in process() are all 9, also the four of CPU time: in ticks of 10 ms
    assertThat(tree.activity())
        .isEqualTo(
            new Activity(
                Map.of(ROOT, 1000L, 101L, 1001L),
                2 * 4 * 9 * 10_000_000L,
                OptionalLong.of(1000 + 20 + 2 * (2 + 3 + 4)),
                false));
    Files.delete(proc.resolve("101/io"));
    assertThat(tree.activity().io()).isEmpty();
  }

  @Test
  void whoIsStoppedOrWaitsForADiskIsHeld() throws Exception {
    Tree tree = trees.follow(ROOT, Optional.empty());
    for (String state : List.of("T", "t", "D")) {
      process(ROOT, JVM, 1000, 10);
      Path stat = proc.resolve(ROOT + "/stat");
      Files.writeString(stat, Files.readString(stat).replace("(b) S", "(b) " + state));
      lookLater();
      assertThat(tree.activity().held()).as(state).isTrue();
    }
    process(ROOT, JVM, 1000, 10);
    lookLater();
    assertThat(tree.activity().held()).isFalse();
  }

  private void io(long pid, long read) throws IOException {
    Files.writeString(
        proc.resolve(pid + "/io"),
        "rchar: %d\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: 4096\nwrite_bytes: 4096\n"
                .formatted(read)
            + "cancelled_write_bytes: 0\n");
  }
}
