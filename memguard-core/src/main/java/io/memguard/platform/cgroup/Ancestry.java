package io.memguard.platform.cgroup;

import java.util.List;
import java.util.Optional;

/**
 * A cgroup and all visible ones above it.
 *
 * @param levels the cgroup itself first, the highest visible last
 * @param mount where they are seen
 * @param hiddenAncestors why there are others above that cannot be seen from here; empty if the
 *     last level is the hierarchy's root
 */
public record Ancestry(List<Cgroup> levels, CgroupMount mount, Optional<String> hiddenAncestors) {
  public Ancestry {
    levels = List.copyOf(levels);
    if (levels.isEmpty()) {
      throw new IllegalArgumentException("an ancestry begins with the cgroup itself");
    }
  }

  /** Returns the cgroup itself. */
  public Cgroup own() {
    return levels.get(0);
  }

  /** Returns the cgroup right above, if it is visible. */
  public Optional<Cgroup> parent() {
    return levels.size() > 1 ? Optional.of(levels.get(1)) : Optional.empty();
  }

  /** Tells whether a cgroup namespace hides what is above: its root is what is mounted. */
  public boolean isInNamespace() {
    return hiddenAncestors.isPresent() && CgroupPath.parse(mount.root()).names().isEmpty();
  }
}
