package io.memguard.platform.cgroup;

import io.memguard.platform.PidNamespace;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * A machine's files: those of the one we run on, or a captured tree of another.
 *
 * @param root what stands for {@code /}
 */
public record Machine(Path root) {
  static final String MEMINFO = "/proc/meminfo";

  /** Returns the machine we run on. */
  public static Machine here() {
    return new Machine(Path.of("/"));
  }

  /**
   * Returns where a file of that machine is.
   *
   * @param absolute the file's name there
   * @return empty if this JVM's encoding of file names cannot express it
   */
  public Optional<Path> at(String absolute) {
    try {
      return Optional.of(root.resolve(absolute.substring(1)));
    } catch (InvalidPathException e) {
      return Optional.empty();
    }
  }

  /** Reads a small file of that machine. */
  public Optional<String> read(String absolute) {
    return at(absolute).flatMap(KernelFile::text);
  }

  /**
   * Tells whether a pid of ours, or one in a cgroup's files, names the same process in its /proc.
   */
  public boolean showsOurPids() {
    return read("/proc/self/status").filter(PidNamespace::isThatOfProc).isPresent();
  }

  /** Returns the memory the kernel has to give, in bytes. */
  public OptionalLong totalMemory() {
    return kibibytes("MemTotal:");
  }

  /** Returns what could be used without swapping, in bytes; absent before Linux 3.14. */
  public OptionalLong availableMemory() {
    return kibibytes("MemAvailable:");
  }

  /** Returns the size of all swap space, in bytes. */
  public OptionalLong totalSwap() {
    return kibibytes("SwapTotal:");
  }

  /** Returns how much of it is free, in bytes. */
  public OptionalLong freeSwap() {
    return kibibytes("SwapFree:");
  }

  /** Returns what may be promised where {@code vm.overcommit_memory} is 2, in bytes. */
  public OptionalLong commitLimit() {
    return kibibytes("CommitLimit:");
  }

  /** Returns what is promised, in bytes. */
  public OptionalLong committed() {
    return kibibytes("Committed_AS:");
  }

  /** Tells whether there is a file or directory of that machine. */
  public boolean has(String absolute) {
    return at(absolute).filter(Files::exists).isPresent();
  }

  /**
   * Returns how many processes the OOM killer has killed since boot, in whatever cgroup; absent
   * before Linux 4.13.
   */
  public OptionalLong oomKills() {
    return read("/proc/vmstat")
        .map(text -> KernelFile.entry(text, "oom_kill"))
        .orElse(OptionalLong.empty());
  }

  private OptionalLong kibibytes(String key) {
    OptionalLong value =
        read(MEMINFO).map(text -> KernelFile.entry(text, key)).orElse(OptionalLong.empty());
    return value.isPresent() ? OptionalLong.of(value.getAsLong() << 10) : value;
  }
}
