package io.memguard.support;

import io.memguard.platform.cgroup.Machine;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Machines made of ordinary files and directories. */
public final class Machines {
  private Machines() {}

  /**
   * Makes one with cgroup v1 at /cgroups, whose cgroup of ours is /app: leaves can be made there.
   */
  public static Machine withCgroupV1(Path root) throws IOException {
    Path self = Files.createDirectories(root.resolve("proc/self"));
    Files.writeString(self.resolve("cgroup"), "4:memory:/app\n");
    Files.writeString(
        self.resolve("mountinfo"), "30 23 0:26 / /cgroups rw,nosuid - cgroup cgroup rw,memory\n");
    Path own = Files.createDirectories(root.resolve("cgroups/app"));
    Files.writeString(own.resolve("cgroup.procs"), "");
    return new Machine(root);
  }
}
