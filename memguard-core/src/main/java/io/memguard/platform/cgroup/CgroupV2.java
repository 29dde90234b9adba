package io.memguard.platform.cgroup;

import io.memguard.doctor.LeafRoom;
import io.memguard.limits.EffectiveLimit.Kind;
import io.memguard.platform.cgroup.LeafPlace.Obstacle;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.Function;
import java.util.function.Predicate;

/** A cgroup of the unified hierarchy. */
public final class CgroupV2 extends Cgroup {
  private static final List<String> DOMAINS = List.of("", "domain");
  private static final String SUBTREE_CONTROL = "cgroup.subtree_control";
  private final boolean eventsAreLocal;

  /**
   * Describes a cgroup.
   *
   * @param eventsAreLocal whether the hierarchy is mounted with {@code memory_localevents}, which
   *     makes {@code memory.events} count what happens in the cgroup itself only
   */
  CgroupV2(String path, Path directory, boolean eventsAreLocal) {
    super(path, directory);
    this.eventsAreLocal = eventsAreLocal;
  }

  @Override
  OptionalLong max() {
    return KernelFile.number(file(maxFile()));
  }

  @Override
  String maxFile() {
    return "memory.max";
  }

  @Override
  OptionalLong max(String text) {
    return KernelFile.number(text);
  }

  @Override
  String usageFile() {
    return "memory.current";
  }

  @Override
  String hierarchicalPrefix() {
    return "";
  }

  @Override
  Optional<String> swapUsageFile() {
    return Optional.of("memory.swap.current");
  }

  @Override
  OptionalLong high() {
    return KernelFile.number(file("memory.high"));
  }

  @Override
  OptionalLong swapMax() {
    return KernelFile.number(file(swapFile()));
  }

  @Override
  Kind swapKind() {
    return Kind.SWAP;
  }

  @Override
  String swapFile() {
    return "memory.swap.max";
  }

  @Override
  OptionalLong hierarchicalMax() {
    return OptionalLong.empty();
  }

  @Override
  OptionalLong peak() {
    return KernelFile.number(file("memory.peak"));
  }

  @Override
  public Optional<Counters> events() {
    return eventsAreLocal() ? Optional.empty() : counters("memory.events");
  }

  @Override
  public Optional<Counters> localEvents() {
    return counters(localEventsFile());
  }

  private String localEventsFile() {
    return eventsAreLocal() ? "memory.events" : "memory.events.local";
  }

  /** Before Linux 5.2, {@code memory.events} was all there was, and counted so everywhere. */
  private boolean eventsAreLocal() {
    return eventsAreLocal
        || (Files.exists(file("memory.events")) && !Files.exists(file("memory.events.local")));
  }

  private Optional<Counters> counters(String name) {
    return KernelFile.text(file(name)).map(Counters::parse);
  }

  @Override
  public Optional<Boolean> oomGroup() {
    OptionalLong flag = KernelFile.number(file("memory.oom.group"));
    return flag.isPresent() ? Optional.of(flag.getAsLong() != 0) : Optional.empty();
  }

  @Override
  Map<String, Function<String, Counters>> localCounterFiles() {
    return Map.of(localEventsFile(), Counters::parse);
  }

  @Override
  Map<String, Function<String, Counters>> limitCounterFiles() {
    return localCounterFiles(); // the root has no such file
  }

  @Override
  Optional<String> hierarchicalCounterFile() {
    return eventsAreLocal() ? Optional.empty() : Optional.of("memory.events");
  }

  @Override
  Cgroup at(String otherPath, Path otherDirectory) {
    return new CgroupV2(otherPath, otherDirectory, eventsAreLocal);
  }

  @Override
  List<Setting> leafSettings(LeafLimits limits) {
    OptionalLong max = limits.max();
    List<Setting> settings = new ArrayList<>();
    settings.add(
        new Setting(maxFile(), max.isPresent() ? Long.toString(max.getAsLong()) : "max", true));
    max.ifPresent(bytes -> settings.add(new Setting(swapFile(), "0", false)));
    settings.add(new Setting("memory.oom.group", limits.killedAsAWhole() ? "1" : "0", false));
    limits
        .high()
        .ifPresent(high -> settings.add(new Setting("memory.high", Long.toString(high), true)));
    limits.pidsMax().ifPresent(tasks -> settings.add(new Setting("pids.max", "" + tasks, false)));
    return settings;
  }

  @Override
  public List<String> lacking(LeafLimits limits) {
    if (limits.pidsMax().isEmpty() || handsOut("pids")) {
      return List.of();
    }
    String wanted =
        "pids.max " + limits.pidsMax().getAsInt() + " needs the pids controller, which ";
    if (!KernelFile.words(file("cgroup.controllers")).contains("pids")) {
      return List.of(
          wanted
              + "cgroup "
              + path()
              + " was not given; write +pids into cgroup.subtree_control of the cgroup above, or under"
              + " systemd set Delegate=memory pids");
    }
    return Files.isWritable(file(SUBTREE_CONTROL))
        ? List.of()
        : List.of(
            wanted
                + "this user may not hand out: write +pids into "
                + file(SUBTREE_CONTROL)
                + ", or give this user that file (chown)");
  }

  private boolean handsOut(String controller) {
    return KernelFile.words(file(SUBTREE_CONTROL)).contains(controller);
  }

  @Override
  boolean countsChildren() {
    return true;
  }

  @Override
  boolean isRoot() {
    return !Files.exists(file("cgroup.events"));
  }

  @Override
  boolean mustEnableMemory() {
    return !handsOut("memory");
  }

  @Override
  void enable(LeafLimits limits) throws IOException {
    if (mustEnableMemory()) {
      KernelFile.write(file(SUBTREE_CONTROL), "+memory");
    }
    if (limits.pidsMax().isPresent() && !handsOut("pids") && lacking(limits).isEmpty()) {
      KernelFile.write(file(SUBTREE_CONTROL), "+pids");
    }
  }

  @Override
  Optional<Obstacle> obstacleToLeaf(Predicate<Path> writable) {
    String type = KernelFile.text(file("cgroup.type")).orElse("").strip();
    if (!DOMAINS.contains(type)) {
      return Obstacle.of(
          LeafRoom.Obstacle.THREADED,
          "cgroup " + path() + " is of type \"" + type + "\", and only a domain can account memory",
          "start the JVM in a cgroup that is a domain");
    }
    if (!KernelFile.words(file("cgroup.controllers")).contains("memory")) {
      return Obstacle.of(
          LeafRoom.Obstacle.NO_MEMORY_CONTROLLER,
          "cgroup " + path() + " was not given the memory controller",
          "write +memory into cgroup.subtree_control of the cgroup above, or under systemd set Delegate=memory");
    }
    if (!writable.test(directory())) {
      return Obstacle.of(
          LeafRoom.Obstacle.NOT_WRITABLE,
          "this user may not make directories in " + directory(),
          LeafPlace.DELEGATE);
    }
    List<String> needed =
        mustEnableMemory() ? List.of("cgroup.procs", SUBTREE_CONTROL) : List.of("cgroup.procs");
    for (String name : needed) {
      if (!writable.test(file(name))) {
        return Obstacle.of(
            LeafRoom.Obstacle.HALF_DELEGATED,
            "this user may make directories in " + directory() + " but not write its " + name,
            "give this user that file as well (chown), or " + LeafPlace.DELEGATE);
      }
    }
    if (mustEnableMemory() && !isRoot() && !KernelFile.words(file("cgroup.procs")).isEmpty()) {
      return Obstacle.of(
          LeafRoom.Obstacle.HOLDS_PROCESSES,
          "cgroup "
              + path()
              + " holds processes itself, and the kernel then hands its children no memory controller",
          "have MemoryGuard.prepare, or memguard run --prepare-cgroup, make room: they move its processes into a cgroup below it"
              + (mayBeSystemds()
                  ? "; unless it was started with Delegate=yes, this one is systemd's: then with"
                      + " PrepareOptions.withSystemdScope, or --systemd-scope"
                  : ""));
    }
    return Optional.empty();
  }

  /** A user's own manager leaves no mark on what it delegates. */
  private boolean mayBeSystemds() {
    return (path().endsWith(".service") || path().endsWith(".scope")) && !isDelegated();
  }
}
