package io.memguard.limits;

import java.util.Arrays;
import java.util.Collections;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * Says which runtimes are told to live within the child's memory limit. Most of them look at the
 * machine or the container and know nothing of resource limits: they collect garbage too late, and
 * are refused memory that they would not have needed.
 *
 * <p>It sets variables in the child's environment, and for {@link Target#THREAD_STACKS} a soft
 * resource limit; for each attempt anew, from the smallest limit that it has. What the caller has
 * set, in the environment, in the arguments or as a limit, stays as it is. docs/tuning.md has what
 * is set, and the measurements behind it; what was set for a child is in {@code Evidence.tuning}.
 *
 * <p>It is off unless asked for: every JVM that finds {@code JAVA_TOOL_OPTIONS} says so on stderr,
 * and a child should see the environment that it was given.
 *
 * <p>Immutable; safe to share between threads.
 *
 * @param automatic true to choose by what is launched
 * @param targets what is named instead; empty if {@code automatic}
 */
public record RuntimeTuning(boolean automatic, Set<Target> targets) {
  private static final RuntimeTuning OFF = new RuntimeTuning(false, Set.of());
  private static final RuntimeTuning AUTO = new RuntimeTuning(true, Set.of());

  /** What can be tuned, and the name under which that is reported. */
  public enum Target {
    /**
     * The JVM's heap and direct memory; it exits when its heap is full (<a
     * href="https://docs.oracle.com/en/java/javase/17/docs/specs/jvmti.html#tooloptions">JVM TI</a>
     * has the variable, java(1) the options).
     */
    JVM("JAVA_TOOL_OPTIONS", true),
    /**
     * Node's heap: {@code --max-old-space-size} (<a
     * href="https://nodejs.org/api/cli.html#node_optionsoptions">Node's options</a>).
     */
    NODE("NODE_OPTIONS", true),
    /**
     * Go's collector, from Go 1.19 on (<a
     * href="https://pkg.go.dev/runtime#hdr-Environment_Variables">package runtime</a>).
     */
    GO("GOMEMLIMIT", true),
    /**
     * .NET's heap (<a
     * href="https://learn.microsoft.com/dotnet/core/runtime-config/garbage-collector#heap-limit">its
     * settings</a>).
     */
    DOTNET("DOTNET_GCHeapHardLimit", true),
    /**
     * In how many places glibc's malloc keeps memory, each of which has some to spare: {@code
     * M_ARENA_MAX} of mallopt(3).
     */
    GLIBC("MALLOC_ARENA_MAX", false),
    /**
     * The stacks of threads whose program does not say how large they are to be, and of main: the
     * soft {@code RLIMIT_STACK}, as pthread_create(3) and getrlimit(2) say.
     */
    THREAD_STACKS("RLIMIT_STACK", false);

    private final String variable;
    private final boolean heap;

    Target(String variable, boolean heap) {
      this.variable = variable;
      this.heap = heap;
    }

    /**
     * Returns the environment variable that is set for it.
     *
     * @return its name; for the stacks {@code RLIMIT_STACK}, which is no variable
     */
    public String variable() {
      return variable;
    }

    /**
     * Tells whether a heap of the runtime's own gets a size that follows from the limit.
     *
     * @return true if one does
     */
    public boolean sizesHeap() {
      return heap;
    }

    /**
     * Returns its name on the command line.
     *
     * @return lower case, such as {@code thread-stacks}
     */
    public String label() {
      return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
  }

  /**
   * Copies and checks the values.
   *
   * @param automatic true to choose by what is launched
   * @param targets what is named instead; empty if {@code automatic}
   * @throws IllegalArgumentException if both are given
   */
  public RuntimeTuning {
    if (automatic && !targets.isEmpty()) {
      throw new IllegalArgumentException(
          "tuning chooses by itself or is told what to tune, " + targets + ", not both");
    }
    EnumSet<Target> copy = EnumSet.noneOf(Target.class);
    copy.addAll(targets);
    targets = Collections.unmodifiableSet(copy);
  }

  /**
   * Tunes nothing: the default.
   *
   * @return the tuning
   */
  public static RuntimeTuning off() {
    return OFF;
  }

  /**
   * Tunes what is launched, where that is known by the name of its file, or by the file itself:
   * {@code java} and its tools, {@code node}, programs written in Go, {@code dotnet}; {@link
   * Target#GLIBC} for whatever is dynamically linked, and {@link Target#THREAD_STACKS} for Python,
   * whose threads have stacks of 8 MiB otherwise. Of a script its interpreter counts; what a script
   * starts in turn is not known, and has to be named.
   *
   * @return the tuning
   */
  public static RuntimeTuning auto() {
    return AUTO;
  }

  /**
   * Tunes for the named runtimes, whatever is launched.
   *
   * @param targets the runtimes; none for {@link #off}
   * @return the tuning
   */
  public static RuntimeTuning of(Target... targets) {
    return new RuntimeTuning(false, Set.copyOf(List.of(targets)));
  }

  /**
   * Reads {@code auto}, {@code off}, or names with commas between them, for example {@code
   * jvm,glibc}.
   *
   * @param text the tuning
   * @return the tuning
   * @throws IllegalArgumentException if the text is something else; the message has what is allowed
   */
  public static RuntimeTuning parse(String text) {
    if (text.equals("auto")) {
      return AUTO;
    }
    if (text.equals("off")) {
      return OFF;
    }
    EnumSet<Target> named = EnumSet.noneOf(Target.class);
    for (String name : text.split(",", -1)) {
      named.add(target(name, text));
    }
    return new RuntimeTuning(false, named);
  }

  private static Target target(String name, String text) {
    return Arrays.stream(Target.values())
        .filter(one -> one.label().equals(name))
        .findFirst()
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "tuning \""
                        + text
                        + "\" has no meaning; it is auto, off, or some of "
                        + Arrays.stream(Target.values())
                            .map(Target::label)
                            .collect(Collectors.joining(","))));
  }
}
