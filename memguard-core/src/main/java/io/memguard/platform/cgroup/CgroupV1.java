package io.memguard.platform.cgroup;

import io.memguard.doctor.LeafRoom;
import io.memguard.limits.EffectiveLimit.Kind;
import io.memguard.platform.cgroup.LeafPlace.Obstacle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.Function;
import java.util.function.Predicate;

/** A cgroup of the memory controller's own hierarchy, as cgroup v1 has it. */
public final class CgroupV1 extends Cgroup {
  /**
   * "No limit" is written as a huge number, which depends on the page size and the kernel's age: up
   * to 8 EiB - 1. Nobody means a limit this high.
   */
  private static final long NO_LIMIT = 1L << 60;

  private static final Map<String, Function<String, Counters>> LIMIT_COUNTERS =
      Map.of(
          "memory.failcnt", failures(Counter.FAILCNT),
          "memory.memsw.failcnt", failures(Counter.MEMSW_FAILCNT));

  CgroupV1(String path, Path directory) {
    super(path, directory);
  }

  @Override
  OptionalLong max() {
    return limit(KernelFile.number(file(maxFile())));
  }

  @Override
  String maxFile() {
    return "memory.limit_in_bytes";
  }

  @Override
  OptionalLong max(String text) {
    return limit(KernelFile.number(text));
  }

  @Override
  String usageFile() {
    return "memory.usage_in_bytes";
  }

  @Override
  String hierarchicalPrefix() {
    return "total_";
  }

  @Override
  Optional<String> swapUsageFile() {
    return Optional.empty();
  }

  @Override
  OptionalLong high() {
    return OptionalLong.empty();
  }

  @Override
  OptionalLong swapMax() {
    return limit(KernelFile.number(file(swapFile())));
  }

  @Override
  Kind swapKind() {
    return Kind.MEMORY_AND_SWAP;
  }

  @Override
  String swapFile() {
    return "memory.memsw.limit_in_bytes";
  }

  @Override
  OptionalLong hierarchicalMax() {
    return limit(KernelFile.entry(file("memory.stat"), "hierarchical_memory_limit"));
  }

  @Override
  OptionalLong peak() {
    return KernelFile.number(file("memory.max_usage_in_bytes"));
  }

  @Override
  public Optional<Counters> events() {
    return Optional.empty();
  }

  /**
   * {@inheritDoc}
   *
   * <p>{@code oom_kill} (Linux 4.13) counts processes of this very cgroup that the OOM killer
   * killed, whoever's limit it was; {@code failcnt} counts how often its limit was reached. The
   * kernel charges memory and swap together first, so where both limits are the same, as in a leaf,
   * only {@code memsw.failcnt} rises.
   */
  @Override
  public Optional<Counters> localEvents() {
    Map<Counter, Long> values = new EnumMap<>(Counter.class);
    KernelFile.entry(file("memory.oom_control"), "oom_kill")
        .ifPresent(value -> values.put(Counter.OOM_KILL, value));
    LIMIT_COUNTERS.forEach(
        (name, reader) ->
            KernelFile.text(file(name))
                .ifPresent(text -> values.putAll(reader.apply(text).values())));
    return values.isEmpty() ? Optional.empty() : Optional.of(new Counters(values));
  }

  @Override
  public Optional<Boolean> oomGroup() {
    return Optional.empty();
  }

  @Override
  Map<String, Function<String, Counters>> localCounterFiles() {
    Map<String, Function<String, Counters>> files = new HashMap<>(LIMIT_COUNTERS);
    files.put("memory.oom_control", Counters::parse);
    return files;
  }

  @Override
  Map<String, Function<String, Counters>> limitCounterFiles() {
    return isRoot() ? Map.of() : LIMIT_COUNTERS;
  }

  /** Such a file holds one number. */
  private static Function<String, Counters> failures(Counter counter) {
    return number -> Counters.parse(counter.key() + " " + number);
  }

  @Override
  Optional<String> hierarchicalCounterFile() {
    return Optional.empty();
  }

  @Override
  Cgroup at(String otherPath, Path otherDirectory) {
    return new CgroupV1(otherPath, otherDirectory);
  }

  @Override
  List<Setting> leafSettings(LeafLimits limits) {
    if (limits.max().isEmpty()) {
      return List.of();
    }
    String bytes = Long.toString(limits.max().getAsLong());
    // memory and swap together may be as much as memory alone: nothing is swapped out
    return List.of(new Setting(maxFile(), bytes, true), new Setting(swapFile(), bytes, false));
  }

  /** Before Linux 5.11 a cgroup could be told not to; a cgroup below it then is on its own. */
  @Override
  boolean countsChildren() {
    return KernelFile.number(file("memory.use_hierarchy")).orElse(1) != 0;
  }

  @Override
  boolean isRoot() {
    return Files.exists(file("release_agent"));
  }

  /** memory.soft_limit_in_bytes is none: nothing happens there until the machine is short. */
  @Override
  public List<String> lacking(LeafLimits limits) {
    List<String> lacking = new ArrayList<>();
    limits
        .high()
        .ifPresent(
            high -> lacking.add("memory.high " + high + " does not exist on cgroup v1; use v2"));
    limits
        .pidsMax()
        .ifPresent(
            tasks ->
                lacking.add(
                    "pids.max "
                        + tasks
                        + " belongs to a hierarchy of its own on cgroup v1, where no leaf is made;"
                        + " use v2, or RLIMIT_NPROC"));
    return lacking;
  }

  @Override
  boolean mustEnableMemory() {
    return false;
  }

  @Override
  void enable(LeafLimits limits) {}

  @Override
  Optional<Obstacle> obstacleToLeaf(Predicate<Path> writable) {
    return writable.test(directory())
        ? Optional.empty()
        : Obstacle.of(
            LeafRoom.Obstacle.NOT_WRITABLE,
            "this user may not make directories in " + directory(),
            "give this user the directory (chown), which on cgroup v1 systemd never does");
  }

  private static OptionalLong limit(OptionalLong value) {
    return value.isPresent() && value.getAsLong() >= 0 && value.getAsLong() < NO_LIMIT
        ? value
        : OptionalLong.empty();
  }
}
