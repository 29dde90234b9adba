package io.memguard.platform.jfr;

import jdk.jfr.Category;
import jdk.jfr.DataAmount;
import jdk.jfr.Description;
import jdk.jfr.Enabled;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;
import jdk.jfr.Timespan;
import org.jspecify.annotations.Nullable;

/**
 * The events. Their names, and those of their fields, are what users write into queries: see
 * docs/events.md. What is unknown is {@link Long#MIN_VALUE}, or null.
 *
 * <p>What happens to memory is off unless a recording's settings switch it on, as {@code
 * memguard.jfc} does: somebody has to look for it as long as a child lives.
 */
final class FlightEvents {
  private FlightEvents() {}

  @Name("memguard.ChildLaunch")
  @Label("Child Launch")
  @Category("memguard")
  @Description("A child process was started; the duration is that of the launch")
  static final class Launch extends Event {
    @Label("Process Id")
    long pid;

    @Label("Name")
    @Nullable String name;

    @Label("Program")
    @Nullable String program;

    @Label("Memory Limit")
    @DataAmount
    long limit;

    @Label("Tree Memory Limit")
    @Description("What the child and its descendants may use together")
    @DataAmount
    long treeLimit;
  }

  @Name("memguard.LaunchFailure")
  @Label("Launch Failure")
  @Category("memguard")
  @Description("A child process could not be started")
  static final class LaunchFailure extends Event {
    @Label("Name")
    @Nullable String name;

    @Label("Program")
    @Nullable String program;

    @Label("Memory Limit")
    @DataAmount
    long limit;

    @Label("Step")
    @Description("What failed")
    @Nullable String step;

    @Label("Error")
    @Description("The kernel's reason, if it was the kernel")
    @Nullable String errno;

    @Label("Message")
    @Nullable String message;

    @Label("Next")
    @Description("retry, if it is tried again")
    @Nullable String next;
  }

  @Name("memguard.ChildOutcome")
  @Label("Child Outcome")
  @Category("memguard")
  @Description("A child process has ended: how, and what comes next")
  @StackTrace(false)
  static final class End extends Event {
    @Label("Process Id")
    long pid;

    @Label("Name")
    @Nullable String name;

    @Label("Program")
    @Nullable String program;

    @Label("Outcome")
    @Nullable String outcome;

    @Label("Exit Code")
    @Description("-1 if a signal ended it")
    int exitCode;

    @Label("Signal")
    @Description("The signal that ended it, whoever sent that")
    @Nullable String signal;

    @Label("Cause")
    @Description("Why it ran out of memory")
    @Nullable String cause;

    @Label("Confidence")
    @Nullable String confidence;

    @Label("Memory Limit")
    @DataAmount
    long limit;

    @Label("Peak Memory")
    @DataAmount
    long peak;

    @Label("Refused")
    @Description("The largest request for memory that was refused")
    @DataAmount
    long refused;

    @Label("Lifetime")
    @Timespan(Timespan.NANOSECONDS)
    long lifetime;

    @Label("Attempt")
    int attempt;

    @Label("Next")
    @Description("What memguard does now: nothing, retry, give-up, quarantine, replace")
    @Nullable String next;

    @Label("Next Memory Limit")
    @DataAmount
    long nextLimit;

    @Label("Explanation")
    @Nullable String explanation;
  }

  @Name("memguard.MemoryRefused")
  @Label("Memory Refused")
  @Category("memguard")
  @Description("A process of a child's was refused memory, a thread or another process")
  @Enabled(false)
  @StackTrace(false)
  static final class Refused extends Event {
    @Label("Child Process Id")
    long child;

    @Label("Process Id")
    @Description("The process that was refused something: the child or a descendant")
    long pid;

    @Label("Process Name")
    @Nullable String process;

    @Label("Call")
    @Nullable String call;

    @Label("Refused")
    @Description("The last request that was refused")
    @DataAmount
    long refused;

    @Label("Largest Refused")
    @DataAmount
    long largest;

    @Label("Times")
    @Description("How often since the last such event of this process")
    long times;
  }

  @Name("memguard.Pressure")
  @Label("Memory Pressure")
  @Category("memguard")
  @Description("A child, or the container, came near a limit, or the kernel killed a process")
  @Enabled(false)
  @StackTrace(false)
  static final class Pressure extends Event {
    @Label("Child Process Id")
    @Description("Not available if it is the container's")
    long child;

    @Label("Kind")
    @Nullable String kind;

    @Label("Level")
    @Nullable String level;

    @Label("Times")
    long times;

    @Label("Bytes")
    @Description("What was read: the container's head-room, or what a child had")
    @DataAmount
    long bytes;

    @Label("Processes")
    @Description("Those that were killed, as far as they are known")
    @Nullable String processes;
  }

  @Name("memguard.Preemption")
  @Label("Preemption")
  @Category("memguard")
  @Description("memguard ends a child, or what it left behind, for its memory")
  @Enabled(false)
  @StackTrace(false)
  static final class Preempted extends Event {
    @Label("Child Process Id")
    long child;

    @Label("Reason")
    @Description("Whose memory ran out: tree-memory or head-room")
    @Nullable String reason;

    @Label("Limit")
    @DataAmount
    long limit;

    @Label("Threshold")
    @Description("From which size on memguard acts")
    @DataAmount
    long threshold;

    @Label("Used")
    @Description("What was read of the memory that the limit is for")
    @DataAmount
    long used;

    @Label("Held")
    @Description("What the child and its descendants had of it")
    @DataAmount
    long held;

    @Label("Processes")
    int processes;

    @Label("Source")
    @Nullable String source;
  }

  @Name("memguard.PoolChange")
  @Label("Pool Change")
  @Category("memguard")
  @Description("A worker of a pool was ready or has ended, or a task is tried again or set aside")
  @StackTrace(false)
  static final class PoolChanged extends Event {
    @Label("Program")
    @Nullable String program;

    @Label("Change")
    @Nullable String change;

    @Label("Process Id")
    @Description("The worker")
    long pid;

    @Label("Memory Limit")
    @Description("The worker's, or that of the task's next worker")
    @DataAmount
    long limit;

    @Label("Task")
    long task;

    @Label("Reason")
    @Nullable String reason;
  }
}
