package io.memguard;

import static io.memguard.support.Children.output;
import static io.memguard.support.Children.sh;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.events.ChildEnd;
import io.memguard.events.ChildLaunch;
import io.memguard.events.MemoryGuardListener;
import io.memguard.launch.LaunchException;
import io.memguard.launch.LaunchStep;
import io.memguard.limits.GuardOptions;
import io.memguard.limits.LaunchOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.limits.Protection;
import io.memguard.limits.Requirement;
import io.memguard.outcome.Evidence;
import io.memguard.outcome.Outcome;
import io.memguard.platform.Linux;
import io.memguard.platform.cgroup.CgroupFinder;
import io.memguard.platform.cgroup.CgroupSearch;
import io.memguard.platform.cgroup.Leaf;
import io.memguard.platform.cgroup.LeafLimits;
import io.memguard.platform.cgroup.Machine;
import io.memguard.platform.jfr.Recorder;
import io.memguard.platform.kernellog.OomVictims;
import io.memguard.recover.PoolListener;
import io.memguard.recover.PoolOptions;
import io.memguard.recover.WorkerPool;
import io.memguard.support.Children;
import io.memguard.support.Eventually;
import io.memguard.support.Libc;
import io.memguard.support.PoolWorkers;
import io.memguard.support.Privileges;
import io.memguard.support.Proc;
import io.memguard.watch.LeafHints;
import io.memguard.watch.Watcher;
import java.lang.ProcessBuilder.Redirect;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Where the kernel allows a JVM no further thread, nothing is lost, left behind or waited for.
 * Mostly with the native engine: the JDK's own processes need threads for their ends.
 */
@Tag("engine-independent")
@Timeout(60)
final class NoThreadToBeHadTest {
  private static final int PATIENCE_SECONDS = 15;

  /**
   * Address space for all that is needed besides threads; malloc and the JVM take 64 MiB at once.
   */
  private static final long LITTLE = 448L << 20;

  private static final String STACK = "512m";

  @TempDir private Path directory;

  @BeforeEach
  void makeItAnotherUsers() throws Exception {
    Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwxrwxrwx"));
  }

  @Test
  void anOutcomeIsToldWhoseEvidenceIsInFiles() throws Exception {
    assertThat(run(Told.class)).containsExactly("exit 3, \"what it said\"", "closed");
  }

  @Test
  void aLeafIsRemovedInTheEnd() throws Exception {
    assertThat(run(Removing.class)).containsExactly("released", "closed, left: false");
  }

  @Test
  void nothingIsLeftOfAListenerThatCannotBeTold() throws Exception {
    assertThat(run(Listening.class)).containsExactly("refused, watches: 0");
  }

  /** Nobody would end it when its time is over. */
  @Test
  void aChildThatCannotBeLookedAfterIsEndedAndToldOf() throws Exception {
    assertThat(run(LookedAfter.class))
        .containsExactly("launched", "exited", "launched", "cancelled", "closed");
  }

  @Test
  void soIsAPoolsWorkerWhoseWordsNobodyCouldRead() throws Exception {
    assertThat(run(Worker.class))
        .containsExactly("launched", "exited", "launched", "cancelled", "closed");
  }

  @Test
  void whoseOutputNobodyCouldReadIsNotStarted() throws Exception {
    assertThat(run(Unread.class, "-Dmemguard.engine=portable"))
        .containsExactly("WATCH", "children: 0", "closed");
  }

  private List<String> run(Class<?> main, String... more) throws Exception {
    List<String> options = new ArrayList<>(List.of(more));
    options.addAll(List.of("-Xss" + STACK, "-Djava.io.tmpdir=" + directory, "-Xlog:disable"));
    Process jvm =
        Privileges.ofAnotherUser(Children.jvm(options, main, directory.toString()))
            .redirectError(Redirect.INHERIT)
            .start();
    CompletableFuture.delayedExecutor(PATIENCE_SECONDS * 2, TimeUnit.SECONDS)
        .execute(jvm::destroyForcibly); // reading from it cannot be interrupted
    List<String> lines = output(jvm).lines().toList();
    assertThat(jvm.waitFor()).isZero();
    return lines;
  }

  /** Lets a child end, and closes its guard. */
  static final class Told {
    private Told() {}

    public static void main(String[] arguments) throws Exception {
      Path said = Path.of(arguments[0], "said");
      MemoryGuard guard = MemoryGuard.create();
      GuardedProcess child =
          guard.start(
              sh("read go; echo what it said >&2; exit 3").redirectError(said.toFile()),
              MemoryLimits.none());
      CompletableFuture<Outcome> outcome = child.outcome();
      Libc.limitProcesses(1);
      child.getOutputStream().close();
      Evidence evidence = outcome.get(PATIENCE_SECONDS, TimeUnit.SECONDS).evidence();
      System.out.printf("%s, \"%s\"%n", evidence.status(), evidence.errorTail().strip());
      guard.close();
      System.out.println("closed");
      Runtime.getRuntime().halt(0);
    }
  }

  /** Listens to a leaf; ordinary files stand for it. */
  static final class Listening {
    private Listening() {}

    public static void main(String[] arguments) throws Exception {
      Linux.load();
      CgroupSearch search =
          search(Path.of(arguments[0]), "0::/app", "cgroup2 cgroup2 rw,nsdelegate");
      Leaf leaf =
          new Leaf(
              search.levels().get(0),
              new LeafLimits(OptionalLong.empty(), OptionalLong.empty(), OptionalInt.empty()));
      Files.writeString(leaf.directory().resolve("memory.events"), "oom 0\n");
      try (Watcher watcher = new Watcher();
          LeafHints hints = new LeafHints(watcher);
          MemoryEvents events =
              new MemoryEvents(
                  Optional.of(hints), OomVictims.unknown(), List.of(), Recorder.NONE)) {
        Libc.limitProcesses(1);
        System.out.println(listen(events, leaf) + ", watches: " + Proc.inotifyWatches());
      }
      Runtime.getRuntime().halt(0);
    }

    private static String listen(MemoryEvents events, Leaf leaf) {
      try {
        events.listen(Optional.of(leaf), 7, Optional.of(event -> {}));
        return "not refused";
      } catch (OutOfMemoryError e) {
        return "refused";
      }
    }
  }

  /** Has a leaf that cannot be removed at once; an ordinary directory stands for it. */
  static final class Removing {
    private Removing() {}

    public static void main(String[] arguments) throws Exception {
      Leaves leaves =
          Leaves.at(search(Path.of(arguments[0]), "4:memory:/app", "cgroup cgroup rw,memory"));
      Leaves.Lease lease =
          leaves.arm(MemoryLimits.none().with(Protection.CGROUP_LEAF, Requirement.REQUIRE));
      Path leaf = lease.directory().orElseThrow();
      Path held = Files.createFile(leaf.resolve("held"));
      Libc.limitProcesses(1);
      lease.release();
      System.out.println("released");
      Files.delete(held);
      leaves.close();
      System.out.println("closed, left: " + Files.exists(leaf));
      Runtime.getRuntime().halt(0);
    }
  }

  /** Says what becomes of children. */
  private static final class Saying implements MemoryGuardListener {
    @Override
    public void launched(ChildLaunch launch) {
      System.out.println("launched");
    }

    @Override
    public void ended(ChildEnd end) {
      System.out.println(end.outcome().label());
    }

    static MemoryGuard guard() {
      return MemoryGuard.create(GuardOptions.defaults().withListener(new Saying()));
    }
  }

  /** Runs a child whose time-out needs a thread. */
  static final class LookedAfter {
    private LookedAfter() {}

    public static void main(String[] arguments) throws Exception {
      MemoryGuard guard = Saying.guard();
      guard.run(sh("exit 3"), MemoryLimits.none());
      awaitThoseThatPass();
      Libc.limitAddressSpace(LITTLE);
      try {
        guard.run(
            sh("exec sleep 600"),
            MemoryLimits.none(),
            LaunchOptions.defaults().withTimeout(Duration.ofHours(1)));
        System.out.println("not refused");
      } catch (OutOfMemoryError e) {
        Libc.unlimitAddressSpace();
      }
      guard.close();
      System.out.println("closed");
      Runtime.getRuntime().halt(0);
    }
  }

  /** Runs a child with the engine that needs threads for its output. */
  static final class Unread {
    private Unread() {}

    public static void main(String[] arguments) throws Exception {
      MemoryGuard guard = MemoryGuard.create();
      guard.run(sh("exit 3"), MemoryLimits.none());
      awaitThoseThatPass();
      Libc.limitAddressSpace(LITTLE);
      try {
        guard.run(sh("exec sleep 600"), MemoryLimits.none());
        System.out.println("not refused");
      } catch (LaunchException e) {
        Libc.unlimitAddressSpace();
        System.out.println(e.step() == LaunchStep.WATCH ? "WATCH" : e);
      }
      Eventually.await(
          "the child has ended", () -> ProcessHandle.current().children().findAny().isEmpty());
      System.out.println("children: 0");
      guard.close();
      System.out.println("closed");
      Runtime.getRuntime().halt(0);
    }
  }

  /** Has a pool whose second worker's stderr cannot be read. */
  static final class Worker {
    private Worker() {}

    public static void main(String[] arguments) throws Exception {
      PoolListener taking =
          new PoolListener() {
            @Override
            public void workerEnded(long pid, String reason, Outcome outcome) {
              takeAllThreads();
            }
          };
      PoolOptions options = PoolOptions.workers(1).withListener(taking);
      MemoryGuard guard = Saying.guard();
      WorkerPool pool = guard.pool(PoolWorkers.anything(), MemoryLimits.none(), options);
      pool.submit("exit 7".getBytes(UTF_8)).handle((bytes, trouble) -> trouble).join();
      pool.awaitTermination(Duration.ofSeconds(PATIENCE_SECONDS)); // it is broken
      Libc.unlimitAddressSpace();
      pool.close();
      guard.close();
      System.out.println("closed");
      Runtime.getRuntime().halt(0);
    }

    private static void takeAllThreads() {
      awaitThoseThatPass();
      Libc.limitAddressSpace(LITTLE);
      try {
        while (true) {
          Thread waiting = new Thread(LockSupport::park, "waiting");
          waiting.setDaemon(true);
          waiting.start();
        }
      } catch (OutOfMemoryError e) {
        // that was the last
      }
    }
  }

  /** The stack of a thread that has ended is another's, and one that is idle may be used again. */
  private static void awaitThoseThatPass() {
    Set<String> passing = Set.of("memguard-pool-s", "memguard-ending", "memguard-elsewh");
    Eventually.await(
        "all that end have ended", () -> Proc.threadNames().stream().noneMatch(passing::contains));
  }

  /** Finds this process's cgroup on a machine of ordinary files. */
  private static CgroupSearch search(Path root, String membership, String mount) throws Exception {
    Path self = Files.createDirectories(root.resolve("proc/self"));
    Files.writeString(self.resolve("cgroup"), membership + "\n");
    Files.writeString(self.resolve("mountinfo"), "30 23 0:26 / /cgroups rw,nosuid - " + mount);
    Path own = Files.createDirectories(root.resolve("cgroups/app"));
    Files.writeString(own.resolve("cgroup.procs"), "");
    Files.writeString(own.resolveSibling("cgroup.controllers"), "memory\n");
    return CgroupFinder.findOwn(new Machine(root));
  }
}
