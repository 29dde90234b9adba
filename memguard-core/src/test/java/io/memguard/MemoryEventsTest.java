package io.memguard;

import static java.util.stream.Collectors.groupingBy;
import static java.util.stream.Collectors.summingLong;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import io.memguard.events.MemoryGuardListener;
import io.memguard.outcome.MemoryEvent;
import io.memguard.outcome.MemoryEvent.Kind;
import io.memguard.platform.Linux;
import io.memguard.platform.cgroup.Cgroup;
import io.memguard.platform.cgroup.CgroupFinder;
import io.memguard.platform.cgroup.Leaf;
import io.memguard.platform.cgroup.LeafLimits;
import io.memguard.platform.cgroup.Machine;
import io.memguard.platform.jfr.Recorder;
import io.memguard.platform.kernellog.OomVictims;
import io.memguard.support.Eventually;
import io.memguard.support.Logged;
import io.memguard.support.Proc;
import io.memguard.support.Traces;
import io.memguard.watch.LeafHints;
import io.memguard.watch.Watcher;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.function.Consumer;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Who listens to a leaf is told what rose: here the leaf is a directory of ordinary files. */
@Tag("engine-independent")
@Timeout(60)
final class MemoryEventsTest {
  private static final long CHILD = 7;

  /** The end of a pressure trigger takes some 10 milliseconds. */
  private static final int MANY = 100;

  @TempDir Path machine;
  private final List<MemoryEvent> told = new CopyOnWriteArrayList<>();
  private Leaf leaf;

  @BeforeEach
  void makeLeaf() throws IOException {
    Path proc = Files.createDirectories(machine.resolve("proc/self"));
    Files.writeString(proc.resolve("cgroup"), "0::/leaf\n");
    Files.writeString(
        proc.resolve("mountinfo"),
        "30 23 0:26 / /sys/fs/cgroup ro,nosuid - cgroup2 cgroup2 rw,nsdelegate\n");
    Path directory = Files.createDirectories(machine.resolve("sys/fs/cgroup/leaf"));
    Files.writeString(directory.getParent().resolve("cgroup.controllers"), "memory\n");
    Files.writeString(directory.getParent().resolve("cgroup.procs"), "");
    Files.writeString(directory.resolve("cgroup.procs"), "");
    leaf =
        new Leaf(
            own(), new LeafLimits(OptionalLong.empty(), OptionalLong.empty(), OptionalInt.empty()));
    counted(0, 0, 0, 0);
  }

  @Test
  void whatRoseIsToldOnceAndInOrder() throws Exception {
    try (Watcher watcher = watcher();
        LeafHints hints = new LeafHints(watcher);
        MemoryEvents events = events(Optional.of(hints))) {
      MemoryEvents.Listening listening = listen(events, leaf, told::add);
      counted(1, 0, 0, 0);
      Eventually.await("the first is told", () -> told.size() == 1);
      counted(1, 9, 2, 0);
      Eventually.await("two more are told", () -> told.size() == 3);
      counted(1, 9, 2, 1);
      end(listening);
      assertThat(told)
          .containsExactly(
              event(Kind.HIGH, 1), event(Kind.MAX, 9), event(Kind.OOM, 2), event(Kind.OOM_KILL, 1));
      counted(2, 9, 3, 2);
      assertThat(told).as("nobody looks any more").hasSize(4);
    }
  }

  @Test
  void withoutAnEventLoopAllIsToldInTheEnd() throws Exception {
    try (MemoryEvents events = events(Optional.empty())) {
      MemoryEvents.Listening listening = listen(events, leaf, told::add);
      counted(0, 1, 1, 1);
      end(listening);
      assertThat(told)
          .extracting(MemoryEvent::kind)
          .containsExactly(Kind.MAX, Kind.OOM, Kind.OOM_KILL);
    }
  }

  /** Which counts how often the limit was reached in two files. */
  @Test
  void onV1TheLimitIsToldOnceAsWell() throws Exception {
    Files.writeString(machine.resolve("proc/self/cgroup"), "4:memory:/leaf\n");
    Files.writeString(
        machine.resolve("proc/self/mountinfo"),
        "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup cgroup rw,memory\n");
    Leaf old = new Leaf(own(), leaf.limits());
    try (MemoryEvents events = events(Optional.empty())) {
      end(listen(events, old, event -> {})); // the first is looked at as soon as it is listened to
      MemoryEvents.Listening listening = listen(events, old, told::add);
      Files.writeString(old.directory().resolve("memory.failcnt"), "1\n");
      Files.writeString(old.directory().resolve("memory.memsw.failcnt"), "2\n");
      Files.writeString(old.directory().resolve("memory.oom_control"), "oom_kill 1\n");
      end(listening);
      // The files are not written at once, and may be looked at between them.
      assertThat(
              told.stream().collect(groupingBy(MemoryEvent::kind, summingLong(MemoryEvent::times))))
          .isEqualTo(Map.of(Kind.MAX, 3L, Kind.OOM_KILL, 1L));
      assertThat(told).endsWith(event(Kind.OOM_KILL, 1));
    }
  }

  @Test
  void aListenerThatFailsIsToldTheNextAllTheSame() throws Exception {
    Consumer<MemoryEvent> failing =
        event -> {
          told.add(event);
          throw new IllegalStateException("on purpose");
        };
    try (MemoryEvents events = events(Optional.empty())) {
      MemoryEvents.Listening listening = listen(events, leaf, failing);
      counted(0, 1, 1, 0);
      end(listening);
      assertThat(told).hasSize(2);
    }
  }

  @Test
  void aListenerThatBlocksDoesNotKeepTheOutcome() throws Exception {
    CountDownLatch never = new CountDownLatch(1);
    try (MemoryEvents events = events(Optional.empty())) {
      MemoryEvents.Listening listening = listen(events, leaf, event -> awaitQuietly(never));
      counted(0, 1, 0, 0);
      end(listening);
      never.countDown();
    }
  }

  /** A listener that is told of others, slowly. */
  @Test
  void whoHasNothingToTellWaitsForNobody() throws Exception {
    CountDownLatch later = new CountDownLatch(1);
    try (MemoryEvents events = events(List.of(MemoryGuardListener.ofMemory(told::add)))) {
      MemoryEvents.Listening withLeaf =
          begun(events.listen(Optional.of(leaf), CHILD, Optional.empty()));
      MemoryEvents.Listening without =
          begun(events.listen(Optional.empty(), CHILD, Optional.empty()));
      MemoryEvents.Listening withNews =
          begun(events.listen(Optional.empty(), CHILD, Optional.empty()));
      CountDownLatch looked = new CountDownLatch(1);
      events.tell(listener -> looked.countDown());
      looked.await();
      events.tell(listener -> awaitQuietly(later));
      withNews.tell(Kind.PREEMPTED, OptionalLong.of(7));
      assertThat(without.tellLast()).isDone();
      assertThat(withLeaf.tellLast()).isDone();
      CompletableFuture<Void> last = withNews.tellLast();
      assertThat(last).isNotDone();
      later.countDown();
      last.join();
      assertThat(told).extracting(MemoryEvent::kind).containsExactly(Kind.PREEMPTED);
    }
  }

  /** That it comes back once is no sign that it has caught up. */
  @Test
  void aSecondIsWaitedOnceUntilAllWasTold() throws Exception {
    Semaphore calls = new Semaphore(0);
    try (MemoryEvents events = events(Optional.empty())) {
      Consumer<MemoryEvent> slow =
          event -> {
            calls.acquireUninterruptibly();
            told.add(event);
          };
      MemoryEvents.Listening first = listen(events, leaf, slow);
      MemoryEvents.Listening second = listen(events, leaf, slow);
      for (int i = 0; i < 3; i++) {
        first.tell(Kind.HIGH, OptionalLong.of(i));
        second.tell(Kind.HIGH, OptionalLong.of(i));
      }
      first.tellLast().join(); // after a second
      calls.release();
      Eventually.await("one call came back", () -> told.size() == 1);
      assertThat(second.tellLast()).as("four more are to be told before").isDone();
      calls.release(5);
      Eventually.await("it has caught up, and is waited for", () -> isAwaited(events, slow, calls));
    }
  }

  private boolean isAwaited(MemoryEvents events, Consumer<MemoryEvent> listener, Semaphore calls) {
    MemoryEvents.Listening listening = listen(events, leaf, listener);
    listening.tell(Kind.HIGH, OptionalLong.of(9));
    CompletableFuture<Void> last = listening.tellLast();
    boolean awaited = !last.isDone();
    calls.release();
    last.join();
    return awaited;
  }

  /** What is kept for it would fill the heap. */
  @Test
  void whateverIsKeptForAListenerThatBlocksIsBounded() throws Exception {
    int many = 1500;
    CountDownLatch later = new CountDownLatch(1);
    try (Logged logged = Logged.by("io.memguard.MemoryEvents");
        MemoryEvents events = events(Optional.empty())) {
      MemoryEvents.Listening listening =
          listen(
              events,
              leaf,
              event -> {
                awaitQuietly(later);
                told.add(event);
              });
      for (int i = 0; i < many; i++) {
        listening.tell(Kind.HIGH, OptionalLong.of(i));
        listening.rehearse();
        MemoryEvents.Listening another = listen(events, leaf, told::add);
        assertThat(another.tellLast()).isNotNull();
      }
      later.countDown();
      Eventually.await(
          "it is said how many were not told",
          () ->
              logged.all().stream()
                  .anyMatch(line -> line.getFormattedMessage().contains("told of")));
      assertThat(told).hasSizeLessThanOrEqualTo(1000);
      assertThat(logged.all())
          .extracting(line -> line.getFormattedMessage())
          .filteredOn(line -> line.contains(" not told "))
          .as("once that it blocks, and once how many")
          .hasSize(2)
          .last()
          .asString()
          .contains(" not told of " + (many - told.size()) + " events");
      MemoryEvents.Listening next = listen(events, leaf, told::add);
      next.tell(Kind.PREEMPTED, OptionalLong.of(1));
      end(next);
      assertThat(told.get(told.size() - 1).kind()).as("told again").isEqualTo(Kind.PREEMPTED);
    }
  }

  private static void awaitQuietly(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** Where the kernel has PSI and lets us, the machine's own file stands for a leaf's. */
  @Test
  void nothingIsLeftOfManyLeaves() throws Exception {
    Files.createSymbolicLink(
        leaf.directory().resolve("memory.pressure"), Path.of("/proc/pressure/memory"));
    watcher().close(); // the native library stays
    Traces before = Traces.begin();
    try (Watcher watcher = watcher();
        LeafHints hints = new LeafHints(watcher);
        MemoryEvents events = events(Optional.of(hints))) {
      end(listen(events, leaf, told::add));
      Traces between = Traces.begin();
      for (int i = 0; i < MANY; i++) {
        end(listen(events, leaf, told::add));
      }
      between.assertNothingIsLeft();
    }
    before.assertNothingIsLeft();
    assertThat(told)
        .filteredOn(event -> event.kind() != Kind.PRESSURE) // that may be the machine's own
        .isEmpty();
  }

  @Test
  @SuppressWarnings("NullAway") // the half that fails
  void nothingIsLeftOfAHintThatIsHalfMade() throws Exception {
    Files.createFile(leaf.directory().resolve("memory.pressure"));
    try (Watcher watcher = watcher();
        LeafHints hints = new LeafHints(watcher)) {
      Runnable changed = () -> {};
      hints.listen(leaf, changed, changed).close();
      Traces between = Traces.begin();
      long watches = Proc.inotifyWatches();
      assertThatNullPointerException().isThrownBy(() -> hints.listen(leaf, changed, null));
      assertThat(Proc.inotifyWatches()).isEqualTo(watches);
      between.assertNothingIsLeft();
    }
  }

  @Test
  void whoListensToAllIsToldAfterTheChildsOwn() throws Exception {
    List<String> order = new CopyOnWriteArrayList<>();
    try (MemoryEvents events =
        events(List.of(MemoryGuardListener.ofMemory(event -> order.add("all"))))) {
      MemoryEvents.Listening listening = listen(events, leaf, event -> order.add("own"));
      counted(0, 1, 0, 0);
      end(listening);
      assertThat(order).containsExactly("own", "all");
      end(begun(events.listen(Optional.of(leaf), CHILD, Optional.empty())));
      assertThat(order).containsExactly("own", "all", "all");
    }
  }

  @Test
  void theContainersEventsHaveNoChild() throws Exception {
    MemoryEvents events = events(List.of(MemoryGuardListener.ofMemory(told::add)));
    try (events) {
      events.tell(Kind.HEADROOM_LOW, 5);
      Eventually.await("it is told", () -> told.size() == 1);
      assertThat(told)
          .containsExactly(
              new MemoryEvent(
                  OptionalLong.empty(), Kind.HEADROOM_LOW, 1, OptionalLong.of(5), List.of()));
    }
    events.tell(Kind.HEADROOM_BACK, 9);
    assertThat(told).as("nobody is told after its close").hasSize(1);
  }

  /** A child that is ended for its memory has no leaf in most containers. */
  @Test
  void whatSomebodyElseFoundOutIsToldBeforeTheOutcome() throws Exception {
    try (MemoryEvents events = events(Optional.empty())) {
      MemoryEvents.Listening listening =
          begun(events.listen(Optional.empty(), CHILD, Optional.of(told::add)));
      listening.tell(Kind.PREEMPTED, OptionalLong.of(7));
      listening.tellLast().join();
      assertThat(told)
          .containsExactly(
              new MemoryEvent(
                  OptionalLong.of(CHILD), Kind.PREEMPTED, 1, OptionalLong.of(7), List.of()));
      listening.tell(Kind.PREEMPTED, OptionalLong.of(8));
      end(listening);
      assertThat(told).as("what it left behind is told of after its end").hasSize(2);
    }
  }

  @Test
  void withoutALeafOrAnEventThereIsNoThread() throws Exception {
    Traces before = Traces.begin();
    try (MemoryEvents events = events(Optional.empty())) {
      assertThat(events.listen(Optional.of(leaf), CHILD, Optional.empty())).isEmpty();
      end(begun(events.listen(Optional.empty(), CHILD, Optional.of(told::add))));
      events.tell(Kind.HEADROOM_LOW, 5);
      before.assertNothingIsLeft();
    }
  }

  private static MemoryEvents events(Optional<LeafHints> hints) {
    return new MemoryEvents(hints, OomVictims.unknown(), List.of(), Recorder.NONE);
  }

  private static MemoryEvents events(List<MemoryGuardListener> listeners) {
    return new MemoryEvents(Optional.empty(), OomVictims.unknown(), listeners, Recorder.NONE);
  }

  private static MemoryEvents.Listening listen(
      MemoryEvents events, Leaf leaf, Consumer<MemoryEvent> listener) {
    return begun(events.listen(Optional.of(leaf), CHILD, Optional.of(listener)));
  }

  private static MemoryEvents.Listening begun(Optional<MemoryEvents.Listening> listening) {
    listening.orElseThrow().begin();
    return listening.orElseThrow();
  }

  private Cgroup own() {
    return CgroupFinder.findOwn(new Machine(machine)).levels().get(0);
  }

  private static void end(MemoryEvents.Listening listening) {
    listening.tellLast().join();
    listening.stop();
  }

  private static Watcher watcher() throws IOException {
    Linux.load();
    return new Watcher();
  }

  private static MemoryEvent event(Kind kind, long times) {
    return new MemoryEvent(OptionalLong.of(CHILD), kind, times, OptionalLong.empty(), List.of());
  }

  private void counted(int high, int max, int oom, int kills) throws IOException {
    String text = "low 0\nhigh %d\nmax %d\noom %d\noom_kill %d\n".formatted(high, max, oom, kills);
    Path file = leaf.directory().resolve("memory.events");
    try (FileChannel counters =
        FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
      counters.write(ByteBuffer.wrap(text.getBytes(StandardCharsets.US_ASCII))); // all at once
    }
  }
}
