package io.memguard.diagnose;

import io.memguard.limits.MemorySize;
import io.memguard.limits.Protection;
import io.memguard.limits.ResourceLimit;
import io.memguard.limits.Rlimit;
import io.memguard.outcome.Evidence;
import java.util.EnumSet;
import java.util.OptionalLong;
import java.util.Set;

/** The resource limits on memory that a child was under. */
final class Armed {
  private Armed() {}

  static Set<Rlimit> limits(Evidence evidence) {
    Set<Rlimit> armed = EnumSet.noneOf(Rlimit.class);
    for (Rlimit resource : Rlimit.values()) {
      if (bytes(evidence, resource).isPresent()) {
        armed.add(resource);
      }
    }
    return armed;
  }

  private static boolean counts(Evidence evidence, Rlimit resource) {
    return (resource == Rlimit.DATA && evidence.active(Protection.RLIMIT_DATA))
        || (resource == Rlimit.AS && evidence.active(Protection.RLIMIT_AS));
  }

  /** Returns how much one allows, or empty if it was not armed. */
  static OptionalLong bytes(Evidence evidence, Rlimit resource) {
    return evidence.limits().rlimits().values().stream()
        .filter(limit -> limit.resource() == resource && counts(evidence, resource))
        .mapToLong(ResourceLimit::soft)
        .filter(soft -> soft != ResourceLimit.UNLIMITED)
        .findFirst();
  }

  /** Returns the one that is smaller, RLIMIT_DATA of two that are equal. */
  static Rlimit smallest(Evidence evidence) {
    long least = evidence.rlimitBytes().orElse(ResourceLimit.UNLIMITED);
    boolean data =
        evidence.active(Protection.RLIMIT_DATA)
            && evidence.limits().rlimits().values().stream()
                .anyMatch(one -> one.resource() == Rlimit.DATA && one.soft() == least);
    return data ? Rlimit.DATA : Rlimit.AS;
  }

  /** Names it, as a part of a sentence; nothing if there is none. */
  static String under(Evidence evidence) {
    return evidence.rlimitBytes().isEmpty()
        ? ""
        : " under RLIMIT_"
            + smallest(evidence)
            + " "
            + MemorySize.format(evidence.rlimitBytes().getAsLong());
  }
}
