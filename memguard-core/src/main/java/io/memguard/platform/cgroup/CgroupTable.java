package io.memguard.platform.cgroup;

import io.memguard.doctor.Cgroups;
import io.memguard.doctor.Cgroups.GroupKill;
import io.memguard.doctor.Cgroups.Level;
import io.memguard.doctor.Cgroups.Version;
import io.memguard.doctor.Surroundings;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.stream.Stream;

/** Reads what the cgroups around this process say, each from its own files, all at once. */
public final class CgroupTable {
  private CgroupTable() {}

  /** Reads those that a search has found. */
  public static Cgroups of(Machine machine, CgroupSearch search) {
    if (search instanceof CgroupSearch.Found found) {
      Ancestry ancestry = found.ancestry();
      return new Cgroups(
          version(machine, ancestry.mount()),
          Optional.of(ancestry.mount().point()),
          ancestry.mount().readOnly(),
          ancestry.levels().stream().map(CgroupTable::level).toList(),
          search.unseen(),
          groupKill(search));
    }
    return new Cgroups(
        Version.NONE, Optional.empty(), false, List.of(), search.unseen(), Optional.empty());
  }

  private static Version version(Machine machine, CgroupMount mount) {
    if (mount.v2()) {
      return Version.V2;
    }
    return CgroupMount.parse(machine.read("/proc/self/mountinfo").orElse("")).stream()
            .anyMatch(CgroupMount::v2)
        ? Version.HYBRID
        : Version.V1;
  }

  private static Level level(Cgroup cgroup) {
    return new Level(
        cgroup.path(),
        cgroup.max(),
        cgroup.high(),
        cgroup.swapMax(),
        KernelFile.number(cgroup.file(cgroup.usageFile())),
        cgroup.oomGroup());
  }

  /**
   * Finds the cgroup that the kernel kills as a whole with this process in it: the highest with
   * {@code memory.oom.group}, from the victim's up to the one whose limit was reached ({@code
   * mem_cgroup_get_oom_group}). Where several limits are above, the lowest counts.
   *
   * @return empty if there is none
   */
  public static Optional<GroupKill> groupKill(CgroupSearch search) {
    Optional<String> group = Optional.empty();
    for (Cgroup level : EffectiveLimits.binding(search.levels())) {
      if (level.oomGroup().orElse(false)) {
        group = Optional.of(level.path());
      }
      OptionalLong max = level.max();
      if (group.isPresent() && max.isPresent()) {
        return Optional.of(new GroupKill(group.get(), Optional.of(level.path()), max));
      }
    }
    return group.map(path -> new GroupKill(path, Optional.empty(), OptionalLong.empty()));
  }

  /**
   * Reads how long was waited for memory: in a child's cgroup, or else in this process's own, or
   * else on the machine.
   *
   * @return empty where the kernel does not tell
   */
  public static Optional<Surroundings.Pressure> pressure(
      Machine machine, Optional<Leaf> leaf, CgroupSearch search) {
    return Stream.concat(leaf.map(Leaf::cgroup).stream(), search.levels().stream().limit(1))
        .map(cgroup -> cgroup.file(Pressure.FILE))
        .flatMap(file -> pressure(file.toString(), KernelFile.text(file)).stream())
        .findFirst()
        .or(() -> pressure(Pressure.MACHINES, machine.read(Pressure.MACHINES)));
  }

  private static Optional<Surroundings.Pressure> pressure(String source, Optional<String> text) {
    OptionalDouble some = average(text.orElse(""), "some ");
    OptionalDouble full = average(text.orElse(""), "full ");
    return some.isPresent()
        ? Optional.of(new Surroundings.Pressure(source, some.getAsDouble(), full.orElse(0)))
        : Optional.empty();
  }

  /** {@code some avg10=0.00 avg60=0.00 avg300=0.00 total=0}. */
  private static OptionalDouble average(String text, String line) {
    return text.lines()
        .filter(one -> one.startsWith(line + "avg10="))
        .map(one -> one.substring((line + "avg10=").length()).split(" ", 2)[0])
        .filter(number -> number.matches("\\d+(\\.\\d+)?"))
        .mapToDouble(Double::parseDouble)
        .findFirst();
  }
}
