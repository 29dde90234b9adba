package io.memguard.platform.cgroup;

import io.memguard.platform.cgroup.Cgroup.Setting;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.function.LongFunction;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * A cgroup made for one child: with a limit of its own, no swap, and killed as a whole.
 *
 * <p>Whoever made it removes it.
 *
 * @param cgroup the cgroup
 * @param limits what it was to be limited to
 */
public record Leaf(Cgroup cgroup, LeafLimits limits) {
  /**
   * The system property that has a new kernel do as one before Linux 5.14, for tests: {@code off}.
   */
  static final String KILL_PROPERTY = "memguard.cgroup.kill";

  /** As {@code TransientScope} names them. */
  private static final Pattern SCOPE = Pattern.compile("memguard-\\d+\\.scope");

  /** What the kernel says on cgroup v1 of a process that is ending, wherever it was. */
  private static final String WHERE_V1_ENDS = "/";

  /**
   * Makes a leaf, named after this JVM. It gets those limits that {@link Cgroup#lacking} does not
   * name.
   *
   * @throws IOException if the kernel refuses; nothing is left then
   */
  public static Leaf make(LeafPlace place, LeafLimits limits) throws IOException {
    if (place.mustEnableMemory() || limits.pidsMax().isPresent()) {
      place.under().enable(limits);
    }
    Leaf leaf = new Leaf(place.under().child(LeafName.next().toString()), limits);
    Files.createDirectory(leaf.directory());
    try {
      for (Setting setting : leaf.cgroup.leafSettings(limits)) {
        leaf.set(setting);
      }
      return leaf;
    } catch (IOException e) {
      leaf.remove();
      throw e;
    }
  }

  private void set(Setting setting) throws IOException {
    try {
      KernelFile.write(cgroup.file(setting.file()), setting.value());
    } catch (NoSuchFileException e) {
      if (setting.required()) {
        throw e;
      }
    }
  }

  /**
   * Tells what is not in force of its limit on memory.
   *
   * @return that its memory may be swapped out, and what would help; empty where it is limited in
   *     that too, or nothing can be swapped
   */
  public Optional<String> lacking() {
    return lacking(Machine.here());
  }

  Optional<String> lacking(Machine machine) {
    boolean swaps =
        limits.max().isPresent()
            && !Files.exists(cgroup.file(cgroup.swapFile()))
            && machine.totalSwap().orElse(0) > 0;
    return swaps
        ? Optional.of(
            "its memory may be swapped out before it is killed, since the kernel has no "
                + cgroup.swapFile()
                + " here; boot with swapaccount=1, or switch swap off")
        : Optional.empty();
  }

  /** Returns its directory. */
  public Path directory() {
    return cgroup.directory();
  }

  /** Returns its directory's name, which no other cgroup of the machine has. */
  public String name() {
    return name(directory());
  }

  /**
   * Tells whether a process is in it, as the kernel tells.
   *
   * @return empty if that is not known: the process has ended, or is about to on cgroup v1, or
   *     {@code /proc} shows others by our pids
   */
  public Optional<Boolean> holds(long pid) {
    return holds(Machine.here(), pid);
  }

  Optional<Boolean> holds(Machine machine, long pid) {
    boolean v2 = cgroup instanceof CgroupV2;
    Optional<Boolean> there =
        machine.read("/proc/" + pid + "/cgroup").map(Membership::parse).stream()
            .flatMap(List::stream)
            .filter(line -> v2 ? line.v2() : line.controls("memory"))
            .map(Membership::path)
            .filter(path -> v2 || !path.equals(WHERE_V1_ENDS))
            .map(path -> path.endsWith("/" + name()))
            .findFirst();
    if (there.orElse(false) || machine.showsOurPids()) {
      return there;
    }
    // That was a stranger. The cgroup's file has our pids, but of those only that have not ended.
    return Optional.of(processes(directory()).contains(Long.toString(pid))).filter(in -> in);
  }

  /**
   * Returns what it and all below it use now and the kernel cannot drop: without page cache, with
   * what the kernel itself has for them. {@code memory.stat} may lag behind by 64 pages a CPU.
   *
   * @return bytes, or empty if it is gone
   */
  public OptionalLong heldBytes() {
    OptionalLong usage = KernelFile.number(cgroup.file(cgroup.usageFile()));
    Optional<String> stat = KernelFile.text(cgroup.file("memory.stat"));
    return usage.isPresent() && stat.isPresent()
        ? OptionalLong.of(Math.max(0, usage.getAsLong() - cgroup.pageCache(stat.get())))
        : OptionalLong.empty();
  }

  /**
   * Tells whether anybody was ever in it: nobody is without using memory.
   *
   * @return true also where the kernel does not tell, on cgroup v2 before Linux 5.19
   */
  public boolean wasUsed() {
    return cgroup.peak().orElse(1) > 0;
  }

  /**
   * Kills what is left in it and removes it, with the cgroups that somebody in it has made below.
   *
   * @return true if it is gone; false if what was killed needs time to end: try again
   */
  public boolean remove() {
    return remove(ProcessHandle::of);
  }

  boolean remove(LongFunction<Optional<ProcessHandle>> find) {
    if (gone(directory())) {
      return true;
    }
    List<Path> all = new ArrayList<>();
    collect(directory(), all);
    kill(all, find);
    all.forEach(Leaf::gone);
    return gone(directory());
  }

  private static boolean gone(Path directory) {
    try {
      Files.delete(directory);
      return true;
    } catch (NoSuchFileException e) {
      return true;
    } catch (IOException e) {
      return false; // somebody is in it, or another below it
    }
  }

  /** The innermost first: only an empty cgroup can be removed. */
  private static void collect(Path directory, List<Path> all) {
    KernelFile.directories(directory).forEach(path -> collect(path, all));
    all.add(directory);
  }

  /**
   * Before Linux 5.14 the kernel kills no cgroup as a whole, and whoever forks would be ahead of
   * us: so they are stopped first, which it does since 5.2. A frozen process can be killed, and
   * what it was just forking begins frozen, and is met in the next round. Whom we may not kill is
   * not left standing still.
   */
  private void kill(List<Path> all, LongFunction<Optional<ProcessHandle>> find) {
    if (mayKillAtOnce() && write("cgroup.kill", "1")) {
      return;
    }
    boolean frozen = write("cgroup.freeze", "1");
    try {
      Set<String> met = new HashSet<>();
      boolean others = true;
      while (others) {
        others = killOthers(met, all, find) && frozen;
      }
    } finally {
      if (frozen) {
        write("cgroup.freeze", "0");
      }
    }
  }

  /** Returns whether there was anybody whom we had not met. */
  private static boolean killOthers(
      Set<String> met, List<Path> all, LongFunction<Optional<ProcessHandle>> find) {
    boolean any = false;
    for (Path directory : all) {
      for (String pid : processes(directory)) {
        if (met.add(pid)) {
          any = true;
          find.apply(Long.parseLong(pid))
              .filter(handle -> !handle.equals(ProcessHandle.current()))
              .filter(handle -> processes(directory).contains(pid)) // else a stranger's by now
              .ifPresent(ProcessHandle::destroyForcibly);
        }
      }
    }
    return any;
  }

  private static List<String> processes(Path directory) {
    return KernelFile.words(directory.resolve("cgroup.procs"));
  }

  private static boolean mayKillAtOnce() {
    return !"off".equals(System.getProperty(KILL_PROPERTY));
  }

  /** Writes a file of cgroup v2, which holds for all cgroups below as well. */
  private boolean write(String file, String value) {
    try {
      KernelFile.write(cgroup.file(file), value);
      return true;
    } catch (IOException e) { // this kernel has no such file
      return false;
    }
  }

  /**
   * Finds the leaves that JVMs left which are gone: in this place, and in scopes beside it that
   * were asked of systemd as ours may be, each named after its JVM. Never one of a JVM that lives.
   */
  public static Stream<Leaf> abandoned(LeafPlace place) {
    Cgroup home = place.under();
    Stream<Cgroup> scopes =
        KernelFile.directories(home.directory().resolveSibling("")).stream()
            .filter(path -> !path.equals(home.directory()))
            .map(Leaf::name)
            .filter(SCOPE.asMatchPredicate())
            .map(home::sibling);
    return Stream.concat(Stream.of(home), scopes)
        .flatMap(
            cgroup ->
                KernelFile.directories(cgroup.directory()).stream()
                    .map(Leaf::name)
                    .filter(name -> LeafName.parse(name).filter(LeafName::isAbandoned).isPresent())
                    .map(name -> new Leaf(cgroup.child(name), LeafLimits.NONE)));
  }

  private static String name(Path directory) {
    return directory.getFileName().toString();
  }
}
