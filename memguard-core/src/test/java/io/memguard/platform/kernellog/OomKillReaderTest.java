package io.memguard.platform.kernellog;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.platform.kernellog.OomKill.Scope;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** The reports of the OOM killer are understood, in the words of each kernel since 4.19. */
@Tag("engine-independent")
class OomKillReaderTest {
  @Test
  void linux61KillsAtALimitAGroupAndForTheMachine() throws IOException {
    List<OomKill> kills = captured("kmsg-v2.txt");

    assertThat(kills)
        .extracting(OomKill::name)
        .containsExactly("python3", "python3", "sleep", "a (b) c,d", "python3");
    assertThat(kills.get(0))
        .satisfies(
            kill -> {
              assertThat(kill.pid()).isEqualTo(833);
              assertThat(kill.scope()).isEqualTo(Scope.CGROUP);
              assertThat(kill.limitCgroup()).contains("/pod");
              assertThat(kill.victimCgroup()).contains("/pod/app");
              assertThat(kill.groupCgroup()).isEmpty();
            });
  }

  @Test
  void linux61TheBystanderOfAGroupKill() throws IOException {
    OomKill bystander = captured("kmsg-v2.txt").get(2);

    assertThat(bystander.scope()).isEqualTo(Scope.CGROUP);
    assertThat(bystander.limitCgroup()).contains("/pod");
    assertThat(bystander.groupCgroup()).contains("/pod/app");
    assertThat(bystander.victimCgroup()).as("it may be anywhere below the group").isEmpty();
  }

  @Test
  void linux61TheMachineItself() throws IOException {
    OomKill last = captured("kmsg-v2.txt").get(4);

    assertThat(last.scope()).isEqualTo(Scope.HOST);
    assertThat(last.limitCgroup()).isEmpty();
    assertThat(last.victimCgroup()).contains("/lab");
    assertThat(last.groupCgroup()).isEmpty();
  }

  @Test
  void linux61OnCgroupV1() throws IOException {
    assertThat(captured("kmsg-v1.txt"))
        .singleElement()
        .satisfies(
            kill -> {
              assertThat(kill.limitCgroup()).contains("/docker");
              assertThat(kill.victimCgroup()).contains("/docker/abc");
            });
  }

  /** Linux 4.19: mem_cgroup_print_oom_info() and oom_kill_process() of mm/. */
  @Test
  void linux419NamesTheCgroupsFirstAndMayKillAChildInstead() {
    List<OomKill> kills =
        read(
            "sh invoked oom-killer: gfp_mask=0x6000c0(GFP_KERNEL), nodemask=(null), order=0, oom_score_adj=0",
            "Task in /docker/a b/c killed as a result of limit of /docker",
            "memory: usage 1048576kB, limit 1048576kB, failcnt 267",
            "Memory cgroup out of memory: Kill process 4142 (python3) score 68 or sacrifice child",
            "Killed process 4254 (python3) total-vm:11968kB, anon-rss:4288kB, file-rss:3972kB, shmem-rss:0kB",
            "oom_reaper: reaped process 4254 (python3), now anon-rss:0kB, file-rss:0kB, shmem-rss:0kB");

    assertThat(kills)
        .singleElement()
        .satisfies(
            kill -> {
              assertThat(kill.pid()).isEqualTo(4254);
              assertThat(kill.scope()).isEqualTo(Scope.CGROUP);
              assertThat(kill.limitCgroup()).contains("/docker");
              assertThat(kill.victimCgroup()).contains("/docker/a b/c");
            });
  }

  @Test
  void linux419ForTheMachine() {
    List<OomKill> kills =
        read(
            "mysqld invoked oom-killer: gfp_mask=0x6200ca(GFP_HIGHUSER_MOVABLE), order=0, oom_score_adj=0",
            "Out of memory: Kill process 2188 (mysqld) score 60 or sacrifice child",
            "Killed process 2188 (mysqld) total-vm:3330016kB, anon-rss:864176kB, file-rss:8072kB, shmem-rss:0kB");

    assertThat(kills).singleElement().extracting(OomKill::scope).isEqualTo(Scope.HOST);
  }

  /** Linux 4.19 limits how many it writes of all lines but the last two. */
  @Test
  void linux419AReportThatWasLeftOutDoesNotBorrowFromTheOneBefore() {
    String sizes = " total-vm:9kB, anon-rss:8kB, file-rss:7kB, shmem-rss:0kB";
    List<OomKill> kills =
        read(
            "Task in /a/x killed as a result of limit of /a",
            "Memory cgroup out of memory: Kill process 10 (a) score 9 or sacrifice child",
            "Killed process 10 (a)" + sizes,
            "Memory cgroup out of memory: Kill process 11 (b) score 9 or sacrifice child",
            "Killed process 11 (b)" + sizes,
            "Task in /c/x killed as a result of limit of /c",
            "Memory cgroup out of memory: Kill process 12 (c) score 9 or sacrifice child",
            "Killed process 12 (c)" + sizes);

    assertThat(kills)
        .extracting(OomKill::limitCgroup)
        .containsExactly(Optional.of("/a"), Optional.empty(), Optional.of("/c"));
    assertThat(kills)
        .extracting(OomKill::victimCgroup)
        .containsExactly(Optional.of("/a/x"), Optional.empty(), Optional.of("/c/x"));
    assertThat(kills).extracting(OomKill::scope).containsOnly(Scope.CGROUP);
  }

  /** Linux 4.19 killed a group's members without a word on why. */
  @Test
  void linux419AGroup() {
    List<OomKill> kills =
        read(
            "Task in /pod/app killed as a result of limit of /pod",
            "Memory cgroup out of memory: Kill process 10 (a) score 9 or sacrifice child",
            "Killed process 10 (a) total-vm:9kB, anon-rss:8kB, file-rss:7kB, shmem-rss:0kB",
            "Tasks in /pod are going to be killed due to memory.oom.group set",
            "Killed process 10 (a) total-vm:9kB, anon-rss:8kB, file-rss:7kB, shmem-rss:0kB",
            "Killed process 11 (b) total-vm:9kB, anon-rss:8kB, file-rss:7kB, shmem-rss:0kB");

    assertThat(kills).extracting(OomKill::pid).containsExactly(10L, 11L);
    assertThat(kills.get(1).groupCgroup()).contains("/pod");
    assertThat(kills.get(1).limitCgroup()).contains("/pod");
    assertThat(kills.get(1).victimCgroup()).isEmpty();
    assertThat(kills.get(1).scope()).isEqualTo(Scope.CGROUP);
  }

  /**
   * Linux 5.1 joined the two lines about the victim; UID, pgtables, oom_score_adj came with 5.4.
   */
  @Test
  void linux51To53() {
    List<OomKill> kills =
        read(
            "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/test1,"
                + "task_memcg=/test1,task=a.out,pid=9188,uid=0",
            "Memory cgroup out of memory: Killed process 9188 (a.out) total-vm:14456kB, anon-rss:10324kB,"
                + " file-rss:504kB, shmem-rss:0kB");

    assertThat(kills)
        .singleElement()
        .extracting(OomKill::limitCgroup)
        .isEqualTo(Optional.of("/test1"));
  }

  @Test
  void linux54AndLaterWithCpusetsAsDmesgPrintsIt() {
    List<OomKill> kills =
        read(
            "[ 7093.543706] oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=cri-containerd-1f.scope,"
                + "mems_allowed=0-1,oom_memcg=/kubepods.slice/pod1.slice,task_memcg=/kubepods.slice/pod1.slice/"
                + "cri-containerd-1f.scope,task=pt_main_thread,pid=461754,uid=1000",
            "[ 7093.543707][ T9185] Memory cgroup out of memory: Killed process 461754 (pt_main_thread)"
                + " total-vm:3149468kB, anon-rss:164992kB, file-rss:52176kB, shmem-rss:92kB, UID:1000 pgtables:1372kB"
                + " oom_score_adj:986");

    assertThat(kills)
        .singleElement()
        .satisfies(
            kill -> {
              assertThat(kill.limitCgroup()).contains("/kubepods.slice/pod1.slice");
              assertThat(kill.victimCgroup())
                  .contains("/kubepods.slice/pod1.slice/cri-containerd-1f.scope");
            });
  }

  @Test
  void readsWhatSyslogAndDmesgPutInFront() {
    String line = "Killed process 7 (x) total-vm:1kB, anon-rss:1kB, file-rss:1kB, shmem-rss:1kB";

    for (String front :
        List.of(
            "",
            "[   22.340000] ",
            "[Wed Feb 19 06:41:03 2025] ",
            "Aug 16 20:29:54 host kernel: [  1.5] ",
            "Aug 16 20:29:54 host kernel: ")) {
      assertThat(OomLine.parse(front + line)).as(front).containsInstanceOf(OomLine.Killed.class);
    }
  }

  @Test
  void otherKillsForTheMachineAreNamedDifferently() {
    assertThat(
            read(
                "Out of memory (oom_kill_allocating_task): Killed process 7 (x) total-vm:1kB, anon-rss:1kB,"
                    + " file-rss:1kB, shmem-rss:1kB, UID:0 pgtables:1kB oom_score_adj:0"))
        .singleElement()
        .extracting(OomKill::scope)
        .isEqualTo(Scope.HOST);
  }

  @Test
  void aReportTheKernelLeftOutDoesNotBorrowFromTheOneBefore() {
    List<OomKill> kills =
        read(
            "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),oom_memcg=/a,task_memcg=/a,task=x,pid=1,uid=0",
            "Memory cgroup out of memory: Killed process 1 (x) total-vm:1kB, anon-rss:1kB, file-rss:1kB",
            "Memory cgroup out of memory: Killed process 2 (y) total-vm:1kB, anon-rss:1kB, file-rss:1kB");

    assertThat(kills.get(1).scope()).isEqualTo(Scope.CGROUP);
    assertThat(kills.get(1).limitCgroup()).isEmpty();
    assertThat(kills.get(1).victimCgroup()).isEmpty();
  }

  @Test
  void aPidUsedAgainLaterIsAnotherVictim() {
    String victim = "Out of memory: Killed process 1 (x) total-vm:1kB, anon-rss:1kB, file-rss:1kB";

    assertThat(read(victim, "x invoked oom-killer: gfp_mask=0", victim)).hasSize(2);
  }

  @Test
  void anOldKernelsVictimWithoutItsReportHasNoKnownReason() {
    assertThat(read("Killed process 7 (x) total-vm:1kB, anon-rss:1kB, file-rss:1kB, shmem-rss:1kB"))
        .singleElement()
        .extracting(OomKill::scope)
        .isEqualTo(Scope.UNKNOWN);
  }

  @Test
  void ordinaryLinesAreNone() {
    assertThat(
            read(
                "EXT4-fs (vda): mounted filesystem",
                "oom_reaper: reaped process 7 (x), now anon-rss:0kB, file-rss:0kB, shmem-rss:0kB",
                "Memory cgroup out of memory: OOM victim 7 (x) is already exiting. Skip killing the task",
                "Killed process",
                ""))
        .isEmpty();
  }

  private static List<OomKill> captured(String name) throws IOException {
    try (InputStream stream = OomKillReaderTest.class.getResourceAsStream(name)) {
      OomKillReader reader = new OomKillReader();
      return new String(stream.readAllBytes(), StandardCharsets.UTF_8)
          .lines()
          .flatMap(line -> LogRecord.parse(line).stream())
          .flatMap(record -> reader.next(record.text()).stream())
          .toList();
    }
  }

  private static List<OomKill> read(String... lines) {
    OomKillReader reader = new OomKillReader();
    return List.of(lines).stream().flatMap(line -> reader.next(line).stream()).toList();
  }
}
