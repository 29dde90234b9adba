package io.memguard.platform.procfs;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Tells whether processes that do nothing just now may go on by themselves: asked before they are
 * ended for that, since it takes some milliseconds. Who has an internet socket waits for somebody
 * far away, and what it receives is no I/O to {@code /proc/<pid>/io}; who writes into a full pipe
 * waits for a slow reader; who is runnable waits for a CPU, who is in the kernel for a disk. What
 * cannot be read says nothing.
 */
final class Waiting {
  private static final String[] SOCKETS = {"tcp", "tcp6", "udp", "udp6"};
  private static final int INODE_COLUMN = 9;

  private Waiting() {}

  static boolean mayGoOn(List<Member> members, ProcFiles files) {
    return members.stream()
        .anyMatch(one -> hasThreadThatWill(one.pid(), files) || isOnTheNet(one.pid(), files));
  }

  private static boolean hasThreadThatWill(long pid, ProcFiles files) {
    String threads = pid + "/task";
    return files.numbers(threads).anyMatch(tid -> will(threads + "/" + tid + "/", files));
  }

  private static boolean will(String thread, ProcFiles files) {
    ProcessStat stat = files.stat(files.name(thread + "stat"));
    return stat != null
        && (stat.isRunnable()
            || stat.isStopped()
            || stat.isUninterruptible()
            || files
                .text(files.name(thread + "wchan")) // the kernel's function it sleeps in
                .filter(function -> function.contains("pipe_write"))
                .isPresent());
  }

  private static boolean isOnTheNet(long pid, ProcFiles files) {
    Set<String> held = held(files.root().resolve(pid + "/fd"));
    if (held.isEmpty()) {
      return false;
    }
    Set<String> internet = new HashSet<>();
    for (String protocol : SOCKETS) {
      files.whole(pid + "/net/" + protocol).ifPresent(table -> internet.addAll(inodes(table)));
    }
    return held.stream().anyMatch(internet::contains);
  }

  /** The inodes of the sockets among some descriptors. */
  private static Set<String> held(Path descriptors) {
    try (Stream<Path> all = Files.list(descriptors)) {
      return all.map(Waiting::target)
          .flatMap(Optional::stream)
          .filter(target -> target.startsWith("socket:["))
          .map(target -> target.substring("socket:[".length(), target.length() - 1))
          .collect(Collectors.toSet());
    } catch (IOException notOurs) {
      return Set.of();
    }
  }

  private static Optional<String> target(Path descriptor) {
    try {
      return Optional.of(Files.readSymbolicLink(descriptor).toString());
    } catch (IOException closedMeanwhile) {
      return Optional.empty();
    }
  }

  /** Of a table as {@code /proc/net/tcp} is: a head, then a line for each socket. */
  private static Set<String> inodes(String table) {
    return table
        .lines()
        .skip(1)
        .map(line -> line.strip().split(" +", 0))
        .filter(columns -> columns.length > INODE_COLUMN)
        .map(columns -> columns[INODE_COLUMN])
        .collect(Collectors.toSet());
  }
}
