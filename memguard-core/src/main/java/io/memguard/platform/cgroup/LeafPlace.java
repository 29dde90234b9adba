package io.memguard.platform.cgroup;

import io.memguard.doctor.LeafRoom;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.function.Predicate;

/**
 * Whether a leaf, a cgroup for one child, could be made right below a cgroup.
 *
 * @param under the cgroup
 * @param obstacle what is in the way; empty if nothing is
 * @param mustEnableMemory whether {@code +memory} has to be written into its {@code
 *     cgroup.subtree_control} first
 */
public record LeafPlace(Cgroup under, Optional<Obstacle> obstacle, boolean mustEnableMemory) {
  /** What systemd's {@code DelegateSubgroup=} is usually set to. */
  static final String SUPERVISOR = "supervisor";

  static final String DELEGATE =
      "have the cgroup delegated: under systemd, Delegate=yes for the service, or start with"
          + " systemd-run --user --scope -p Delegate=yes";

  /**
   * Finds the place for this process's children, and moves nobody: below its own cgroup or, where
   * that is named {@value #SUPERVISOR}, beside it. Such a one was made to hold the parent, so that
   * the cgroup above it holds no process and can have leaves.
   */
  public static LeafPlace forChildrenOf(Ancestry ancestry) {
    Cgroup own = ancestry.own();
    boolean beside = own.path().endsWith("/" + SUPERVISOR);
    return under(
        ancestry.parent().filter(parent -> beside && own instanceof CgroupV2).orElse(own),
        ancestry.mount());
  }

  /** Looks whether a leaf could be made; changes nothing. */
  public static LeafPlace under(Cgroup cgroup, CgroupMount mount) {
    return under(cgroup, mount, Files::isWritable);
  }

  static LeafPlace under(Cgroup cgroup, CgroupMount mount, Predicate<Path> writable) {
    Optional<Obstacle> obstacle =
        mount.readOnly()
            ? Obstacle.of(
                LeafRoom.Obstacle.READ_ONLY,
                "cgroups are mounted read-only at " + mount.point(),
                "mount them writable, in a container by its runtime (containerd's cgroup_writable,"
                    + " Docker's writable-cgroups=true, Podman's unmask=/sys/fs/cgroup), in a unit of"
                    + " systemd's by ProtectControlGroups=no")
            : cgroup.obstacleToLeaf(writable);
    return new LeafPlace(cgroup, obstacle, cgroup.mustEnableMemory());
  }

  /**
   * What is in the way.
   *
   * @param why a clause for people
   * @param remedy what they can do
   */
  public record Obstacle(LeafRoom.Obstacle kind, String why, String remedy) {
    static Optional<Obstacle> of(LeafRoom.Obstacle kind, String why, String remedy) {
      return Optional.of(new Obstacle(kind, why, remedy));
    }

    @Override
    public String toString() {
      return why + "; " + remedy;
    }
  }
}
