package io.memguard.platform.kernellog;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.outcome.KernelLogRecord;
import io.memguard.outcome.KernelLogRecord.Limit;
import io.memguard.outcome.KernelLogRecord.Victim;
import io.memguard.outcome.KernelLogRecord.Who;
import io.memguard.platform.Errno;
import io.memguard.platform.kernellog.OomKillLog.Mark;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Which lines of the log are about a child, in captured ones. */
@Tag("engine-independent")
final class OomVictimsTest {
  private static final String ELSEWHERE = "/elsewhere";
  private static final Optional<String> NO_LEAF = Optional.empty();

  private final Replay replay = new Replay();
  private long seconds;
  private final OomKillLog log =
      new OomKillLog(new KernelLog(replay), () -> TimeUnit.SECONDS.toNanos(seconds));

  @Test
  void theChildIsNamedByItsPid() throws IOException {
    assertThat(find("kmsg-v2.txt", 833, NO_LEAF).victim())
        .contains(new Victim(833, "python3", Who.CHILD, Limit.OTHER_CGROUP, Optional.of("/pod")));
  }

  @Test
  void theMachinesEndIsNoCgroups() throws IOException {
    long last = 1088;
    assertThat(find("kmsg-v2.txt", last, NO_LEAF).victim(Who.CHILD))
        .hasValueSatisfying(
            victim -> {
              assertThat(victim.limit()).isEqualTo(Limit.HOST);
              assertThat(victim.limitCgroup()).isEmpty();
            });
  }

  @Test
  void anotherPidIsNotTheChildAndTheLogWouldHaveNamedIt() throws IOException {
    KernelLogRecord record = find("kmsg-v2.txt", 7, NO_LEAF);
    assertThat(record.victim()).isEmpty();
    assertThat(record.silent()).isTrue();
  }

  @Test
  void theLeafIsNamedWhateverThePidsAndThePathsAbove() throws IOException {
    OomVictims container = new OomVictims(log, false, Optional.of("/"));
    play("kmsg-v2.txt");
    KernelLogRecord record =
        container.find(new Mark(0, 0, 0), 833, Optional.of("app")).orElseThrow();
    assertThat(record.victim(Who.IN_LEAF))
        .as("the last one killed with the group")
        .hasValueSatisfying(victim -> assertThat(victim.limit()).isEqualTo(Limit.OTHER_CGROUP));
    assertThat(record.wouldName()).isFalse();
    assertThat(record.silent()).isFalse();
  }

  @Test
  void theLeafsOwnLimitIsToldFromTheOneAbove() throws IOException {
    assertThat(find("kmsg-v1.txt", 943, Optional.of("abc")).victim().orElseThrow().limit())
        .isEqualTo(Limit.OTHER_CGROUP);
    assertThat(find("kmsg-v1.txt", 943, Optional.of("docker")).victim().orElseThrow().limit())
        .isEqualTo(Limit.OWN_CGROUP);
  }

  @Test
  void aLeafsNameIsNotPartOfAnothers() throws IOException {
    assertThat(find("kmsg-v1.txt", 7, Optional.of("ab")).victim()).isEmpty();
    assertThat(find("kmsg-v1.txt", 7, Optional.of("bc")).victim()).isEmpty();
  }

  @Test
  void inAnotherPidNamespaceTheOwnCgroupsPathIsTheEndOfTheRealOne() throws IOException {
    play("kmsg-v1.txt");
    OomVictims inside = new OomVictims(log, false, Optional.of("/abc"));
    assertThat(inside.find(new Mark(0, 0, 0), 943, NO_LEAF).orElseThrow().victim())
        .contains(
            new Victim(943, "python3", Who.BESIDE, Limit.OTHER_CGROUP, Optional.of("/docker")));
    OomVictims root = new OomVictims(log, false, Optional.of("/"));
    assertThat(root.find(new Mark(0, 0, 0), 943, NO_LEAF).orElseThrow().victim()).isEmpty();
  }

  @Test
  void whatWasReadBeforeTheLaunchIsNotAboutTheChildEvenWithTheSamePid() throws IOException {
    OomVictims victims = new OomVictims(log, true, Optional.of(ELSEWHERE));
    play("kmsg-v1.txt");
    Mark first = victims.mark();
    assertThat(victims.find(first, 7, NO_LEAF).orElseThrow().victim()).isEmpty();
    Mark second = victims.mark();
    assertThat(victims.find(first, 943, NO_LEAF).orElseThrow().victim())
        .as("read for somebody else's sake, and kept")
        .isPresent();
    assertThat(victims.find(second, 943, NO_LEAF).orElseThrow().victim()).isEmpty();
  }

  /** In the log, it was killed 13 seconds after the machine's start. */
  @Test
  void whatWasWrittenLongBeforeTheLaunchIsNotAboutTheChildEvenIfNobodyHasReadItYet()
      throws IOException {
    OomVictims victims = new OomVictims(log, true, Optional.of(ELSEWHERE));
    seconds = TimeUnit.DAYS.toSeconds(3);
    Mark launch = victims.mark();
    play("kmsg-v1.txt");
    assertThat(victims.find(launch, 943, NO_LEAF).orElseThrow().victim()).isEmpty();
  }

  /** NTP makes our clock differ by up to 43 seconds a day from the log's. */
  @Test
  void aClockThatWasSteeredDoesNotHideAKillAfterTheLaunch() {
    OomVictims victims = new OomVictims(log, true, Optional.of(ELSEWHERE));
    seconds = TimeUnit.DAYS.toSeconds(3);
    Mark launch = victims.mark();
    long steered = TimeUnit.SECONDS.toMicros(seconds - 120);
    replay.record(
        "3,1,"
            + steered
            + ",-;Out of memory: Killed process 7 (x) total-vm:1kB, anon-rss:1kB, file-rss:1kB");
    assertThat(victims.find(launch, 7, NO_LEAF).orElseThrow().victim(Who.CHILD)).isPresent();
  }

  @Test
  void aLogWithAGapWouldNotHaveNamedIt() {
    OomVictims victims = new OomVictims(log, true, Optional.of(ELSEWHERE));
    replay.record("6,10,1,-;one").error(Errno.EPIPE).record("6,15,2,-;two");
    Mark launch = victims.mark();
    assertThat(victims.find(launch, 7, NO_LEAF).orElseThrow().wouldName()).isFalse();
    assertThat(victims.find(victims.mark(), 7, NO_LEAF).orElseThrow().wouldName()).isTrue();
  }

  /** Linux 6.1, the eleventh kill in five seconds. */
  @Test
  void whatWasReportedOfAnotherGroupIsNotSaidOfAChildWithoutAReport() {
    String sizes = " total-vm:203168kB, anon-rss:12192kB, file-rss:1932kB, shmem-rss:0kB, UID:0";
    replay
        .record(
            "6,1,1,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),oom_memcg=/app/leaf-10,"
                + "task_memcg=/app/leaf-10,task=perl,pid=775,uid=0")
        .record("3,2,1,-;Memory cgroup out of memory: Killed process 775 (perl)" + sizes)
        .record("6,3,1,-;Tasks in /app/leaf-10 are going to be killed due to memory.oom.group set")
        .record("3,4,1,-;Memory cgroup out of memory: Killed process 775 (perl)" + sizes)
        .record("3,5,1,-;Memory cgroup out of memory: Killed process 778 (perl)" + sizes)
        .record("6,6,1,-;Tasks in /app/leaf-11 are going to be killed due to memory.oom.group set");
    OomVictims victims = new OomVictims(log, true, Optional.of("/app/supervisor"));
    assertThat(victims.find(new Mark(0, 0, 0), 778, Optional.of("leaf-11")).orElseThrow().victim())
        .contains(new Victim(778, "perl", Who.CHILD, Limit.UNKNOWN, Optional.empty()));
    assertThat(victims.find(new Mark(0, 0, 0), 778, NO_LEAF).orElseThrow().victim())
        .contains(new Victim(778, "perl", Who.CHILD, Limit.UNKNOWN, Optional.empty()));
    assertThat(victims.find(new Mark(0, 0, 0), 775, Optional.of("leaf-10")).orElseThrow().victim())
        .hasValueSatisfying(victim -> assertThat(victim.limit()).isEqualTo(Limit.OWN_CGROUP));
  }

  @Test
  void aLogThatCannotBeReadAnyMoreSaysNothing() {
    OomVictims victims = new OomVictims(log, true, Optional.of(ELSEWHERE));
    replay.error(Errno.EPERM);
    for (int again = 0; again < 2; again++) {
      KernelLogRecord record = victims.find(victims.mark(), 7, NO_LEAF).orElseThrow();
      assertThat(record.victim()).isEmpty();
      assertThat(record.wouldName()).isFalse();
    }
    assertThat(replay.closed()).isEqualTo(1);
  }

  @Test
  void whereItCannotBeOpenedNothingIsKnown() {
    OomVictims victims = OomVictims.unknown();
    assertThat(victims.known()).isFalse();
    assertThat(victims.find(victims.mark(), 7, NO_LEAF)).isEmpty();
  }

  private KernelLogRecord find(String captured, long pid, Optional<String> leaf)
      throws IOException {
    play(captured);
    return new OomVictims(log, true, Optional.of(ELSEWHERE))
        .find(new Mark(0, 0, 0), pid, leaf)
        .orElseThrow();
  }

  private void play(String captured) throws IOException {
    try (InputStream stream = OomVictimsTest.class.getResourceAsStream(captured)) {
      new String(stream.readAllBytes(), StandardCharsets.UTF_8).lines().forEach(replay::record);
    }
  }
}
