package io.memguard.platform.cgroup;

import io.memguard.limits.EffectiveLimit.Kind;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.UserDefinedFileAttributeView;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.Function;
import java.util.function.Predicate;

/**
 * One cgroup of the hierarchy that accounts memory: a directory of files, which are read anew each
 * time. What the kernel does not have, or what is set to "no limit", is absent.
 */
public abstract sealed class Cgroup permits CgroupV1, CgroupV2 {
  private final String path;
  private final Path directory;

  Cgroup(String path, Path directory) {
    this.path = path;
    this.directory = directory;
  }

  /** Returns its name as {@code /proc/<pid>/cgroup} shows it to us. */
  public final String path() {
    return path;
  }

  public final Path directory() {
    return directory;
  }

  /** Tells whether it still is there. */
  public final boolean exists() {
    return Files.isDirectory(directory);
  }

  /** Returns the size at which the kernel reclaims, and then kills. */
  abstract OptionalLong max();

  /** Returns the name of the file that {@link #max} reads. */
  abstract String maxFile();

  /** Understands what that file says. */
  abstract OptionalLong max(String text);

  /**
   * Returns the name of the file that tells how much it and all below it use, page cache included.
   */
  abstract String usageFile();

  /** Returns what is in front of the names in {@code memory.stat} that count all below it too. */
  abstract String hierarchicalPrefix();

  /** Returns the name of the file that tells how much it and all below it have in swap; v2 only. */
  abstract Optional<String> swapUsageFile();

  /** Returns the size from which the kernel slows its processes down; v2 only. */
  abstract OptionalLong high();

  /**
   * Returns how much it may swap out (v2), or how large memory and swap may be together (v1): see
   * {@link #swapKind}.
   */
  abstract OptionalLong swapMax();

  abstract Kind swapKind();

  abstract String swapFile();

  /**
   * Returns the smallest {@link #max} of it and all above it, hidden ones included, where the
   * kernel tells: v1 only.
   */
  abstract OptionalLong hierarchicalMax();

  /**
   * Finds the page cache in what its {@code memory.stat} says: the kernel can drop it. What is in
   * files in memory (tmpfs) is not in it.
   */
  final long pageCache(String stat) {
    return KernelFile.entry(stat, hierarchicalPrefix() + "inactive_file").orElse(0)
        + KernelFile.entry(stat, hierarchicalPrefix() + "active_file").orElse(0);
  }

  /** Returns the most it and all below it ever used; v2 since Linux 5.19. */
  abstract OptionalLong peak();

  /** Returns the counters of it and all below it; v2 only. */
  public abstract Optional<Counters> events();

  /** Returns its own counters; v2 since Linux 5.2. */
  public abstract Optional<Counters> localEvents();

  /** Tells whether it has counters: on v2, whether it was given the memory controller. */
  public final boolean accountsMemory() {
    return localEvents().isPresent() || events().isPresent();
  }

  /** Returns the files that {@link #localEvents} reads, and how each is understood. */
  abstract Map<String, Function<String, Counters>> localCounterFiles();

  /** Returns those of them that tell whether its own limit was reached; the root has none. */
  abstract Map<String, Function<String, Counters>> limitCounterFiles();

  /** Returns the file that {@link #events} reads. */
  abstract Optional<String> hierarchicalCounterFile();

  /** Tells whether its processes are killed all together; v2 only. */
  public abstract Optional<Boolean> oomGroup();

  /** Tells whether what the cgroup below uses counts here too. */
  abstract boolean countsChildren();

  /**
   * Tells whether it is this user's to change: whoever manages the tree has marked it so, as
   * systemd's manager of the machine does with {@code user.delegate} since version 251. Those of
   * its users leave no mark.
   */
  public final boolean isDelegated() {
    if (!Files.isWritable(directory)) {
      return false; // it may be marked as another's
    }
    UserDefinedFileAttributeView marks =
        Files.getFileAttributeView(directory, UserDefinedFileAttributeView.class);
    try {
      ByteBuffer value = ByteBuffer.allocate(1);
      return marks != null && marks.read("delegate", value) == 1 && value.get(0) == '1';
    } catch (IOException e) {
      return false;
    }
  }

  /** Tells whether nothing is above it: it is the machine, and not the root of a namespace. */
  abstract boolean isRoot();

  /** Returns what is in the way of making a leaf for a child right below it. */
  abstract Optional<LeafPlace.Obstacle> obstacleToLeaf(Predicate<Path> writable);

  /** Describes a cgroup right below. */
  final Cgroup child(String name) {
    return at(path.equals("/") ? "/" + name : path + "/" + name, file(name));
  }

  /** Describes a cgroup beside. */
  final Cgroup sibling(String name) {
    return at(path.substring(0, path.lastIndexOf('/') + 1) + name, directory.resolveSibling(name));
  }

  /** Describes another cgroup of the same hierarchy. */
  abstract Cgroup at(String otherPath, Path otherDirectory);

  /** Returns what is written where to limit a leaf, in this order, and whether it must be there. */
  abstract List<Setting> leafSettings(LeafLimits limits);

  /**
   * Tells which limits a leaf right below cannot have, each with the reason and what would help.
   */
  public abstract List<String> lacking(LeafLimits limits);

  /** Tells whether the memory controller has to be enabled for its children first. */
  abstract boolean mustEnableMemory();

  /** Enables for its children what these limits need and it can give. */
  abstract void enable(LeafLimits limits) throws IOException;

  /** What is written to one of a leaf's files. */
  record Setting(String file, String value, boolean required) {}

  final Path file(String name) {
    return directory.resolve(name);
  }

  @Override
  public final String toString() {
    return path;
  }
}
