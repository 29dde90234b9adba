package io.memguard.platform.procfs;

import io.memguard.platform.Linux;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import java.util.stream.Collectors;

/**
 * Finds the files in memory (tmpfs, memfd) that processes hold open for writing: what is written to
 * them is in nobody's resident memory unless it is mapped as well.
 *
 * <p>To go through a process's descriptors is dear. Between measurements that is done only where
 * the machine's shared memory has changed since it was done last, and once a minute; and for no
 * more than a tenth of the time, but for those that are known to hold such files: they can grow as
 * fast as memory can be copied.
 *
 * <p>A file of tmpfs that was there before the tree began does not count: it is somebody else's
 * data, or a log that all append to. Where the kernel does not tell the time of birth (of tmpfs
 * before Linux 5.18), only a file without a name can count. One that nobody holds open does not.
 * Without the native library, none is found.
 *
 * <p>Not safe to share between threads.
 */
final class HeldFiles {
  private static final int MOST = 256;

  /** {@code struct guard_held_file} of guard.h. */
  private static final int RECORD = 48;

  private static final int MINOR = 4;
  private static final int INODE = 8;
  private static final int BYTES = 16;
  private static final int BIRTH = 24;
  private static final int EARLIEST = 32;
  private static final int MEMFD = 40;
  private static final int LINKS = 44;

  private static final long CHANGE = 16L << 20;
  private static final long AT_LEAST = TimeUnit.MINUTES.toNanos(1);

  /** At most a tenth of the time goes into this. */
  private static final long REST = 9;

  private static final Set<String> IN_MEMORY = Set.of("tmpfs", "devtmpfs");

  private final ProcFiles files;
  private final LongSupplier nanoClock;
  private final LongSupplier cpuClock;
  private final byte[] meminfo;
  private final ByteBuffer records =
      ByteBuffer.allocateDirect(MOST * RECORD).order(ByteOrder.nativeOrder());
  private long shmem;
  private long shmemBefore;
  private long now;
  private long restUntil;
  private boolean resting;
  private long spent;

  HeldFiles(ProcFiles files, LongSupplier nanoClock, LongSupplier cpuClock) {
    this.files = files;
    this.nanoClock = nanoClock;
    this.cpuClock = cpuClock;
    this.meminfo = files.name("meminfo");
    this.now = nanoClock.getAsLong();
    this.shmem = readShmem();
    this.shmemBefore = shmem;
    this.restUntil = now;
    devicesInMemory("self"); // for nothing: its classes are loaded before that is urgent
  }

  /** Begins a look at many processes. */
  void beginLook() {
    now = nanoClock.getAsLong();
    shmemBefore = shmem;
    shmem = readShmem();
    resting = now - restUntil < 0;
  }

  /** Ends it: the longer it took to go through descriptors, the later that is done again. */
  void endLook() {
    if (spent > 0) {
      restUntil = nanoClock.getAsLong() + REST * spent;
      spent = 0;
    }
  }

  private long readShmem() {
    return files.text(meminfo).map(text -> SizeLines.of(text).bytes("Shmem")).orElse(0L);
  }

  /** Notes a process that was not there at the last look. */
  void expect(Member member) {
    member.hold(List.of(), now, shmemBefore);
  }

  /** Looks at a process's descriptors if it may have written something since. */
  void lookIfDue(Member member) {
    // Less than then may be more as well: somebody else has given back what he had.
    boolean changed = Math.abs(shmem - member.shmemThen()) >= CHANGE;
    boolean allowed = !resting || !member.held().isEmpty();
    if (allowed && (changed || now - member.heldAt() >= AT_LEAST)) {
      long began = cpuClock.getAsLong();
      look(member);
      spent += cpuClock.getAsLong() - began;
    }
  }

  /** Looks at a process's descriptors. */
  void look(Member member) {
    if (files.nativeCalls()) {
      member.hold(find(member), now, shmem);
    }
  }

  private List<HeldFile> find(Member member) {
    byte[] directory = files.name(member.directory() + "/fd");
    int count = Linux.guard_held_files(files.address(directory), Linux.address(records), MOST);
    List<HeldFile> found = new ArrayList<>();
    Optional<Set<String>> inMemory = Optional.empty();
    for (int at = 0; at < count * RECORD; at += RECORD) {
      HeldFile file =
          new HeldFile(
              records.getInt(at),
              records.getInt(at + MINOR),
              records.getLong(at + INODE),
              records.getLong(at + BYTES));
      if (records.getInt(at + MEMFD) != 0) {
        found.add(file);
      } else if (file.major() == 0 && isOfTheTree(at, member.treeBegan())) {
        inMemory = inMemory.or(() -> Optional.of(devicesInMemory(member.directory())));
        if (inMemory.get().contains(file.device())) {
          found.add(file);
        }
      }
    }
    return found;
  }

  private boolean isOfTheTree(int at, long treeBegan) {
    return isYounger(
        records.getLong(at + BIRTH),
        records.getLong(at + EARLIEST),
        records.getInt(at + LINKS) == 0,
        treeBegan);
  }

  /**
   * Tells whether a file was made after a moment. The earliest of its times is as good as its birth
   * where it was not both written and read since, as the data of a data base are: so it does for
   * files without a name, which are seldom older than whoever holds them.
   *
   * @param birth 0 if it is not known
   * @param earliest of its other times
   */
  static boolean isYounger(long birth, long earliest, boolean nameless, long moment) {
    return birth != 0 ? birth >= moment : nameless && earliest >= moment;
  }

  /**
   * The devices that a process has mounted file systems in memory from. The mount table is read,
   * and statfs(2) not called: a file server that does not answer would hold that up.
   */
  private Set<String> devicesInMemory(String process) {
    return files.whole(process + "/mountinfo").stream()
        .flatMap(String::lines)
        .map(line -> line.split(" ", -1))
        .filter(HeldFiles::isInMemory)
        .map(fields -> fields[2])
        .collect(Collectors.toSet());
  }

  /** The type follows a dash that ends the optional fields: see proc_pid_mountinfo(5). */
  private static boolean isInMemory(String[] fields) {
    int dash = List.of(fields).indexOf("-");
    return dash > 0 && dash + 1 < fields.length && IN_MEMORY.contains(fields[dash + 1]);
  }

  /** Returns what the files of some processes take together, each once. */
  static long bytes(Collection<Member> members) {
    return once(members).values().stream().mapToLong(HeldFile::bytes).sum();
  }

  /** Returns the same, after whoever is known to hold some was looked at, unless he just was. */
  long bytesNow(Collection<Member> members) {
    List<Member> holders = new ArrayList<>();
    for (Member member : members) {
      if (!member.held().isEmpty() && member.refresh(files)) {
        holders.add(member);
        if (member.heldAt() != now) {
          look(member);
        }
      }
    }
    return bytes(holders);
  }

  /**
   * Returns the files of some processes, each once, by the names that {@code maps} has for them.
   */
  static Map<String, HeldFile> once(Collection<Member> members) {
    Map<String, HeldFile> once = new HashMap<>();
    for (Member member : members) {
      for (HeldFile file : member.held()) {
        once.put(file.name(), file);
      }
    }
    return once;
  }
}
