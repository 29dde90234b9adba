package io.memguard;

import io.memguard.launch.engine.LaunchPlan;
import io.memguard.limits.MemorySize;
import io.memguard.limits.ResourceLimit;
import io.memguard.limits.Rlimit;
import io.memguard.limits.RuntimeTuning;
import io.memguard.limits.RuntimeTuning.Target;
import io.memguard.platform.OwnLimits;
import io.memguard.platform.ProgramFile;
import io.memguard.platform.ProgramFile.Linkage;
import java.util.Collection;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Tells a child's runtime, in the variables that it reads, how much memory it has. What the caller
 * has said about the same thing stays.
 */
final class Tuning {
  private static final long MIB = 1 << 20;
  private static final double PERCENT = 100;

  private static final Set<String> JVMS =
      Set.of("java", "javac", "javadoc", "jar", "jshell", "jlink", "jpackage");
  private static final Set<String> NODES = Set.of("node", "nodejs");
  private static final Pattern PYTHONS = Pattern.compile("(python|pypy)[0-9.]*");

  /** By any of these the caller has sized the heap: then nothing about it is said. */
  private static final Pattern JVM_HEAP = Pattern.compile("-(Xmx|XX:MaxHeapSize=|XX:M(ax|in)RAM)");

  private static final List<String> JVM_VARIABLES =
      List.of(Target.JVM.variable(), "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS");
  private static final Pattern NODE_HEAP = Pattern.compile("--max[-_](old[-_]space|heap)[-_]size");
  private static final Pattern DOTNET_HEAP = Pattern.compile("(DOTNET|COMPlus)_GCHeap.*Limit.*");
  private static final Pattern ARENAS = Pattern.compile("glibc\\.malloc\\.arena_max=");

  /**
   * The kernel lets arguments and environment have a quarter of the stack, with their pointers.
   * Where they are half of that already, the stack is left alone.
   */
  private static final int ARGUMENTS_SHARE = 8;

  private final LaunchPlan plan;
  private final long limit;
  private final Map<String, String> set = new TreeMap<>();
  private Optional<ResourceLimit> stack = Optional.empty();

  /**
   * A plan that is tuned.
   *
   * @param plan what to launch now
   * @param set what was set, by name; for people and reports
   */
  record Tuned(LaunchPlan plan, Map<String, String> set) {}

  private Tuning(LaunchPlan plan, long limit) {
    this.plan = plan;
    this.limit = limit;
  }

  /**
   * Tunes a launch as its options say.
   *
   * @param plan with the limits that will be in force
   * @param file what the program's file says; asked only where that matters
   * @param most how much there is around the child in any case, in bytes; asked only if needed
   */
  static Tuned tune(LaunchPlan plan, Supplier<ProgramFile> file, LongSupplier most) {
    RuntimeTuning wanted = plan.options().tuning();
    OptionalLong smallest = limit(plan);
    if (wanted.equals(RuntimeTuning.off()) || smallest.isEmpty()) {
      return new Tuned(plan, Map.of());
    }
    Set<Target> targets = wanted.automatic() ? fitting(plan, file.get()) : wanted.targets();
    if (targets.isEmpty()) {
      return new Tuned(plan, Map.of());
    }
    Tuning tuning = new Tuning(plan, Math.min(smallest.getAsLong(), most.getAsLong()));
    targets.forEach(tuning::apply);
    return tuning.tuned();
  }

  /** The one that it will reach first: its own, or that of it and its descendants together. */
  private static OptionalLong limit(LaunchPlan plan) {
    return Stream.of(plan.limits().bytes(), plan.limits().treeMemory())
        .flatMapToLong(OptionalLong::stream)
        .min();
  }

  private static Set<Target> fitting(LaunchPlan plan, ProgramFile file) {
    List<String> names =
        List.of(ProgramFile.nameOf(plan.program()), ProgramFile.nameOf(file.path()));
    Set<Target> all = EnumSet.noneOf(Target.class);
    if (names.stream().anyMatch(JVMS::contains)) {
      all.add(Target.JVM);
    }
    if (names.stream().anyMatch(NODES::contains)) {
      all.add(Target.NODE);
    }
    if (file.go()) {
      all.add(Target.GO);
    }
    if (names.contains("dotnet")) {
      all.add(Target.DOTNET);
    }
    if (names.stream().anyMatch(name -> PYTHONS.matcher(name).matches())) {
      all.add(Target.THREAD_STACKS);
    }
    if (file.linkage() == Linkage.DYNAMIC) {
      all.add(Target.GLIBC);
    }
    return all;
  }

  private void apply(Target target) {
    switch (target) {
      case JVM -> jvm();
      case NODE -> node();
      case GO -> setUnlessThere(target, mebibytes(TunedSizes.goMemory(limit)) + "MiB");
      case DOTNET -> dotnet();
      case GLIBC -> glibc();
      case THREAD_STACKS -> stacks();
    }
  }

  /**
   * Ours come first: of two the JVM takes the last, and these before those on its command line. The
   * heap is a share of what the JVM takes for the machine's memory, and no size of its own: so it
   * gives way to every other way of sizing it, also where we cannot see it.
   */
  private void jvm() {
    boolean sized =
        saidByCaller(JVM_HEAP, plan.command())
            || JVM_VARIABLES.stream().anyMatch(name -> saidIn(name, JVM_HEAP));
    if (sized) {
      return;
    }
    String share = String.format(Locale.ROOT, "%.1f", TunedSizes.jvmHeap(limit) * PERCENT / limit);
    setBefore(
        Target.JVM,
        "-XX:MaxRAM="
            + limit
            + " -XX:MaxRAMPercentage="
            + share
            + " -XX:MinRAMPercentage="
            + share
            + " -XX:MaxDirectMemorySize="
            + TunedSizes.jvmDirect(limit)
            + " -XX:+ExitOnOutOfMemoryError");
  }

  private void node() {
    if (!saidByCaller(NODE_HEAP, plan.command()) && !saidIn(Target.NODE.variable(), NODE_HEAP)) {
      setBefore(Target.NODE, "--max-old-space-size=" + mebibytes(TunedSizes.nodeHeap(limit)));
    }
  }

  private void dotnet() {
    if (plan.environment().keySet().stream().noneMatch(DOTNET_HEAP.asMatchPredicate())) {
      set.put(Target.DOTNET.variable(), Long.toHexString(TunedSizes.dotnetHeap(limit)));
    }
  }

  private void glibc() {
    if (!saidIn("GLIBC_TUNABLES", ARENAS)) {
      setUnlessThere(Target.GLIBC, "2");
    }
  }

  /**
   * The soft limit alone, so that the program may have it back. Where there is none, threads have
   * some other size (2 MiB with glibc on x86-64), and main what it likes.
   */
  private void stacks() {
    long wanted = TunedSizes.stack(limit);
    if (plan.limits().rlimits().containsKey(Rlimit.STACK)
        || argumentBytes() >= wanted / ARGUMENTS_SHARE) {
      return;
    }
    stack =
        OwnLimits.of(Rlimit.STACK)
            .filter(own -> own.soft() > wanted && own.soft() != ResourceLimit.UNLIMITED)
            .map(own -> new ResourceLimit(Rlimit.STACK, wanted, own.hard()));
    if (stack.isPresent()) {
      set.put(Target.THREAD_STACKS.variable(), MemorySize.format(wanted));
    }
  }

  /** More than there are, where they are not ASCII. */
  private long argumentBytes() {
    return Stream.of(plan.command(), plan.environment().keySet(), plan.environment().values())
        .flatMap(Collection::stream)
        .mapToLong(text -> 2L * text.length() + Long.BYTES)
        .sum();
  }

  private static boolean saidByCaller(Pattern what, List<String> command) {
    return command.stream().skip(1).anyMatch(argument -> what.matcher(argument).lookingAt());
  }

  private boolean saidIn(String variable, Pattern what) {
    return what.matcher(plan.environment().getOrDefault(variable, "")).find();
  }

  private void setUnlessThere(Target target, String value) {
    if (!plan.environment().containsKey(target.variable())) {
      set.put(target.variable(), value);
    }
  }

  private void setBefore(Target target, String options) {
    String theirs = plan.environment().getOrDefault(target.variable(), "");
    set.put(target.variable(), theirs.isEmpty() ? options : options + " " + theirs);
  }

  private static long mebibytes(long bytes) {
    return Math.max(1, bytes / MIB);
  }

  private Tuned tuned() {
    Map<String, String> variables =
        set.entrySet().stream()
            .filter(one -> !one.getKey().equals(Target.THREAD_STACKS.variable()))
            .collect(Collectors.toMap(Map.Entry::getKey, Map.Entry::getValue));
    LaunchPlan tuned = plan;
    if (!variables.isEmpty()) {
      Map<String, String> environment = new HashMap<>(plan.environment());
      environment.putAll(variables);
      tuned = tuned.inEnvironment(environment);
    }
    if (stack.isPresent()) {
      tuned = tuned.limitedTo(tuned.limits().withRlimit(stack.get()));
    }
    return new Tuned(tuned, set);
  }
}
