package io.memguard.platform.procfs;

import io.memguard.outcome.MemorySample;
import io.memguard.platform.Linux;
import io.memguard.platform.ThreadCpuTime;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The memory of many process trees, read in one pass over {@code /proc}.
 *
 * <p>Who belongs to a tree stays in it: a descendant that was given to another parent, or left its
 * group or session, is kept. One that was given to another parent before anybody looked is known by
 * its mark, a variable that all of the tree have in their environment. Processes are told apart by
 * pid and start time. What is not visible to us ({@code hidepid}) is not found.
 *
 * <p>At rest, a pass costs one small file a process, and {@code /proc} is not even listed: see
 * {@link LastPid}.
 *
 * <p>It holds no descriptor open between two calls, starts no thread and no process. Not safe to
 * share between threads.
 */
public final class ProcessTrees implements AutoCloseable {
  /** No process has it, and none has such a parent. */
  public static final long NO_PID = -1;

  /** The kernel shows times in units of a hundredth of a second: {@code USER_HZ}. */
  static final double TICKS_PER_SECOND = 100;

  private static final double MILLIS_PER_SECOND = 1000;

  /** In seconds: how long ago a root that has ended may have been started. */
  private static final double RECENT = 10;

  private static final long INIT = 1;

  private final ProcFiles files;
  private final LastPid lastPid;
  private final TreeMemory memory;
  private final HeldFiles heldFiles;
  private final double booted;
  private final Set<Tree> trees = new LinkedHashSet<>();
  private final Map<String, Tree> marked = new HashMap<>();
  private final Map<Long, Seat> members = new HashMap<>();

  /** Processes of no tree, with their start times, so that each is looked at once. */
  private final Map<Long, Long> strangers = new HashMap<>();

  /**
   * Who has ended and whose parent never asks: where that is pid 1, there are ever more of them.
   */
  private final Set<Long> zombies = new HashSet<>();

  /** Those to whom the kernel may give a tree's orphans: the roots' ancestors, one is init. */
  private final Set<Long> reapers = new HashSet<>(Set.of(INIT));

  /** Newcomers of whom the last listing could not tell whose they are. */
  private Set<Long> unclear = new HashSet<>();

  /** From when on strangers may belong to a tree that is followed since. */
  private long reconsiderFrom = Long.MAX_VALUE;

  private boolean mustListAgain;

  private record Seat(Tree tree, Member member) {}

  /** Begins with no tree, on this machine's {@code /proc}. */
  public ProcessTrees() {
    this(new ProcFiles(Path.of("/proc"), Linux.isLoaded()), System::nanoTime, ThreadCpuTime::nanos);
  }

  /** Begins with other files and other clocks. */
  ProcessTrees(ProcFiles files, LongSupplier nanoClock, LongSupplier cpuClock) {
    this.files = files;
    this.lastPid = new LastPid(files, nanoClock);
    this.heldFiles = new HeldFiles(files, nanoClock, cpuClock);
    this.memory = new TreeMemory(files, heldFiles);
    this.booted = booted();
  }

  /**
   * When processes of start time 0 were started, in seconds since 1970, or up to a second earlier:
   * this process's own start, by both clocks, tells.
   */
  private double booted() {
    ProcessStat own = files.stat(files.name("self/stat"));
    Optional<Instant> started = ProcessHandle.current().info().startInstant();
    return own == null || started.isEmpty()
        ? 0
        : started.get().toEpochMilli() / MILLIS_PER_SECOND - own.start() / TICKS_PER_SECOND;
  }

  /** What a tree's memory was read from. */
  public enum Source {
    /** The files in memory that it holds open: they have more than enough alone. */
    FILES,

    /** Pages that several have count once: {@code smaps_rollup} of all processes. */
    ROLLUP,

    /**
     * Of at least one process, only what is readable by everybody: pages that it shares with others
     * count for each. The process is another user's or setuid, or the kernel is older than 5.3; or
     * it is gVisor, where {@code smaps} says it.
     */
    STAT
  }

  /**
   * The memory of a tree: its anonymous and shared memory, resident or swapped out, each page once,
   * and files in memory (tmpfs, memfd) that it holds open for writing. Page cache and mapped files
   * do not count: the kernel can drop them.
   *
   * @param bytes how much; or how much at least, of a tree that has more than enough
   * @param processes how many processes it has
   * @param source what it was read from
   * @param settled whether it may be acted upon; otherwise what several processes share may be in
   *     it more than once
   */
  public record Reading(long bytes, int processes, Source source, boolean settled) {
    /**
     * Tells whether the tree surely has more than so much. One that is not settled may have taken
     * one memory for two, and no more than that.
     */
    public boolean isMoreThan(long limit) {
      return (settled ? bytes : bytes / 2) > limit;
    }
  }

  /** A root with its descendants; of the {@link ProcessTrees} that made it. */
  public final class Tree {
    private final Optional<String> mark;
    private final long began;
    private final List<Member> processes = new ArrayList<>();

    private Tree(Optional<String> mark, long began) {
      this.mark = mark;
      this.began = began;
    }

    /** Returns how many processes it had at the last look. */
    public int processes() {
      return processes.size();
    }

    /** Returns the pids of the processes that it had at the last look. */
    Set<Long> pids() {
      return processes.stream().map(Member::pid).collect(Collectors.toUnmodifiableSet());
    }

    /**
     * Returns the processes that it had at the last look and that still live. Each is taken hold of
     * before it is asked whether it is the same one still: its pid may be another's by now.
     */
    public Set<ProcessHandle> members() {
      Set<ProcessHandle> living = new HashSet<>();
      for (Member member : processes) { // no stream: the first one to be made takes long
        Optional<ProcessHandle> handle = ProcessHandle.of(member.pid());
        if (handle.isPresent() && member.refresh(files)) {
          living.add(handle.get());
        }
      }
      return living;
    }

    /**
     * Returns what it had resident at the last look, in bytes: shared pages once for each process,
     * mapped files too. What {@link #measure} would find is no more, but for what is swapped out,
     * and up to 16 MiB that it wrote into files in memory and does not map. (More than that, if
     * many processes have to be asked for such files: that takes a tenth of the time at most.)
     */
    public long residentBytes() {
      return processes.stream().mapToLong(member -> member.stat().rss()).sum() * PageSize.BYTES
          + HeldFiles.bytes(processes);
    }

    /**
     * Reads its memory now, of the processes that it had at the last look. It takes as long as the
     * kernel needs to walk through all of its page tables: about a millisecond for 100 MiB, and as
     * long as each process lets it wait that is about to change its mappings.
     *
     * @param enough once it is sure to have more than so many bytes, the rest is not read
     */
    public Reading measure(long enough) {
      return memory.measure(processes, enough);
    }

    /**
     * Reads what two of it have had of their memory: the first one it had at the last look, and the
     * one with the largest resident set.
     */
    public List<MemorySample> peaks() {
      List<MemorySample> found = new ArrayList<>(2);
      Optional<Member> first = processes.stream().findFirst();
      Optional<Member> largest =
          processes.stream().max(Comparator.comparingLong(member -> member.stat().rss()));
      first.flatMap(member -> member.peaks(files)).ifPresent(found::add);
      if (!largest.equals(first)) {
        largest.flatMap(member -> member.peaks(files)).ifPresent(found::add);
      }
      return found;
    }

    /** Reads what the processes that it had at the last look have done since they were started. */
    public Activity activity() {
      return Activity.of(processes, files);
    }

    /** Tells whether one of them, though it does nothing just now, may go on by itself. */
    public boolean mayGoOn() {
      return Waiting.mayGoOn(processes, files);
    }
  }

  /**
   * Begins to follow a tree. Its descendants are found by the next look.
   *
   * @param root the pid of its first process, which must not have been reaped yet; or {@link
   *     #NO_PID} if it has, within the last ten seconds, and only what it left behind is to be
   *     followed
   * @param mark {@code NAME=VALUE} that all of it have in their environment, and nobody else has;
   *     without it, what was given to another parent before a look is not found
   */
  public Tree follow(long root, Optional<String> mark) {
    ProcessStat stat = files.stat(statFile(root));
    long start =
        stat == null ? (long) ((files.uptime() - RECENT) * TICKS_PER_SECOND) : stat.start();
    Tree tree = new Tree(mark, (long) (booted + start / TICKS_PER_SECOND));
    trees.add(tree);
    mark.ifPresent(text -> marked.put(text, tree));
    reconsiderFrom = Math.min(reconsiderFrom, start);
    if (stat != null) {
      noteReapers(stat);
      if (!stat.hasEnded()) {
        join(tree, root, stat);
      }
    }
    return tree;
  }

  /** Ends to follow a tree. */
  public void forget(Tree tree) {
    trees.remove(tree);
    tree.mark.ifPresent(text -> marked.remove(text, tree));
    tree.processes.forEach(member -> members.remove(member.pid()));
    mustListAgain |= !tree.processes.isEmpty(); // they may be another tree's, or strangers
    tree.processes.clear();
  }

  /**
   * Notes how much was started since, and looks at nobody. Called every few milliseconds, it spares
   * a later look to read all processes again, in case that all pids were given out anew.
   */
  public void glance() {
    lastPid.count();
  }

  /** Looks at all trees: who belongs to them now, and what that has resident. */
  public void look() {
    look(trees, read -> {});
  }

  /**
   * Looks who belongs to which tree now, and what some of them have resident. Of the others, newly
   * found processes are added, and nothing is read again.
   *
   * @param due those to read
   * @param read told of each as soon as it was read: there may be no time to read the others first
   */
  public void look(Collection<Tree> due, Consumer<Tree> read) {
    if (lastPid.mustList() || mustListAgain || reconsiderFrom < Long.MAX_VALUE) {
      list();
    }
    heldFiles.beginLook();
    for (Tree tree : due) {
      tree.processes.removeIf(this::hasEnded);
      tree.processes.forEach(heldFiles::lookIfDue);
      read.accept(tree);
    }
    heldFiles.endLook();
  }

  private boolean hasEnded(Member member) {
    if (member.refresh(files)) {
      return false;
    }
    members.remove(member.pid());
    mustListAgain = true; // its pid may be another member's by now
    return true;
  }

  private void list() {
    mustListAgain = false;
    if (reconsiderFrom < Long.MAX_VALUE) {
      strangers.values().removeIf(start -> start >= reconsiderFrom);
      reconsiderFrom = Long.MAX_VALUE;
    }
    Map<Long, ProcessStat> newcomers = new HashMap<>();
    Set<Long> listed = new HashSet<>();
    files
        .numbers("")
        .filter(
            pid ->
                listed.add(pid)
                    && !members.containsKey(pid)
                    && !isStill(strangers.keySet(), pid)
                    && !isStill(zombies, pid))
        .forEach(
            pid -> {
              ProcessStat stat = files.stat(statFile(pid));
              if (stat != null && stat.hasEnded()) {
                zombies.add(pid);
              } else if (stat != null) {
                newcomers.put(pid, stat);
              }
            });
    strangers.keySet().retainAll(listed);
    zombies.retainAll(listed);
    Set<Long> unclearBefore = unclear;
    unclear = new HashSet<>();
    newcomers.forEach((pid, stat) -> place(pid, stat, newcomers, unclearBefore));
    mustListAgain |= !unclear.isEmpty();
  }

  /** Tells whether a pid is one of those, and forgets it if it may be another process's by now. */
  private boolean isStill(Set<Long> known, long pid) {
    if (known.contains(pid) && lastPid.mayBeAnothers(pid)) {
      known.remove(pid);
    }
    return known.contains(pid);
  }

  /** Finds out whose a newcomer is, and first whose its parent is if that is one too. */
  private void place(
      long pid, ProcessStat stat, Map<Long, ProcessStat> newcomers, Set<Long> unclearBefore) {
    if (members.containsKey(pid) || strangers.containsKey(pid) || unclear.contains(pid)) {
      return;
    }
    unclear.add(pid); // until it is known; so nobody waits for himself
    ProcessStat parent = newcomers.get(stat.ppid());
    if (parent != null) {
      place(stat.ppid(), parent, newcomers, unclearBefore);
    }
    Seat seat = members.get(stat.ppid());
    if (seat != null && seat.member.isReplaced(files)) {
      hasEnded(seat.member);
      seat.tree.processes.remove(seat.member);
      seat = null;
    }
    if (seat != null) {
      join(seat.tree, pid, stat);
    } else if (reapers.contains(stat.ppid())) {
      placeOrphan(pid, stat, unclearBefore);
    } else if (stat.ppid() == 0
        || strangers.containsKey(stat.ppid())
        || unclearBefore.contains(pid)) {
      stranger(pid, stat);
    }
  }

  /** An empty environment is that of a process in the middle of exec, or it has none. */
  private void placeOrphan(long pid, ProcessStat stat, Set<Long> unclearBefore) {
    Optional<String> environment =
        marked.isEmpty() ? Optional.of("") : files.whole(pid + "/environ");
    Optional<Tree> tree = environment.flatMap(this::markedTree);
    if (tree.isPresent()) {
      join(tree.get(), pid, stat);
    } else if (environment.isPresent() || unclearBefore.contains(pid)) {
      stranger(pid, stat);
    }
  }

  private Optional<Tree> markedTree(String environment) {
    for (String variable : environment.split("\0", -1)) {
      Tree tree = marked.get(variable);
      if (tree != null) {
        return Optional.of(tree);
      }
    }
    return Optional.empty();
  }

  private void join(Tree tree, long pid, ProcessStat stat) {
    Seat before = members.remove(pid);
    if (before != null) {
      before.tree.processes.remove(before.member);
    }
    Member member = new Member(pid, statFile(pid), stat, tree.began);
    heldFiles.expect(member);
    tree.processes.add(member);
    members.put(pid, new Seat(tree, member));
    strangers.remove(pid);
    unclear.remove(pid);
  }

  private void stranger(long pid, ProcessStat stat) {
    strangers.put(pid, stat.start());
    unclear.remove(pid);
  }

  private void noteReapers(ProcessStat root) {
    @Nullable ProcessStat ancestor = root;
    while (ancestor != null && ancestor.ppid() > INIT && reapers.add(ancestor.ppid())) {
      ancestor = files.stat(statFile(ancestor.ppid()));
    }
  }

  private byte[] statFile(long pid) {
    return files.name(pid + "/stat");
  }

  /** Forgets all trees. */
  @Override
  public void close() {
    trees.clear();
    marked.clear();
    members.clear();
    strangers.clear();
    zombies.clear();
  }
}
