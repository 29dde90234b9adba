package io.memguard.cli;

import io.memguard.PrepareOptions;
import io.memguard.limits.LaunchOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.limits.MemorySize;
import io.memguard.limits.Protection;
import io.memguard.limits.Requirement;
import io.memguard.limits.ResourceLimit;
import io.memguard.limits.Rlimit;
import io.memguard.limits.RuntimeTuning;
import io.memguard.outcome.Signal;
import io.memguard.recover.RetryPolicy;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.Stack;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.IParameterPreprocessor;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;

/** {@code memguard run}: its options, each checked before anything is started. */
@Command(
    name = "run",
    customSynopsis = "memguard run [OPTION]... [--] COMMAND [ARGUMENT]...",
    description = {
      "Runs a command under limits. Its streams are memguard's own, signals sent to memguard reach it,"
          + " and everything from COMMAND on is passed on untouched.",
      ""
    },
    sortOptions = false,
    exitCodeListHeading = "%nExit status:%n",
    exitCodeList = {
      "0-255:the command's own, where nothing below applies",
      "124:it timed out",
      "125:memguard itself failed, or was used wrongly",
      "126:the command cannot be executed",
      "127:the command was not found",
      "137:it ran out of memory, however it ended (see --oom-exit-code)",
      "128+n:signal n killed it"
    })
final class RunCommand implements Callable<Integer> {
  private static final int LARGEST_STATUS = 255;
  private static final Duration SHORTEST_WATCH = Duration.ofMillis(100);
  private static final Duration LONGEST_WATCH = Duration.ofHours(1);

  @Spec private CommandSpec spec;

  @Option(
      names = "--memory",
      paramLabel = "SIZE",
      converter = Size.class,
      description =
          "Refuse the command more private memory than this, each of its processes on its own"
              + " (RLIMIT_DATA); also the default of --tree-memory. For example 512MiB, 2G. Default:"
              + " no limit.")
  private @Nullable Long memory;

  @Option(
      names = "--tree-memory",
      paramLabel = "SIZE",
      converter = Size.class,
      description =
          "End it, and all that descends from it, if together they have more than this (with"
              + " --memory, a little more), shared memory included. Default: the same as --memory.")
  private @Nullable Long treeMemory;

  @Option(
      names = "--rlimit",
      paramLabel = "NAME=SOFT[:HARD]",
      converter = Limit.class,
      description =
          "Set a resource limit, for example core=0 or nofile=256:1024: as, core, cpu, data, fsize,"
              + " nofile, nproc or stack. May be repeated.")
  private List<ResourceLimit> rlimits = new ArrayList<>();

  @Option(
      names = "--retries",
      paramLabel = "N",
      description = "Run it up to N more times if it ran out of memory. Default: 0.")
  private @Nullable Integer retries;

  @Option(
      names = "--grow",
      paramLabel = "F",
      description =
          "Multiply the memory limit by this for each retry, or take the limit the outcome suggests"
              + " if that is larger. Default: 2.0.")
  private @Nullable Double grow;

  @Option(
      names = "--max-memory",
      paramLabel = "SIZE",
      converter = Size.class,
      description = "The largest limit a retry may get. Default: any.")
  private @Nullable Long maxMemory;

  @Option(
      names = "--timeout",
      paramLabel = "D",
      converter = Time.class,
      description =
          "End it, and all that descends from it, if it still runs after this time; each retry has"
              + " this time anew. For example 30s, 5m, 1h30m, 500ms.")
  private @Nullable Duration timeout;

  @Option(
      names = "--grace",
      paramLabel = "D",
      converter = Time.class,
      description =
          "How long it may take to end itself after SIGTERM before it is killed. Default: 5s.")
  private Duration grace = LaunchOptions.defaults().grace();

  @Option(
      names = "--hang-grace",
      paramLabel = "D",
      converter = TimeOrNever.class,
      description =
          "End it, and all that descends from it, if it was refused memory and then does nothing for"
              + " this time: no CPU, no I/O, no process more or less. never: leave it alone."
              + " Default: 30s, and never if its stdin is a terminal or a pipe.")
  private @Nullable Duration hangGrace;

  @Option(
      names = "--no-forward",
      paramLabel = "SIGNAL",
      converter = SignalName.class,
      description =
          "Do not pass this signal on, for example INT: who sends it sends it to the whole process"
              + " group, and the command would get it twice. May be repeated.")
  private List<Signal> kept = new ArrayList<>();

  @Option(
      names = "--die-with-parent",
      description = "Have the kernel kill it when memguard is killed, even by SIGKILL.")
  private boolean dieWithParent;

  @Option(
      names = "--report",
      paramLabel = "FILE",
      description = "Write a JSON object that tells how it ended.")
  private @Nullable String report;

  @Option(
      names = "--watch",
      arity = "0..1",
      preprocessor = OnlyAttachedTime.class,
      paramLabel = "D",
      converter = Time.class,
      description =
          "Show its memory against the limits while it runs, in the last lines of the terminal, or"
              + " where stderr is none, by a line when it has changed much; every D at most."
              + " Default: 1s.")
  private @Nullable Duration watch;

  @Option(
      names = "--plot",
      paramLabel = "FILE",
      description =
          "Draw its memory over time, with limits, refusals and ends, into a file that ends in .svg"
              + " or .png.")
  private @Nullable String plot;

  @Option(
      names = "--oom-exit-code",
      paramLabel = "N",
      description = "The exit status if it ran out of memory. Default: 137.")
  private int oomExitCode = ExitStatus.OUT_OF_MEMORY;

  @Option(
      names = "--witness",
      paramLabel = "WHEN",
      converter = Need.class,
      description =
          "Preload the observer that notes refused memory: require, prefer or off."
              + " Default: prefer, where memory is limited.")
  private Requirement witness = Requirement.PREFER;

  @Option(
      names = "--tune",
      paramLabel = "WHAT",
      converter = Tune.class,
      description =
          "Tell its runtime to live within the limit: auto, off, or some of"
              + " jvm,node,go,dotnet,glibc,thread-stacks. Default: off.")
  private RuntimeTuning tune = RuntimeTuning.off();

  @Option(
      names = "--tree-watch",
      paramLabel = "WHEN",
      converter = Need.class,
      description =
          "Have memguard watch for --tree-memory where it has no cgroup of its own: require, prefer"
              + " or off. Default: prefer, with --memory or --tree-memory.")
  private @Nullable Requirement treeWatch;

  @Option(
      names = "--cgroup",
      arity = "0..1",
      preprocessor = OnlyAttached.class,
      paramLabel = "WHEN",
      converter = Need.class,
      description =
          "Give it a cgroup of its own, with a limit a little above --memory: require, prefer or off."
              + " Default: off; prefer without WHEN, and with --memory-high or --pids-max.")
  private @Nullable Requirement cgroup;

  @Option(
      names = "--workers-first",
      arity = "0..1",
      preprocessor = OnlyAttached.class,
      paramLabel = "WHEN",
      converter = Need.class,
      description =
          "Where the kernel has to kill, have it take what the command starts, and not the command:"
              + " require, prefer or off. For a supervisor with workers. Default: off; prefer"
              + " without WHEN.")
  private @Nullable Requirement workersFirst;

  @Option(
      names = "--memory-high",
      paramLabel = "SIZE",
      converter = Size.class,
      description =
          "Slow it and its descendants down from this size on (memory.high of its cgroup)."
              + " Default: never.")
  private @Nullable Long memoryHigh;

  @Option(
      names = "--pids-max",
      paramLabel = "N",
      description =
          "Let it and its descendants be N processes and threads at most (pids.max of its cgroup)."
              + " Default: any number.")
  private @Nullable Integer pidsMax;

  @Option(
      names = "--prepare-cgroup",
      description =
          "First make room for --cgroup: move all processes of memguard's own cgroup into one named"
              + " supervisor below it. For the first command of a container or service.")
  private boolean prepare;

  @Option(
      names = "--supervisor-min",
      paramLabel = "SIZE",
      converter = Size.class,
      description =
          "With --prepare-cgroup: protect this much of the supervisor's memory (its memory.min).")
  private @Nullable Long supervisorMin;

  @Option(
      names = "--disarm-oom-group",
      description =
          "With --prepare-cgroup: have the kernel kill one process, and not the whole container, at"
              + " the container's limit (0 to its memory.oom.group).")
  private boolean disarmOomGroup;

  @Option(
      names = "--systemd-scope",
      description =
          "With --prepare-cgroup: ask systemd for a delegated scope first, where memguard is not in"
              + " one.")
  private boolean systemdScope;

  @Option(
      names = "--quiet",
      description =
          "Say nothing on stderr about how it ended, or what became of its descendants; only"
              + " memguard's own errors.")
  private boolean quiet;

  @SuppressWarnings("unused") // picocli reads it
  @Option(names = "--help", usageHelp = true, description = "Shows this and exits.")
  private boolean help;

  @Parameters(arity = "1..*", paramLabel = "COMMAND", hidden = true)
  private List<String> command = new ArrayList<>();

  @SuppressWarnings("NullAway.Init") // picocli sets the fields
  RunCommand() {}

  @Override
  public Integer call() {
    MemoryLimits limits = limits();
    RetryPolicy retry = retry(limits);
    LaunchOptions options = options();
    if (!tune.equals(RuntimeTuning.off()) && limits.memory().isEmpty()) {
      throw wrong("--tune has no limit to tell of; give --memory");
    }
    check(
        oomExitCode >= 0 && oomExitCode <= LARGEST_STATUS,
        "--oom-exit-code",
        oomExitCode,
        "0 to " + LARGEST_STATUS);
    Run.Request request =
        new Run.Request(
            command,
            limits,
            options,
            retry,
            attempts(),
            oomExitCode,
            Set.copyOf(kept),
            preparation());
    if (watch != null) {
      check(
          watch.compareTo(SHORTEST_WATCH) >= 0 && watch.compareTo(LONGEST_WATCH) <= 0,
          "--watch",
          watch.toMillis() + "ms",
          "100ms to 1h");
    }
    Optional<PlotFile> drawing = Optional.ofNullable(plot).map(this::plotFile);
    Optional<OutputFile> file = Optional.ofNullable(report).map(this::reportFile);
    if (drawing.isPresent() && drawing.map(PlotFile::file).equals(file)) {
      throw wrong("--plot and --report are the same file, \"" + plot + "\"");
    }
    drawing.map(PlotFile::file).ifPresent(one -> clear("plot", one)); // last, when nothing is wrong
    file.ifPresent(one -> clear("report", one));
    return new Run(
            request,
            quiet ? line -> {} : Console::say,
            file.orElse(null),
            drawing,
            Optional.ofNullable(watch))
        .execute();
  }

  private OutputFile reportFile(String name) {
    try {
      return OutputFile.check(name);
    } catch (IOException e) {
      throw wrong("the report " + e.getMessage());
    }
  }

  private PlotFile plotFile(String name) {
    try {
      return PlotFile.check(name);
    } catch (IllegalArgumentException e) {
      throw wrong("--plot " + e.getMessage());
    } catch (IOException e) {
      throw wrong("the plot " + e.getMessage());
    }
  }

  private void clear(String what, OutputFile file) {
    try {
      file.clear();
    } catch (IOException e) {
      throw wrong("the " + what + " " + e.getMessage());
    }
  }

  private MemoryLimits limits() {
    MemoryLimits limits = MemoryLimits.none().with(Protection.WITNESS, witness);
    if (workersFirst != null) {
      limits = limits.with(Protection.WORKERS_FIRST, workersFirst);
    }
    Set<Rlimit> named = EnumSet.noneOf(Rlimit.class);
    for (ResourceLimit limit : rlimits) {
      String name = limit.resource().name().toLowerCase(Locale.ROOT);
      if (!named.add(limit.resource())) {
        throw wrong("--rlimit " + name + " is given twice");
      }
      limits = limits.withRlimit(limit);
    }
    limits = tree(cgroup(limits));
    if (memory == null) {
      return limits;
    }
    if (named.contains(Rlimit.DATA)) {
      throw wrong("--memory and --rlimit data are the same limit; give one of them");
    }
    return limits.withRlimit(new ResourceLimit(Rlimit.DATA, memory, memory));
  }

  private MemoryLimits tree(MemoryLimits limits) {
    Long size = treeMemory == null ? memory : treeMemory;
    MemoryLimits all = size == null ? limits : limits.withTreeMemory(size);
    if (treeWatch == null) {
      return all;
    }
    if (treeWatch == Requirement.REQUIRE && size == null) {
      throw wrong("--tree-watch=require has nothing to watch for; give --tree-memory");
    }
    return all.with(Protection.TREE_WATCH, treeWatch);
  }

  private MemoryLimits cgroup(MemoryLimits limits) {
    if (cgroup == Requirement.OFF && (memoryHigh != null || pidsMax != null)) {
      throw wrong(
          (memoryHigh != null ? "--memory-high" : "--pids-max")
              + " has no effect with --cgroup=off");
    }
    MemoryLimits all = limits;
    if (cgroup != null) {
      all = all.with(Protection.CGROUP_LEAF, cgroup);
    }
    if (memoryHigh != null) {
      all = all.withMemoryHigh(memoryHigh);
    }
    if (pidsMax != null) {
      check(pidsMax >= 1, "--pids-max", pidsMax, "1 to " + Integer.MAX_VALUE);
      all = all.withPidsMax(pidsMax);
    }
    return all;
  }

  private Optional<PrepareOptions> preparation() {
    if (!prepare) {
      String needless =
          supervisorMin != null
              ? "--supervisor-min"
              : disarmOomGroup ? "--disarm-oom-group" : systemdScope ? "--systemd-scope" : null;
      if (needless != null) {
        throw wrong(needless + " has no effect without --prepare-cgroup");
      }
      return Optional.empty();
    }
    PrepareOptions options =
        PrepareOptions.defaults().withDisarmOomGroup(disarmOomGroup).withSystemdScope(systemdScope);
    return Optional.of(supervisorMin == null ? options : options.withMemoryMin(supervisorMin));
  }

  private int attempts() {
    return retries == null ? 1 : retries + 1;
  }

  private RetryPolicy retry(MemoryLimits limits) {
    if (retries == null) {
      if (grow != null || maxMemory != null) {
        throw wrong(
            (grow != null ? "--grow" : "--max-memory") + " has no effect without --retries");
      }
      return RetryPolicy.never();
    }
    check(
        retries >= 0 && retries < Integer.MAX_VALUE,
        "--retries",
        retries,
        "0 to " + (Integer.MAX_VALUE - 1));
    if (retries > 0 && limits.memory().isEmpty()) {
      throw wrong("--retries needs a limit that can grow: give --memory");
    }
    double factor = grow == null ? 2.0 : grow;
    check(Double.isFinite(factor) && factor >= 1.0, "--grow", factor, "1.0 or more");
    RetryPolicy policy = RetryPolicy.onOutOfMemory().maxAttempts(attempts()).growBy(factor);
    if (maxMemory == null) {
      return policy;
    }
    if (maxMemory < limits.memory().orElse(0)) {
      throw wrong(
          "--max-memory "
              + MemorySize.format(maxMemory)
              + " is below the first limit, "
              + MemorySize.format(limits.memory().getAsLong()));
    }
    return policy.upTo(maxMemory);
  }

  private LaunchOptions options() {
    LaunchOptions options =
        LaunchOptions.defaults().withGrace(grace).withTuning(tune).withDieWithParent(dieWithParent);
    if (hangGrace != null) {
      if (hangGrace.isZero()) {
        throw wrong("--hang-grace 0 leaves no time; never is for never");
      }
      options = options.withHangGrace(hangGrace);
    }
    if (timeout == null) {
      return options;
    }
    if (timeout.isZero()) {
      throw wrong("--timeout 0 leaves no time; leave it out for none");
    }
    return options.withTimeout(timeout);
  }

  private void check(boolean ok, String option, Object value, String allowed) {
    if (!ok) {
      throw wrong(option + " " + value + " is out of range; allowed is " + allowed);
    }
  }

  private ParameterException wrong(String what) {
    return new ParameterException(spec.commandLine(), what);
  }

  /** Reads a value, and keeps the message that says what is allowed. */
  private interface Reader<T> extends ITypeConverter<T> {
    T read(String text);

    @Override
    default T convert(String text) {
      try {
        return read(text);
      } catch (IllegalArgumentException e) {
        throw new TypeConversionException(e.getMessage());
      }
    }
  }

  private static final class Size implements Reader<Long> {
    @Override
    public Long read(String text) {
      return MemorySize.parse(text);
    }
  }

  private static final class Limit implements Reader<ResourceLimit> {
    @Override
    public ResourceLimit read(String text) {
      return ResourceLimit.parse(text);
    }
  }

  private static final class SignalName implements Reader<Signal> {
    @Override
    public Signal read(String text) {
      return Signals.forwarded(text);
    }
  }

  private static final class Time implements Reader<Duration> {
    @Override
    public Duration read(String text) {
      return Durations.parse(text);
    }
  }

  private static final class TimeOrNever implements Reader<Duration> {
    @Override
    public Duration read(String text) {
      return text.equals("never") ? LaunchOptions.NEVER : Durations.parse(text);
    }
  }

  private static final class Tune implements Reader<RuntimeTuning> {
    @Override
    public RuntimeTuning read(String text) {
      return RuntimeTuning.parse(text);
    }
  }

  private static final class Need implements Reader<Requirement> {
    @Override
    public Requirement read(String text) {
      return switch (text) {
        case "require" -> Requirement.REQUIRE;
        case "prefer" -> Requirement.PREFER;
        case "off" -> Requirement.OFF;
        default ->
            throw new IllegalArgumentException("\"" + text + "\" is none of require, prefer, off");
      };
    }
  }

  /** Takes a value behind "=" only: what else follows is the next option, or the command. */
  private static class OnlyAttached implements IParameterPreprocessor {
    /** Returns the value where none is attached. */
    String otherwise() {
      return "prefer";
    }

    @Override
    public final boolean preprocess(
        Stack<String> args, CommandSpec command, ArgSpec option, Map<String, Object> info) {
      if (!"=".equals(info.get("separator"))) {
        args.push(otherwise());
      }
      return false; // picocli goes on with what is there now
    }
  }

  private static final class OnlyAttachedTime extends OnlyAttached {
    @Override
    String otherwise() {
      return "1s";
    }
  }
}
