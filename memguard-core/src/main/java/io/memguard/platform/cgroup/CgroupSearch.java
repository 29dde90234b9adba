package io.memguard.platform.cgroup;

import java.util.List;
import java.util.Optional;

/** What came of looking for the cgroup that accounts a process's memory. */
public sealed interface CgroupSearch {
  /** Returns the process's own cgroup and the visible ones above it, own first; maybe none. */
  List<Cgroup> levels();

  /** Returns why there may be cgroups that bind the process and cannot be seen from here. */
  Optional<String> unseen();

  /**
   * It was found.
   *
   * @param ancestry the process's own cgroup and what is above
   */
  record Found(Ancestry ancestry) implements CgroupSearch {
    @Override
    public List<Cgroup> levels() {
      return ancestry.levels();
    }

    @Override
    public Optional<String> unseen() {
      return ancestry.hiddenAncestors();
    }
  }

  /**
   * It cannot be seen from here.
   *
   * @param reason a sentence for people, with what to do if there is something
   */
  record NotFound(String reason) implements CgroupSearch {
    @Override
    public List<Cgroup> levels() {
      return List.of();
    }

    @Override
    public Optional<String> unseen() {
      return Optional.of(reason);
    }
  }
}
