package io.memguard.platform.kernellog;

import io.memguard.outcome.KernelLogRecord;
import io.memguard.outcome.KernelLogRecord.Limit;
import io.memguard.outcome.KernelLogRecord.Victim;
import io.memguard.outcome.KernelLogRecord.Who;
import io.memguard.platform.Namespace;
import io.memguard.platform.cgroup.Cgroup;
import io.memguard.platform.cgroup.CgroupSearch;
import java.io.IOException;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Looks for a child among the OOM killer's victims, where the kernel's log is readable.
 *
 * <p>The log has the machine's pids and its names for cgroups. The pids are ours too where this JVM
 * is in the machine's own pid namespace. A leaf's name is unique, and a cgroup's path as seen from
 * within a namespace is the end of its real one.
 *
 * <p>One a guard; it owns the log, and {@link #close} ends that. Safe to share between threads.
 */
public final class OomVictims implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(OomVictims.class);

  private final @Nullable OomKillLog log;
  private final boolean machinesPids;
  private final Optional<String> ownPath;
  private final Optional<String> obstacle;

  OomVictims(@Nullable OomKillLog log, boolean machinesPids, Optional<String> ownPath) {
    this(log, machinesPids, ownPath, Optional.empty());
  }

  private OomVictims(
      @Nullable OomKillLog log,
      boolean machinesPids,
      Optional<String> ownPath,
      Optional<String> obstacle) {
    this.log = log;
    this.obstacle = obstacle;
    this.machinesPids = machinesPids;
    this.ownPath = ownPath.filter(path -> !path.equals("/"));
  }

  /** Opens the log if it is readable; the native library has to be loaded. */
  public static OomVictims open(CgroupSearch search) {
    try {
      return new OomVictims(
          OomKillLog.open(),
          Namespace.PID.isInitial(),
          search.levels().stream().findFirst().map(Cgroup::path));
    } catch (IOException e) {
      LOG.debug("The verdicts have to do without the kernel's log: {}", e.getMessage());
      return unknown(String.valueOf(e.getMessage()));
    }
  }

  /** For where nothing is to be known. */
  public static OomVictims unknown() {
    return unknown("nobody asked");
  }

  /**
   * For where nothing can be known.
   *
   * @param why not
   */
  public static OomVictims unknown(String why) {
    return new OomVictims(null, false, Optional.empty(), Optional.of(why));
  }

  /** Returns why the log cannot be read; empty if it could be opened. */
  public Optional<String> obstacle() {
    return obstacle;
  }

  /** Tells whether {@link #find} may know something. */
  public boolean known() {
    return log != null;
  }

  /** Marks the moment of a launch; reads nothing. */
  public OomKillLog.Mark mark() {
    return log == null ? new OomKillLog.Mark(0, 0, 0) : log.mark();
  }

  /**
   * Says what the log has about a child that was reaped; may take some milliseconds.
   *
   * @param launch the mark
   * @param pid the child, as we name it
   * @param leaf the name of its own cgroup's directory, if it had one
   */
  public Optional<KernelLogRecord> find(OomKillLog.Mark launch, long pid, Optional<String> leaf) {
    if (log == null) {
      return Optional.empty();
    }
    OomKillLog.Since since = log.since(launch);
    Optional<Victim> victim = Optional.empty();
    for (OomKill kill : since.kills()) { // the child, or else the last of the others
      Optional<Victim> found = who(kill, pid, leaf).map(who -> victim(kill, who, leaf));
      if (found.isPresent() && victim.filter(one -> one.who() == Who.CHILD).isEmpty()) {
        victim = found;
      }
    }
    return Optional.of(new KernelLogRecord(victim, machinesPids && since.complete()));
  }

  /**
   * Returns who of a leaf was killed since a mark.
   *
   * @param leaf the name of its directory
   */
  public OomKillLog.Since inLeaf(OomKillLog.Mark mark, String leaf) {
    if (log == null) {
      return new OomKillLog.Since(List.of(), mark, false);
    }
    OomKillLog.Since since = log.since(mark);
    List<OomKill> kills =
        since.kills().stream().filter(kill -> livedIn(kill, Optional.of(leaf))).toList();
    return new OomKillLog.Since(kills, since.now(), since.complete());
  }

  private Optional<Who> who(OomKill kill, long pid, Optional<String> leaf) {
    if (machinesPids && kill.pid() == pid) {
      return Optional.of(Who.CHILD);
    }
    if (leaf.isPresent()) {
      return livedIn(kill, leaf) ? Optional.of(Who.IN_LEAF) : Optional.empty();
    }
    boolean beside =
        !machinesPids
            && kill.victimCgroup()
                .filter(path -> ownPath.filter(path::endsWith).isPresent())
                .isPresent();
    return beside ? Optional.of(Who.BESIDE) : Optional.empty();
  }

  private static boolean livedIn(OomKill kill, Optional<String> leaf) {
    return kill.victimCgroup().filter(path -> isIn(path, leaf)).isPresent()
        || kill.groupCgroup().filter(path -> isIn(path, leaf)).isPresent();
  }

  /**
   * When there are many kills, the kernel leaves reports out, and a line "Killed process" after a
   * group's may be of that group or of another. Here it can be told: this JVM lives, so the group
   * is the child's own leaf, or not about the child.
   */
  private static Victim victim(OomKill kill, Who who, Optional<String> leaf) {
    boolean anothers = kill.groupCgroup().filter(group -> !isIn(group, leaf)).isPresent();
    Optional<String> limitCgroup = kill.limitCgroup().filter(path -> !anothers);
    Limit limit =
        switch (kill.scope()) {
          case HOST -> Limit.HOST;
          case UNKNOWN -> Limit.UNKNOWN;
          case CGROUP ->
              limitCgroup
                  .map(path -> isIn(path, leaf) ? Limit.OWN_CGROUP : Limit.OTHER_CGROUP)
                  .orElse(Limit.UNKNOWN);
        };
    return new Victim(kill.pid(), kill.name(), who, limit, limitCgroup);
  }

  /** Tells whether a path is the leaf's, or that of a cgroup below it. */
  private static boolean isIn(String path, Optional<String> leaf) {
    return leaf.map(name -> "/" + name + "/").filter((path + "/")::contains).isPresent();
  }

  @Override
  public void close() {
    if (log != null) {
      log.close();
    }
  }
}
