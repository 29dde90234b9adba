package io.memguard.platform.procfs;

import io.memguard.platform.Linux;
import io.memguard.platform.procfs.ProcessTrees.Reading;
import io.memguard.platform.procfs.ProcessTrees.Source;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/**
 * Measures what the processes of a tree have in memory, each page once, and never more than is
 * there.
 *
 * <p>The kernel divides a page among those who map it at the moment it is asked. Processes are
 * asked one after another: if one of them lets go of a page in between, the others' parts of it
 * grow, and the sum would be too large. So what a process let go of until all were asked is taken
 * off the sum: all that it had if it ended, and otherwise what its resident memory has fallen by,
 * as after exec. Of what all kept to the end, no page can have counted more than once, since their
 * parts were never more than one divided by their number.
 *
 * <p>Two processes with one memory, as between vfork and exec, count once.
 *
 * <p>Not safe to share between threads.
 */
final class TreeMemory {
  /** In seconds: longer than it takes until a parent waits for the child that it has vfork'd. */
  private static final double YOUNG = 0.2;

  /** Some of what is more than enough may be let go of, until all were asked. */
  private static final int SPARE_PART = 8;

  private static final long MOST = Long.MAX_VALUE / 4;

  private final ProcFiles files;
  private final HeldFiles heldFiles;

  TreeMemory(ProcFiles files, HeldFiles heldFiles) {
    this.files = files;
    this.heldFiles = heldFiles;
  }

  /** What one process has: parts of pages where they are divided, else the pages. */
  private record Share(Member member, long rss, long anonymous, long shared, boolean divided) {
    long bytes() {
      return anonymous + shared;
    }

    /** What of it is left, after some of it may have been let go of. */
    long kept(ProcessStat now) {
      return Math.max(0, bytes() - Math.max(0, rss - now.rss()) * PageSize.BYTES);
    }
  }

  private enum Likeness {
    /** It has its own memory. */
    OWN,
    /** It has its parent's. */
    PARENTS,
    /** It cannot be told yet. */
    UNKNOWN
  }

  Reading measure(Collection<Member> members, long enough) {
    long inFiles = heldFiles.bytesNow(members);
    if (inFiles > enough) { // at once: they can grow as fast as memory can be copied
      return new Reading(inFiles, members.size(), Source.FILES, true);
    }
    List<Member> living = new ArrayList<>(members);
    living.sort(
        Comparator.comparingLong((Member member) -> member.stat().start())
            .thenComparingLong(Member::pid));
    living.removeIf(member -> !member.refresh(files));
    Map<Long, Member> byPid = new HashMap<>();
    living.forEach(member -> byPid.put(member.pid(), member));
    List<Member> asked = new ArrayList<>();
    boolean settled = true;
    for (Member member : living) {
      Likeness likeness = compare(member, byPid.get(member.stat().ppid()));
      if (likeness != Likeness.PARENTS) {
        asked.add(member);
      }
      settled &= likeness != Likeness.UNKNOWN;
    }
    living.forEach(heldFiles::look);
    Map<String, HeldFile> held = HeldFiles.once(living);
    long bytes = held.values().stream().mapToLong(HeldFile::bytes).sum();
    int undivided = 0;
    List<Share> shares = shares(asked, held, Math.min(enough, MOST) - bytes, settled);
    for (Share counted : shares) {
      if (counted.member.refresh(files)) {
        bytes += counted.kept(counted.member.stat());
        undivided += counted.divided ? 0 : 1;
      } else {
        byPid.remove(counted.member.pid());
      }
    }
    Reading reading =
        new Reading(
            bytes,
            byPid.size(),
            undivided == 0 ? Source.ROLLUP : Source.STAT,
            settled && undivided <= 1);
    // What was let go of meanwhile may have been what seemed to be enough.
    boolean all = shares.size() == asked.size();
    return all || reading.isMoreThan(enough) ? reading : measure(members, MOST);
  }

  /**
   * Asks the largest first: a process lets whoever asks wait while it changes its mappings. Where
   * pages may count twice, there must be twice as much to be enough: see {@link Reading#settled}.
   */
  private List<Share> shares(
      List<Member> members, Map<String, HeldFile> held, long enough, boolean settled) {
    members.sort(Comparator.comparingLong((Member member) -> member.stat().rss()).reversed());
    List<Share> shares = new ArrayList<>();
    long sum = 0;
    int undivided = 0;
    for (Member member : members) {
      long sure = settled && undivided <= 1 ? sum : sum / 2;
      if (sure > enough + enough / SPARE_PART) { // the files alone may be
        break;
      }
      Share share = share(member);
      Share counted = held.isEmpty() ? share : withoutHeld(share, held);
      shares.add(counted);
      sum += counted.bytes();
      undivided += counted.divided ? 0 : 1;
    }
    return shares;
  }

  private Share share(Member member) {
    long rss = member.stat().rss();
    Optional<SizeLines> rollup = lines(member, "smaps_rollup").filter(all -> all.has("Pss_Anon"));
    if (rollup.isPresent()) {
      SizeLines all = rollup.get();
      long anonymous = Math.max(0, all.bytes("Pss_Anon") - all.bytes("LazyFree"));
      return new Share(member, rss, anonymous + all.bytes("SwapPss"), all.bytes("Pss_Shmem"), true);
    }
    return lines(member, "status")
        .filter(all -> all.has("RssAnon"))
        .map(
            all ->
                new Share(
                    member,
                    rss,
                    all.bytes("RssAnon") + all.bytes("VmSwap"),
                    all.bytes("RssShmem"),
                    false))
        .or(() -> byMappings(member, rss))
        .orElseGet(() -> new Share(member, rss, 0, 0, true));
  }

  private Optional<Share> byMappings(Member member, long rss) {
    return files
        .whole(member.directory() + "/smaps")
        .map(Mappings::anonymous)
        .filter(OptionalLong::isPresent)
        .map(bytes -> new Share(member, rss, bytes.getAsLong(), 0, false));
  }

  private Optional<SizeLines> lines(Member member, String file) {
    return files.text(files.name(member.directory() + "/" + file)).map(SizeLines::of);
  }

  /** What is mapped of files that are held open as well counts with those, and not twice. */
  private Share withoutHeld(Share share, Map<String, HeldFile> held) {
    if (share.shared == 0 || !share.divided) {
      return share;
    }
    long mapped =
        files
            .whole(share.member.directory() + "/smaps")
            .map(smaps -> Mappings.pssOf(smaps, held.keySet()))
            .orElse(0L);
    return new Share(
        share.member, share.rss, share.anonymous, Math.max(0, share.shared - mapped), true);
  }

  /**
   * Tells whether a process has its parent's memory. A process that shares can get its own, and one
   * with its own never shares again: so it does no harm that others are asked in between.
   *
   * <p>Where kcmp(2) is forbidden, as in containers: whoever waits for a vfork'd child cannot be
   * interrupted, and nearly nobody else is so for long. For the moment before he waits, it is
   * unknown.
   */
  private Likeness compare(Member member, @Nullable Member parent) {
    if (parent == null || !member.stat().isForked()) {
      return Likeness.OWN;
    }
    int answer =
        files.nativeCalls() ? Linux.guard_same_memory((int) member.pid(), (int) parent.pid()) : -1;
    if (answer >= 0) {
      return answer == 1 ? Likeness.PARENTS : Likeness.OWN;
    }
    if (!isAlike(member.stat(), parent.stat())) {
      return Likeness.OWN;
    }
    if (isWaiting(parent)) {
      return Likeness.PARENTS;
    }
    return isYoung(member) ? Likeness.UNKNOWN : Likeness.OWN;
  }

  private static boolean isAlike(ProcessStat one, ProcessStat other) {
    return isNear(one.vsize(), other.vsize()) && isNear(one.rss(), other.rss());
  }

  private static boolean isNear(long one, long other) {
    return Math.abs(one - other) <= Math.max(one, other) / 8;
  }

  private boolean isWaiting(Member parent) {
    return files
        .numbers(parent.pid() + "/task")
        .mapToObj(tid -> files.stat(files.name(parent.pid() + "/task/" + tid + "/stat")))
        .anyMatch(thread -> thread != null && thread.isUninterruptible());
  }

  private boolean isYoung(Member member) {
    return files.uptime() - member.stat().start() / ProcessTrees.TICKS_PER_SECOND < YOUNG;
  }
}
