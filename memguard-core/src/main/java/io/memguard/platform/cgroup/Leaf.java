package io.memguard.platform.cgroup;

import io.memguard.platform.cgroup.Cgroup.Setting;
import java.io.IOException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
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

  /** Returns its directory. */
  public Path directory() {
    return cgroup.directory();
  }

  /** Returns its directory's name, which no other cgroup of the machine has. */
  public String name() {
    return directory().getFileName().toString();
  }

  /**
   * Tells whether a process is in it, as the kernel tells.
   *
   * @return empty if that is not known: the process has ended, or is about to on cgroup v1
   */
  public Optional<Boolean> holds(long pid) {
    return holds(Machine.here(), pid);
  }

  Optional<Boolean> holds(Machine machine, long pid) {
    boolean v2 = cgroup instanceof CgroupV2;
    return machine.read("/proc/" + pid + "/cgroup").map(Membership::parse).stream()
        .flatMap(List::stream)
        .filter(line -> v2 ? line.v2() : line.controls("memory"))
        .map(Membership::path)
        .filter(path -> v2 || !path.equals(WHERE_V1_ENDS))
        .map(path -> path.endsWith("/" + name()))
        .findFirst();
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
    if (gone(directory())) {
      return true;
    }
    List<Path> all = new ArrayList<>();
    collect(directory(), all);
    kill(all);
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
    try (DirectoryStream<Path> below = Files.newDirectoryStream(directory, Files::isDirectory)) {
      below.forEach(path -> collect(path, all));
    } catch (IOException | DirectoryIteratorException e) {
      // it has gone meanwhile, or is not for us to look at
    }
    all.add(directory);
  }

  /**
   * Before Linux 5.14 the kernel kills no cgroup as a whole, and whoever forks would be ahead of
   * us: so they are stopped first, which it does since 5.2. A frozen process can be killed, and
   * what it was just forking begins frozen; another call finds it.
   */
  private void kill(List<Path> all) {
    if (mayKillAtOnce() && switchOn("cgroup.kill")) {
      return;
    }
    switchOn("cgroup.freeze");
    for (Path directory : all) {
      for (String pid : KernelFile.words(directory.resolve("cgroup.procs"))) {
        ProcessHandle.of(Long.parseLong(pid))
            .filter(handle -> !handle.equals(ProcessHandle.current()))
            .ifPresent(ProcessHandle::destroyForcibly);
      }
    }
  }

  private static boolean mayKillAtOnce() {
    return !"off".equals(System.getProperty(KILL_PROPERTY));
  }

  /** Writes 1 to a file of cgroup v2, which holds for all cgroups below as well. */
  private boolean switchOn(String file) {
    try {
      KernelFile.write(cgroup.file(file), "1");
      return true;
    } catch (IOException e) { // this kernel has no such file
      return false;
    }
  }

  /** Finds the leaves that JVMs left which are gone. Never one of a JVM that lives. */
  public static Stream<Leaf> abandoned(LeafPlace place) {
    try (Stream<Path> entries = Files.list(place.under().directory())) {
      return entries
          .map(entry -> entry.getFileName().toString())
          .filter(name -> LeafName.parse(name).filter(LeafName::isAbandoned).isPresent())
          .map(name -> new Leaf(place.under().child(name), LeafLimits.NONE))
          .toList()
          .stream();
    } catch (IOException e) {
      return Stream.empty();
    }
  }
}
