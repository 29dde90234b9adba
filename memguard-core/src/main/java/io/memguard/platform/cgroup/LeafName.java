package io.memguard.platform.cgroup;

import io.memguard.platform.StatFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * A leaf's name, which says whose it is: {@code memguard-<pid namespace>-<pid>-<start time>-<n>} of
 * the JVM. The start time tells it from a later process with the same pid; and in another pid
 * namespace the same pid is somebody else, so about leaves from there nothing is known; nor is
 * about any, where {@code /proc} is of another one than ours.
 *
 * @param namespace the inode of the JVM's pid namespace
 * @param pid the JVM, as getpid(2) tells it, whatever its {@code /proc} says
 * @param start when it was started, in the kernel's ticks
 * @param number which of its leaves
 */
record LeafName(long namespace, long pid, long start, long number) {
  private static final Pattern FORM =
      Pattern.compile("memguard-(\\d{1,18})-(\\d{1,18})-(\\d{1,18})-(\\d{1,18})");
  private static final Pattern NAMESPACE = Pattern.compile("pid:\\[(\\d{1,18})\\]");
  private static final AtomicLong LAST = new AtomicLong();

  /** What all names of this JVM's have in common, once it was read. */
  private static volatile @Nullable LeafName own;

  static Optional<LeafName> parse(String name) {
    Matcher parts = FORM.matcher(name);
    return parts.matches()
        ? Optional.of(
            new LeafName(
                Long.parseLong(parts.group(1)),
                Long.parseLong(parts.group(2)),
                Long.parseLong(parts.group(3)),
                Long.parseLong(parts.group(4))))
        : Optional.empty();
  }

  /** Returns the next name of this JVM's. */
  static LeafName next() throws IOException {
    LeafName first = own;
    if (first == null) {
      Path proc = Path.of("/proc");
      long start = StatFile.read(proc.resolve("self")).startTime();
      first = new LeafName(ownNamespace(proc), ProcessHandle.current().pid(), start, 0);
      own = first;
    }
    return new LeafName(first.namespace, first.pid, first.start, LAST.incrementAndGet());
  }

  /** Tells whether its JVM is known to be gone; never of what cannot be known. */
  boolean isAbandoned() {
    return isAbandoned(Machine.here());
  }

  boolean isAbandoned(Machine machine) {
    Path proc = machine.root().resolve("proc");
    try {
      if (namespace != ownNamespace(proc)
          || !machine.showsOurPids()
          || !Files.isReadable(proc.resolve("1/stat"))) {
        return false; // another's pids, or a /proc that hides processes
      }
      StatFile stat = StatFile.read(proc.resolve(Long.toString(pid)));
      return stat.startTime() != start || stat.hasEnded();
    } catch (NoSuchFileException e) {
      return true;
    } catch (IOException | RuntimeException e) {
      return false;
    }
  }

  private static long ownNamespace(Path proc) throws IOException {
    Path file = proc.resolve("self/ns/pid");
    Matcher link = NAMESPACE.matcher(Files.readSymbolicLink(file).toString());
    if (!link.matches()) {
      throw new IOException(file + " names no namespace");
    }
    return Long.parseLong(link.group(1));
  }

  @Override
  public String toString() {
    return "memguard-" + namespace + "-" + pid + "-" + start + "-" + number;
  }
}
