package io.memguard.platform.survey;

import io.memguard.doctor.LeafRoom;
import io.memguard.doctor.Surroundings;
import io.memguard.doctor.Surroundings.Clone3;
import io.memguard.doctor.Surroundings.Memory;
import io.memguard.doctor.Surroundings.Overcommit;
import io.memguard.doctor.SystemdUnit;
import io.memguard.platform.Errno;
import io.memguard.platform.Linux;
import io.memguard.platform.OwnLimits;
import io.memguard.platform.cgroup.CgroupSearch;
import io.memguard.platform.cgroup.CgroupTable;
import io.memguard.platform.cgroup.Machine;
import java.util.Map;
import java.util.Optional;

/** Gathers what is around this process, from files and one system call; changes nothing. */
public final class Survey {
  private static final String NO_FILTER = "0";

  private Survey() {}

  /**
   * Looks.
   *
   * @param machine whose files are read
   * @param environment this process's variables
   * @param search where its own cgroup was found
   * @param leaves whether children can have cgroups of their own
   * @param unit the unit of systemd's that it is in
   * @param kernelLogObstacle why the kernel's log cannot be read
   */
  public static Surroundings of(
      Machine machine,
      Map<String, String> environment,
      CgroupSearch search,
      LeafRoom leaves,
      Optional<SystemdUnit> unit,
      Optional<String> kernelLogObstacle) {
    return new Surroundings(
        Whereabouts.of(machine, environment, search, unit.map(SystemdUnit::name)),
        CgroupTable.of(machine, search),
        leaves,
        unit,
        new Memory(
            machine.totalMemory(),
            machine.availableMemory(),
            machine.totalSwap(),
            machine.freeSwap()),
        overcommit(machine),
        CgroupTable.pressure(machine, Optional.empty(), search),
        OwnLimits.oomScoreAdj(),
        isFiltered(machine),
        clone3(),
        kernelLogObstacle);
  }

  private static Optional<Overcommit> overcommit(Machine machine) {
    return machine
        .read("/proc/sys/vm/overcommit_memory")
        .map(String::strip)
        .filter(mode -> mode.matches("[0-2]"))
        .map(
            mode ->
                new Overcommit(Integer.parseInt(mode), machine.commitLimit(), machine.committed()));
  }

  private static boolean isFiltered(Machine machine) {
    return machine
        .read("/proc/self/status")
        .flatMap(text -> text.lines().filter(line -> line.startsWith("Seccomp:")).findFirst())
        .map(line -> line.substring("Seccomp:".length()).strip())
        .filter(mode -> !mode.equals(NO_FILTER))
        .isPresent();
  }

  /** Without arguments it is refused with EINVAL, where it is there, and nothing is cloned. */
  private static Clone3 clone3() {
    if (!Linux.isLoaded()) {
      return Clone3.UNKNOWN;
    }
    return Linux.guard_clone3() == -Errno.EINVAL ? Clone3.WORKS : Clone3.REFUSED;
  }
}
