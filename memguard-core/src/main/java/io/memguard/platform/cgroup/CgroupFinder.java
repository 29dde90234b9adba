package io.memguard.platform.cgroup;

import io.memguard.platform.cgroup.CgroupSearch.Found;
import io.memguard.platform.cgroup.CgroupSearch.NotFound;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * Finds the cgroup that accounts a process's memory, and those above it.
 *
 * <p>Two files tell: {@code /proc/<pid>/cgroup} where the process is, and {@code
 * /proc/self/mountinfo} where that can be seen. Always our own mounts, also for another process:
 * the paths in both are written for the reader, from the root of <em>his</em> cgroup namespace.
 */
public final class CgroupFinder {
  private final Machine machine;
  private final String process;

  private CgroupFinder(Machine machine, String process) {
    this.machine = machine;
    this.process = process;
  }

  /** Finds the cgroup of the calling process. */
  public static CgroupSearch findOwn(Machine machine) {
    return new CgroupFinder(machine, "self").find();
  }

  /** Finds the cgroup of a process, where our {@code /proc} shows it. */
  public static CgroupSearch find(Machine machine, long pid) {
    return new CgroupFinder(machine, Long.toString(pid)).find();
  }

  private CgroupSearch find() {
    String file = "/proc/" + process + "/cgroup";
    Optional<String> lines = machine.read(file);
    if (lines.isEmpty()) {
      return new NotFound(
          file + " cannot be read: the process has ended, or the kernel was built without cgroups");
    }
    // Where v1 has the memory controller, v2 has not, whatever else is mounted (a "hybrid"
    // machine).
    List<Membership> memberships = Membership.parse(lines.get());
    Optional<Membership> membership =
        Stream.concat(
                memberships.stream().filter(line -> line.controls("memory")),
                memberships.stream().filter(Membership::v2))
            .findFirst();
    if (membership.isEmpty()) {
      return new NotFound(file + " names no cgroup that could account memory");
    }
    return find(membership.get());
  }

  private CgroupSearch find(Membership membership) {
    String kind = membership.v2() ? "cgroup v2" : "the cgroup v1 memory controller";
    List<CgroupMount> mounts =
        CgroupMount.parse(machine.read("/proc/self/mountinfo").orElse("")).stream()
            .filter(mount -> mount.shows(membership))
            .toList();
    if (mounts.isEmpty()) {
      return new NotFound(
          kind + " is not mounted here; mount it, usually at /sys/fs/cgroup (read-only is enough)");
    }
    List<Ancestry> views =
        mounts.stream().flatMap(mount -> view(mount, membership).stream()).toList();
    if (views.isEmpty()) {
      return new NotFound(notVisible(membership, mounts));
    }
    // The one that shows most; of two alike the one that lets us write.
    Ancestry best =
        Collections.max(
            views,
            Comparator.<Ancestry>comparingInt(view -> view.levels().size())
                .thenComparing(view -> !view.mount().readOnly()));
    if (membership.v2() && !hasMemory(best)) {
      return new NotFound(
          "cgroup v2 is mounted at "
              + best.mount().point()
              + " but has no memory controller: it was not handed down to here, cgroup v1 has it, or it is"
              + " disabled in the kernel");
    }
    return new Found(best);
  }

  private static boolean hasMemory(Ancestry view) {
    Cgroup top = view.levels().get(view.levels().size() - 1);
    return KernelFile.words(top.file("cgroup.controllers")).contains("memory")
        || Files.exists(top.file("memory.current"));
  }

  private static String notVisible(Membership membership, List<CgroupMount> mounts) {
    List<String> places =
        mounts.stream()
            .map(mount -> mount.point() + " (which shows " + mount.root() + ")")
            .toList();
    String path = membership.path();
    return path.endsWith(Membership.DELETED)
        ? "cgroup " + path + " has been removed"
        : "cgroup " + abbreviate(path) + " is not visible at " + String.join(", ", places);
  }

  private static String abbreviate(String path) {
    return path.length() <= 200
        ? path
        : path.substring(0, 200) + "... (" + path.length() + " characters)";
  }

  /** Looks at the process's cgroup, and up to what is mounted, through one mount. */
  private Optional<Ancestry> view(CgroupMount mount, Membership membership) {
    CgroupPath path = CgroupPath.parse(membership.path());
    Optional<Path> point = machine.at(mount.point());
    if (point.isEmpty()) {
      return Optional.empty();
    }
    Optional<Path> directory =
        path.from(CgroupPath.parse(mount.root()))
            .flatMap(descent -> follow(point.get(), descent))
            // Some sandboxes mount a part of the tree and tell neither file.
            .or(() -> Optional.of(point.get()).filter(this::holdsProcess));
    return directory.map(own -> ancestry(mount, point.get(), own, path));
  }

  private Optional<Path> follow(Path from, CgroupPath.Descent descent) {
    Stream<Path> starts = Stream.of(from);
    for (int level = 0; level < descent.nameless(); level++) {
      starts = starts.flatMap(start -> KernelFile.directories(start).stream());
    }
    return starts
        .flatMap(start -> below(start, descent.names()).stream())
        .filter(found -> descent.nameless() == 0 || holdsProcess(found))
        .findFirst();
  }

  private static Optional<Path> below(Path start, List<String> names) {
    try {
      Path found = names.isEmpty() ? start : start.resolve(String.join("/", names));
      return Optional.of(found).filter(path -> Files.exists(path.resolve("cgroup.procs")));
    } catch (InvalidPathException e) {
      return Optional.empty();
    }
  }

  private boolean holdsProcess(Path directory) {
    Optional<String> pid =
        machine.read("/proc/" + process + "/stat").map(text -> text.strip().split(" ", 2)[0]);
    return pid.isPresent()
        && KernelFile.words(directory.resolve("cgroup.procs")).contains(pid.get());
  }

  private static Ancestry ancestry(CgroupMount mount, Path point, Path own, CgroupPath path) {
    List<Cgroup> levels = new ArrayList<>();
    CgroupPath name = path;
    for (Path at = own; ; at = at.resolve("..").normalize()) {
      levels.add(cgroup(mount, at, name));
      if (at.equals(point)) {
        break;
      }
      name = name.parent();
    }
    return new Ancestry(levels, mount, hidden(mount, levels.get(levels.size() - 1)));
  }

  private static Cgroup cgroup(CgroupMount mount, Path directory, CgroupPath name) {
    return mount.v2()
        ? new CgroupV2(name.toString(), directory, mount.options().contains("memory_localevents"))
        : new CgroupV1(name.toString(), directory);
  }

  private static Optional<String> hidden(CgroupMount mount, Cgroup top) {
    if (top.isRoot()) {
      return Optional.empty();
    }
    return Optional.of(
        CgroupPath.parse(mount.root()).names().isEmpty()
            ? "a cgroup namespace hides what is above " + mount.point()
            : mount.point() + " shows only what is below cgroup " + mount.root());
  }
}
