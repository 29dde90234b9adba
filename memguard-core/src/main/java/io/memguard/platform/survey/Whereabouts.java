package io.memguard.platform.survey;

import io.memguard.doctor.Place;
import io.memguard.doctor.Place.Sighting;
import io.memguard.platform.Namespace;
import io.memguard.platform.cgroup.CgroupSearch;
import io.memguard.platform.cgroup.Machine;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Tells where this process is, and by which sign, in the order in which systemd-detect-virt(1)
 * looks: what somebody has said on purpose before what only looks like it. There is no certain sign
 * of a container; one can be made to look like a machine.
 */
final class Whereabouts {
  /** What gVisor's kernel has, where it is told to (its package gvisordetect). */
  private static final String GVISOR_MARKER = "/proc/gvisor/kernel_is_gvisor";

  /** The date of build that every version of gVisor says it has. */
  private static final String GVISOR_BUILD = "Sun Jan 10 15:06:54 PST 2016";

  private static final String SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";
  private static final List<String> WSL = List.of("Microsoft", "microsoft", "WSL");

  /** How kubelet, Docker, Podman, CRI-O and LXC name the cgroups of containers. */
  private static final Pattern RUNTIMES_CGROUP =
      Pattern.compile("/(docker[-/]|kubepods[-./]|libpod-|crio-|cri-containerd-|lxc[./])[^:\\n]*");

  /** Who starts a container says so in files and variables of these names. */
  private static final List<String> MANAGERS =
      List.of("/run/host/container-manager", "/run/systemd/container");

  /** These can come with an image that is not a container's any more: they count last. */
  private static final List<String> MARKERS = List.of("/run/.containerenv", "/.dockerenv");

  private final Machine machine;
  private final Map<String, String> environment;
  private final String cgroups;

  private Whereabouts(Machine machine, Map<String, String> environment) {
    this.machine = machine;
    this.environment = environment;
    this.cgroups = machine.read("/proc/self/cgroup").orElse("");
  }

  /**
   * Looks.
   *
   * @param unit the unit of systemd's that this process is in
   */
  static List<Sighting> of(
      Machine machine,
      Map<String, String> environment,
      CgroupSearch search,
      Optional<String> unit) {
    Whereabouts whereabouts = new Whereabouts(machine, environment);
    List<Sighting> all = new ArrayList<>();
    whereabouts.wsl().ifPresent(sign -> all.add(new Sighting(Place.WSL, sign)));
    whereabouts.gvisor().ifPresent(sign -> all.add(new Sighting(Place.GVISOR, sign)));
    whereabouts.pod().ifPresent(sign -> all.add(new Sighting(Place.POD, sign)));
    whereabouts.container(search).ifPresent(sign -> all.add(new Sighting(Place.CONTAINER, sign)));
    if (all.stream().allMatch(one -> one.place() == Place.WSL)) {
      all.add(new Sighting(Place.HOST, "there is no sign of a container"));
    }
    unit.ifPresent(
        name ->
            all.add(
                new Sighting(
                    Place.SYSTEMD_UNIT, name + ", by /proc/self/cgroup; process 1 is systemd")));
    return all;
  }

  private Optional<String> wsl() {
    String file = "/proc/sys/kernel/osrelease";
    return machine
        .read(file)
        .map(String::strip)
        .filter(release -> WSL.stream().anyMatch(release::contains))
        .map(release -> file + " is " + release);
  }

  private Optional<String> gvisor() {
    if (machine.has(GVISOR_MARKER)) {
      return Optional.of(GVISOR_MARKER + " is there");
    }
    return machine
        .read("/proc/version")
        .filter(version -> version.contains(GVISOR_BUILD))
        .map(version -> "/proc/version has gVisor's date, " + GVISOR_BUILD);
  }

  private Optional<String> pod() {
    if (environment.containsKey("KUBERNETES_SERVICE_HOST")) {
      return Optional.of("KUBERNETES_SERVICE_HOST is set");
    }
    if (machine.has(SERVICE_ACCOUNT)) {
      return Optional.of(SERVICE_ACCOUNT + " is there");
    }
    return runtimesCgroup().filter(path -> path.startsWith("/kubepods")).map(Whereabouts::inCgroup);
  }

  private Optional<String> container(CgroupSearch search) {
    for (String file : MANAGERS) {
      Optional<String> manager = machine.read(file).map(String::strip);
      if (manager.filter(name -> !name.isEmpty()).isPresent()) {
        return Optional.of(file + " says " + manager.get());
      }
    }
    String variable = Objects.requireNonNullElse(environment.get("container"), "");
    if (!variable.isEmpty()) {
      return Optional.of("the variable container is " + variable);
    }
    Optional<String> byName = runtimesCgroup().map(Whereabouts::inCgroup);
    if (byName.isPresent()) {
      return byName;
    }
    if (search instanceof CgroupSearch.Found found && found.ancestry().isInNamespace()) {
      return Optional.of("it is in a cgroup namespace of its own");
    }
    return isInMachinesPids()
        ? Optional.empty()
        : MARKERS.stream().filter(machine::has).findFirst().map(file -> file + " is there");
  }

  /** Then a marker may have come with an image that was made in a container, and is none now. */
  private boolean isInMachinesPids() {
    return machine.at("/proc/self").filter(Namespace.PID::isInitial).isPresent();
  }

  private Optional<String> runtimesCgroup() {
    Matcher found = RUNTIMES_CGROUP.matcher(cgroups);
    return found.find() ? Optional.of(found.group()) : Optional.empty();
  }

  private static String inCgroup(String path) {
    return "/proc/self/cgroup has " + path;
  }
}
