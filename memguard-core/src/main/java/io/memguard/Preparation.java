package io.memguard;

import io.memguard.platform.cgroup.Ancestry;
import io.memguard.platform.cgroup.Cgroup;
import io.memguard.platform.cgroup.CgroupFinder;
import io.memguard.platform.cgroup.CgroupSearch;
import io.memguard.platform.cgroup.CgroupV2;
import io.memguard.platform.cgroup.LeafPlace;
import io.memguard.platform.cgroup.Machine;
import io.memguard.platform.cgroup.Room;
import io.memguard.platform.systemd.TransientScope;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;

/** Gets this process a cgroup below which leaves can be made; one thread at a time. */
final class Preparation {
  private static final Object ONE_AT_A_TIME = new Object();
  private static final Duration PATIENCE = Duration.ofSeconds(10);

  private Preparation() {}

  static List<String> make(PrepareOptions options) throws IOException {
    Objects.requireNonNull(options, "options");
    if (Leaves.forbidden()) {
      throw new IOException(
          "Cannot prepare for leaves: forbidden by -D" + Leaves.PROPERTY + "=off");
    }
    synchronized (ONE_AT_A_TIME) {
      Machine here = Machine.here();
      Optional<Cgroup> undelegated = options.systemdScope() ? undelegated(here) : Optional.empty();
      List<String> done = new ArrayList<>();
      try {
        if (undelegated.isPresent()) {
          enterScope(here);
          done.add(
              "moved from cgroup "
                  + undelegated.get().path()
                  + " into systemd's "
                  + TransientScope.name());
        }
        done.addAll(Room.make(here, options.memoryMin(), options.disarmOomGroup()));
        return List.copyOf(done);
      } catch (IOException e) {
        String stays = done.isEmpty() ? "" : goBack(undelegated.get());
        throw new IOException("Cannot prepare for leaves: " + e.getMessage() + stays, e);
      }
    }
  }

  private static void enterScope(Machine here) throws IOException {
    String path = Objects.requireNonNullElse(System.getenv("PATH"), "/usr/bin:/bin");
    new TransientScope(here, path, PATIENCE).enter();
  }

  /** Empty, the scope ends; systemd lets an ordinary user in, and the kernel not out again. */
  private static String goBack(Cgroup from) {
    try {
      Room.enter(from);
      return "";
    } catch (IOException e) {
      return "; this process stays in systemd's " + TransientScope.name() + ": " + e.getMessage();
    }
  }

  /** Returns the cgroup that this process is in, unless that is its own to change. */
  private static Optional<Cgroup> undelegated(Machine here) {
    if (CgroupFinder.findOwn(here) instanceof CgroupSearch.Found found) {
      Ancestry ancestry = found.ancestry();
      Cgroup home = LeafPlace.forChildrenOf(ancestry).under();
      return home instanceof CgroupV2
              && !home.isDelegated()
              && !home.path().endsWith("/" + TransientScope.name())
          ? Optional.of(ancestry.own())
          : Optional.empty();
    }
    return Optional.empty();
  }
}
