package io.memguard.platform.cgroup;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * A cgroup's path as the kernel shows it to us: from the root of our cgroup namespace, so that a
 * cgroup outside of it begins with {@code /..}.
 *
 * @param ups how many levels above our namespace's root it begins
 * @param names the levels below that
 */
record CgroupPath(int ups, List<String> names) {
  static CgroupPath parse(String text) {
    List<String> steps =
        Arrays.stream(text.split("/", -1)).filter(step -> !step.isEmpty()).toList();
    int ups = (int) steps.stream().takeWhile(".."::equals).count();
    return new CgroupPath(ups, steps.subList(ups, steps.size()));
  }

  CgroupPath parent() {
    return names.isEmpty()
        ? new CgroupPath(ups + 1, names)
        : new CgroupPath(ups, names.subList(0, names.size() - 1));
  }

  /**
   * Returns the way from a cgroup at or above this one down to this one, or empty if that one is
   * not above.
   */
  Optional<Descent> from(CgroupPath above) {
    if (above.names.isEmpty()) {
      return above.ups >= ups ? Optional.of(new Descent(above.ups - ups, names)) : Optional.empty();
    }
    int depth = above.names.size();
    return above.ups == ups && names.size() >= depth && names.subList(0, depth).equals(above.names)
        ? Optional.of(new Descent(0, names.subList(depth, names.size())))
        : Optional.empty();
  }

  @Override
  public String toString() {
    String text = "/..".repeat(ups) + (names.isEmpty() ? "" : "/" + String.join("/", names));
    return text.isEmpty() ? "/" : text;
  }

  /**
   * A way down.
   *
   * @param nameless how many levels come first whose names the kernel does not tell us
   * @param names the levels after these
   */
  record Descent(int nameless, List<String> names) {}
}
