package io.memguard.limits;

import io.memguard.outcome.MemoryEvent;
import java.time.Duration;
import java.time.temporal.ChronoUnit;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * Says how a child lives besides its memory: what it is called, for how long it lives, in which
 * process group, whether it outlives its parent, who is told what happens to it, which budget its
 * memory is taken from, when it hangs, and whether its runtime is told of its limit.
 *
 * <p>Immutable; safe to share between threads if the listener and the budget are.
 *
 * @param timeout after which the child and its descendants are ended, or empty for never
 * @param grace how long the tree may take to end itself after SIGTERM before it is sent SIGKILL
 * @param group the child's process group
 * @param dieWithParent true to have the kernel send the child SIGKILL when this JVM dies, however
 *     it dies
 * @param memoryListener who is told what happens to the child's memory while it lives, or empty
 * @param retryable true if the child is started again when memguard ends it for want of memory
 * @param budget what its memory is taken from, or empty if that is not counted
 * @param hangGrace how long it may do nothing after it was refused memory, before it is ended;
 *     empty for what {@link #withHangGrace} says
 * @param tuning which runtimes are told to live within the limit
 * @param name what the child is called in logs, recordings and meters; empty for its program
 */
public record LaunchOptions(
    Optional<Duration> timeout,
    Duration grace,
    ProcessGroup group,
    boolean dieWithParent,
    Optional<Consumer<MemoryEvent>> memoryListener,
    boolean retryable,
    Optional<Budget> budget,
    Optional<Duration> hangGrace,
    RuntimeTuning tuning,
    Optional<String> name) {
  /** So long that nobody sees the end of it. */
  public static final Duration NEVER = ChronoUnit.FOREVER.getDuration();

  /** What {@link #withHangGrace} is where children are run to their end. */
  public static final Duration DEFAULT_HANG_GRACE = Duration.ofSeconds(30);

  private static final int MOST_NAME = 100;

  private static final LaunchOptions DEFAULTS =
      new LaunchOptions(
          Optional.empty(),
          Duration.ofSeconds(5),
          ProcessGroup.INHERITED,
          false,
          Optional.empty(),
          false,
          Optional.empty(),
          Optional.empty(),
          RuntimeTuning.off(),
          Optional.empty());

  /** Names the process group a child is put into. */
  public enum ProcessGroup {
    /** The parent's own, as with {@link ProcessBuilder}: a terminal's ^C reaches both. */
    INHERITED,
    /** A new process group, led by the child (setpgid(2)). */
    NEW_GROUP,
    /** A new session without a terminal, led by the child (setsid(2)). */
    NEW_SESSION
  }

  /**
   * What a child's memory is taken from.
   *
   * @param source the budget
   * @param atMost how long a launch waits for its turn; zero fails at once
   */
  public record Budget(MemorySource source, Duration atMost) {
    /**
     * Checks the values.
     *
     * @param source the budget
     * @param atMost how long a launch waits for its turn; zero fails at once
     * @throws IllegalArgumentException if the time is negative
     */
    public Budget {
      Objects.requireNonNull(source, "budget");
      if (atMost.isNegative()) {
        throw new IllegalArgumentException(
            "the wait for a budget, " + atMost + ", is negative; allowed is zero or more");
      }
    }
  }

  /**
   * Checks the values.
   *
   * @param timeout after which the child and its descendants are ended, or empty for never
   * @param grace how long the tree may take to end itself after SIGTERM before it is sent SIGKILL
   * @param group the child's process group
   * @param dieWithParent true to have the kernel send the child SIGKILL when this JVM dies, however
   *     it dies
   * @param memoryListener who is told what happens to the child's memory while it lives, or empty
   * @param retryable true if the child is started again when memguard ends it for want of memory
   * @param budget what its memory is taken from, or empty if that is not counted
   * @param hangGrace how long it may do nothing after it was refused memory, before it is ended;
   *     empty for what {@link #withHangGrace} says
   * @param tuning which runtimes are told to live within the limit
   * @param name what the child is called in logs, recordings and meters; empty for its program
   * @throws IllegalArgumentException if the time-out or the time for hangs is not positive, or the
   *     grace period is negative, or the name is empty, too long, or has control characters in it
   */
  public LaunchOptions {
    Objects.requireNonNull(group, "group");
    Objects.requireNonNull(tuning, "tuning");
    timeout
        .filter(t -> t.isNegative() || t.isZero())
        .ifPresent(
            t -> {
              throw new IllegalArgumentException(
                  "timeout " + t + " is not positive; leave it out for none");
            });
    hangGrace
        .filter(t -> t.isNegative() || t.isZero())
        .ifPresent(
            t -> {
              throw new IllegalArgumentException(
                  "hang grace " + t + " is not positive; LaunchOptions.NEVER is for never");
            });
    name.ifPresent(LaunchOptions::checkName);
    if (grace.isNegative()) {
      throw new IllegalArgumentException(
          "grace period " + grace + " is negative; allowed is zero or more");
    }
  }

  private static void checkName(String name) {
    if (name.isBlank()
        || name.length() > MOST_NAME
        || name.codePoints().anyMatch(LaunchOptions::isOdd)) {
      throw new IllegalArgumentException(
          "the name \""
              + name
              + "\" will not do; allowed are 1 to "
              + MOST_NAME
              + " characters without control characters");
    }
  }

  private static boolean isOdd(int character) {
    int type = Character.getType(character);
    return type == Character.CONTROL
        || type == Character.FORMAT
        || type == Character.LINE_SEPARATOR
        || type == Character.PARAGRAPH_SEPARATOR;
  }

  /**
   * Returns what holds where nothing is said: no time-out, 5 seconds of grace, the parent's process
   * group, nobody is told, no budget, no tuning, and for hangs what {@link #withHangGrace} says.
   *
   * @return the defaults
   */
  public static LaunchOptions defaults() {
    return DEFAULTS;
  }

  /**
   * Ends the child and its descendants if it still lives after this time.
   *
   * @param value more than zero
   * @return the new options
   * @throws IllegalArgumentException if it is not positive
   */
  public LaunchOptions withTimeout(Duration value) {
    return changed(copy -> copy.timeout = Optional.of(value));
  }

  /**
   * Sets how long the tree may take to end itself after SIGTERM.
   *
   * @param value zero or more
   * @return the new options
   * @throws IllegalArgumentException if it is negative
   */
  public LaunchOptions withGrace(Duration value) {
    return changed(copy -> copy.grace = value);
  }

  /**
   * Puts the child into a process group.
   *
   * @param value which one
   * @return the new options
   */
  public LaunchOptions withGroup(ProcessGroup value) {
    return changed(copy -> copy.group = value);
  }

  /**
   * Has the kernel kill the child when this JVM dies, even by SIGKILL (PR_SET_PDEATHSIG of
   * prctl(2)). It reaches the child itself, not what the child started, and not a setuid program.
   *
   * @param value true to have it so
   * @return the new options
   */
  public LaunchOptions withDieWithParent(boolean value) {
    return changed(copy -> copy.dieWithParent = value);
  }

  /**
   * Has somebody told what happens to the child's memory while it lives: that it or a descendant
   * was refused memory, that it reached a limit, that a descendant was killed for lack of memory
   * and the child lives on, or that memguard ended it for that. The witness tells of refusals
   * ({@link Protection#WITNESS}), and is asked once a second; the kernel of a child that has a
   * cgroup of its own ({@link Protection#CGROUP_LEAF}), memguard of one that it watches ({@link
   * Protection#TREE_WATCH}, {@link Protection#HEADROOM_GUARD}); for others this has no effect and
   * no cost.
   *
   * <p>The listener runs on a thread of the guard's, one event after the other, those of all its
   * children. It should return soon: others wait behind it, and the outcome of a child that has
   * ended waits for it for up to a second. What it throws is logged. What was noted and counted
   * until the child's end is told before the outcome; of the kernel's counters, the portable engine
   * tells all then.
   *
   * @param value who is told
   * @return the new options
   */
  public LaunchOptions withMemoryListener(Consumer<MemoryEvent> value) {
    return changed(copy -> copy.memoryListener = Optional.of(value));
  }

  /**
   * Says that the child is started again when memguard ends it for want of memory: then it is ended
   * before others, see {@link VictimPolicy#standard}. With a {@link io.memguard.recover.RetryPolicy
   * RetryPolicy} that is known without this.
   *
   * @param value true if it is
   * @return the new options
   */
  public LaunchOptions withRetryable(boolean value) {
    return changed(copy -> copy.retryable = value);
  }

  /**
   * Takes the child's memory from a budget before anything of the child is made, and waits as long
   * as that takes.
   *
   * @param source the budget, usually an {@code io.memguard.recover.MemoryBudget}
   * @return the new options
   * @see #withBudget(MemorySource, Duration)
   */
  public LaunchOptions withBudget(MemorySource source) {
    return withBudget(source, NEVER);
  }

  /**
   * Takes the child's memory from a budget before anything of the child is made: as much as {@link
   * MemoryLimits#treeMemory}, or where that is not set, {@link MemoryLimits#memory}. It is given
   * back once, when the launch has failed, or the child has ended and nothing is known to be left
   * of it: where its tree is being ended, when that is gone; where it had a cgroup of its own, when
   * that was removed. When the outcome is known and nothing was left, it has been given back.
   *
   * <p>The child's time-out begins when it starts. A launch that waited in vain fails with a {@code
   * LaunchException}. An attempt of a {@code RetryPolicy} holds nothing while the next one waits.
   *
   * @param source the budget, usually an {@code io.memguard.recover.MemoryBudget}
   * @param atMost how long a launch waits for its turn; zero fails at once
   * @return the new options
   * @throws IllegalArgumentException if the time is negative
   */
  public LaunchOptions withBudget(MemorySource source, Duration atMost) {
    return changed(copy -> copy.budget = Optional.of(new Budget(source, atMost)));
  }

  /**
   * Ends the child and its descendants if they were refused memory, carried on, and then do nothing
   * for this time: the outcome is {@code ALLOCATION_DENIED}, and says that it hung. To do nothing
   * is to use less than 1 % of a CPU together, to read and write nothing, and to start and end no
   * process. Who is stopped (SIGSTOP, a debugger), waits for a disk, a CPU or the reader of a full
   * pipe, or has an internet socket is left alone; so is who has worked for as long as this since
   * the last refusal. The refusal is seen by the witness ({@link Protection#WITNESS}): without one
   * nobody is ended.
   *
   * <p>If nothing is said, it is 30 seconds for {@code MemoryGuard.run}, where nobody can feed the
   * child's stdin: it is empty, a file, or {@code /dev/null}. For {@code start}, and where stdin is
   * a terminal or a pipe of the caller's, or the child is a supervisor ({@link
   * Protection#WORKERS_FIRST}), it is {@link #NEVER}: a server that survived a refusal and waits
   * for requests does not hang. Where the kernel does not tell what it reads and writes
   * (proc_pid_io(5), another user's process), it has twice the time.
   *
   * @param value more than zero, {@link #NEVER} for never; the kernel counts CPU in hundredths of a
   *     second, so less than a second is little
   * @return the new options
   * @throws IllegalArgumentException if the time is not positive
   */
  public LaunchOptions withHangGrace(Duration value) {
    return changed(copy -> copy.hangGrace = Optional.of(value));
  }

  /**
   * Has runtimes told to live within the child's limit, anew for each attempt.
   *
   * @param value which ones
   * @return the new options
   */
  public LaunchOptions withTuning(RuntimeTuning value) {
    return changed(copy -> copy.tuning = value);
  }

  /**
   * Says what the child is called in logs, flight recordings and meters, instead of its program:
   * many different jobs are run by {@code python3}. It names a kind of job, not one job: meters
   * have it as a tag, and keep each value for ever.
   *
   * @param value 1 to 100 characters without control characters, for example {@code "thumbnails"}
   * @return the new options
   * @throws IllegalArgumentException if it is blank, longer, or has control characters in it
   */
  public LaunchOptions withName(String value) {
    return changed(copy -> copy.name = Optional.of(value));
  }

  private LaunchOptions changed(Consumer<Copy> change) {
    Copy copy = new Copy(this);
    change.accept(copy);
    return new LaunchOptions(
        copy.timeout,
        copy.grace,
        copy.group,
        copy.dieWithParent,
        copy.memoryListener,
        copy.retryable,
        copy.budget,
        copy.hangGrace,
        copy.tuning,
        copy.name);
  }

  /** All of it, to be changed once before it is options again. */
  private static final class Copy {
    private Optional<Duration> timeout;
    private Duration grace;
    private ProcessGroup group;
    private boolean dieWithParent;
    private Optional<Consumer<MemoryEvent>> memoryListener;
    private boolean retryable;
    private Optional<Budget> budget;
    private Optional<Duration> hangGrace;
    private RuntimeTuning tuning;
    private Optional<String> name;

    Copy(LaunchOptions of) {
      timeout = of.timeout;
      grace = of.grace;
      group = of.group;
      dieWithParent = of.dieWithParent;
      memoryListener = of.memoryListener;
      retryable = of.retryable;
      budget = of.budget;
      hangGrace = of.hangGrace;
      tuning = of.tuning;
      name = of.name;
    }
  }
}
