package io.memguard.support;

import io.memguard.platform.cgroup.Machine;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** A container as Kubernetes makes it, that is but a few files: what it uses is what is said. */
public final class ContainerOfFiles {
  private static final String CGROUP = "sys/fs/cgroup/";
  private final Path root;
  private final long limit;

  /** Makes it; nothing is in use yet. */
  public ContainerOfFiles(Path root, long limit) {
    this.root = root;
    this.limit = limit;
    write("proc/self/cgroup", "0::/\n");
    write(
        "proc/self/mountinfo",
        "30 23 0:26 / /sys/fs/cgroup ro,nosuid - cgroup2 cgroup2 rw,nsdelegate\n");
    set("cgroup.controllers", "memory\n");
    set("cgroup.procs", "1\n");
    set("cgroup.events", "populated 1\n");
    set("memory.max", limit + "\n");
    set("memory.oom.group", "1\n");
    set("memory.stat", "");
    headroom(limit);
  }

  /** The machine it is on. */
  public Machine machine() {
    return new Machine(root);
  }

  /** Uses so much that this is left. */
  public void headroom(long bytes) {
    set("memory.current", "%020d%n".formatted(limit - bytes));
  }

  /** Sets one of its files. */
  public void set(String file, String text) {
    write(CGROUP + file, text);
  }

  /** Removes one of its files. */
  public void remove(String file) {
    try {
      Files.delete(root.resolve(CGROUP + file));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** All at once, since a guard may read it at any time; and what was longer before is cut off. */
  private void write(String name, String text) {
    Path file = root.resolve(name);
    try {
      Files.createDirectories(file.getParent());
      try (FileChannel channel =
          FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
        channel.write(ByteBuffer.wrap(text.getBytes(StandardCharsets.US_ASCII)));
        channel.truncate(text.length());
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
