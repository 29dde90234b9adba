package io.memguard.platform.cgroup;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A place where a cgroup hierarchy is mounted: a line of {@code /proc/self/mountinfo}.
 *
 * @param root the cgroup that is visible at the mount point; not {@code /} for a bind mount of a
 *     part, or where the mount was made in another cgroup namespace
 * @param point the directory
 * @param readOnly whether nothing can be changed through it
 * @param options the hierarchy's own, among them a v1 hierarchy's controllers
 */
public record CgroupMount(
    boolean v2, String root, String point, boolean readOnly, Set<String> options) {
  private static final Pattern OCTAL = Pattern.compile("\\\\([0-7]{3})");
  private static final int OPTIONAL_FIELDS = 6;

  static List<CgroupMount> parse(String mountinfo) {
    return mountinfo.lines().flatMap(line -> parseLine(line).stream()).toList();
  }

  /** {@code id parent major:minor root point options [optional…] - type source super-options}. */
  private static Optional<CgroupMount> parseLine(String line) {
    List<String> fields = List.of(line.split(" ", -1));
    int separator = fields.indexOf("-");
    if (separator < OPTIONAL_FIELDS || fields.size() < separator + 4) {
      return Optional.empty();
    }
    String type = fields.get(separator + 1);
    if (!type.equals("cgroup") && !type.equals("cgroup2")) {
      return Optional.empty();
    }
    Set<String> mine = set(fields.get(5));
    Set<String> hierarchy = set(fields.get(separator + 3));
    return Optional.of(
        new CgroupMount(
            type.equals("cgroup2"),
            unescape(fields.get(3)),
            unescape(fields.get(4)),
            mine.contains("ro") || hierarchy.contains("ro"),
            hierarchy));
  }

  /** Tells whether this is the hierarchy that a membership speaks of. */
  boolean shows(Membership membership) {
    return v2 == membership.v2() && (v2 || options.contains("memory"));
  }

  private static Set<String> set(String options) {
    return Set.copyOf(Arrays.asList(options.split(",", -1)));
  }

  /** Space, tab, newline and backslash are written as three octal digits. */
  private static String unescape(String text) {
    return OCTAL
        .matcher(text)
        .replaceAll(
            match ->
                Matcher.quoteReplacement(
                    String.valueOf((char) Integer.parseInt(match.group(1), 8))));
  }
}
