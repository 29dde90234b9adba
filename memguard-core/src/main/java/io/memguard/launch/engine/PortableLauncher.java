package io.memguard.launch.engine;

import io.memguard.launch.LaunchException;
import io.memguard.launch.LaunchStep;
import io.memguard.limits.LaunchOptions.ProcessGroup;
import io.memguard.limits.Protection;
import io.memguard.limits.ProtectionState;
import io.memguard.limits.Requirement;
import io.memguard.limits.ResourceLimit;
import io.memguard.limits.Rlimit;
import io.memguard.platform.Errno;
import io.memguard.platform.OwnLimits;
import java.io.File;
import java.io.IOException;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Starts children through {@link ProcessBuilder}: a shell in front of the program sets the limits,
 * by its own {@code ulimit} or, where that cannot express them, by prlimit(1), and becomes the
 * program.
 *
 * <p>Safe to share between threads.
 */
public final class PortableLauncher {
  private static final Pattern JDK_ERRNO = Pattern.compile("error=([0-9]+)");
  private static final int SHELL_BLOCK = 512;
  private static final int KIB = 1024;

  /**
   * A child, just started.
   *
   * @param process the JDK's view of it
   * @param protections what is in force
   */
  public record Started(Process process, Map<Protection, ProtectionState> protections) {}

  /**
   * Starts a child.
   *
   * @param plan what to start
   * @param variables what only the program is to find in its environment, not the shell in front of
   *     it
   * @throws LaunchException if it cannot be started
   */
  public Started launch(LaunchPlan plan, Map<String, String> variables) throws LaunchException {
    refuseWhatOnlyTheNativeEngineCan(plan);
    File directory = plan.directory();
    if (directory != null && !directory.isDirectory()) {
      throw LaunchFailure.directory(plan, directory.exists() ? Errno.ENOTDIR : Errno.ENOENT);
    }
    File program = findProgram(plan);
    Map<Protection, ProtectionState> protections = new EnumMap<>(Protection.class);
    String script = script(plan, variables, protections);
    List<String> command =
        new ArrayList<>(List.of("/bin/sh", "-c", script, "memguard", program.getPath()));
    command.addAll(plan.command().subList(1, plan.command().size()));
    ProcessBuilder builder =
        new ProcessBuilder(command)
            .directory(directory)
            .redirectInput(plan.stdin())
            .redirectOutput(plan.stdout())
            .redirectError(plan.stderr())
            .redirectErrorStream(plan.redirectErrorStream());
    builder.environment().clear();
    builder.environment().putAll(plan.environment());
    try {
      return new Started(builder.start(), protections);
    } catch (IOException e) {
      throw failure(plan, e);
    }
  }

  private static void refuseWhatOnlyTheNativeEngineCan(LaunchPlan plan) throws LaunchException {
    String wanted =
        plan.options().dieWithParent()
            ? "death with the parent"
            : plan.options().group() == ProcessGroup.NEW_GROUP
                ? "a process group of its own"
                : null;
    if (wanted != null) {
      throw new LaunchException(
          LaunchStep.PREPARE,
          0,
          "the portable engine cannot give a child " + wanted,
          "Leave it out, or mend what keeps the native engine from loading (see MemoryGuard.capabilities).");
    }
  }

  private static String script(
      LaunchPlan plan, Map<String, String> variables, Map<Protection, ProtectionState> protections)
      throws LaunchException {
    StringBuilder script = new StringBuilder();
    oomScoreAdj(plan, script, protections);
    List<ResourceLimit> limits = new ArrayList<>();
    for (ResourceLimit limit : plan.limits().rlimits().values()) {
      if (plan.limits().armed(limit.resource()) && isAllowed(plan, limit, protections)) {
        limits.add(limit);
      }
    }
    if (!limits.isEmpty()) {
      boolean shell = limits.stream().allMatch(PortableLauncher::isExactInTheShell);
      script.append(shell || findOnPath("prlimit").isEmpty() ? ulimit(limits) : prlimit(limits));
      script.append(" || exit 125; ");
    }
    variables.forEach(
        (name, value) ->
            script
                .append("export ")
                .append(name)
                .append("='")
                .append(value.replace("'", "'\\''"))
                .append("'; "));
    return script
        .append(
            plan.options().group() == ProcessGroup.NEW_SESSION
                ? "exec setsid \"$@\""
                : "exec \"$@\"")
        .toString();
  }

  private static void oomScoreAdj(
      LaunchPlan plan, StringBuilder script, Map<Protection, ProtectionState> protections)
      throws LaunchException {
    Requirement wanted = plan.limits().requirement(Protection.OOM_SCORE_ADJ);
    int adj = plan.limits().oomScoreAdj();
    if (wanted == Requirement.OFF) {
      return;
    }
    if (OwnLimits.mayLower() || adj >= OwnLimits.oomScoreAdj()) {
      script.append("echo ").append(adj).append(" 2>/dev/null >/proc/self/oom_score_adj; ");
      protections.put(Protection.OOM_SCORE_ADJ, ProtectionState.active("oom_score_adj " + adj));
    } else if (wanted == Requirement.REQUIRE) {
      throw LaunchFailure.oomScoreAdj(plan, Errno.EACCES);
    } else {
      protections.put(
          Protection.OOM_SCORE_ADJ,
          ProtectionState.inactive(
              "oom_score_adj " + adj + " is below the parent's own, and needs CAP_SYS_RESOURCE"));
    }
  }

  /**
   * The shell could only complain on the child's stderr: what the kernel will refuse is found out
   * before.
   */
  private static boolean isAllowed(
      LaunchPlan plan, ResourceLimit limit, Map<Protection, ProtectionState> protections)
      throws LaunchException {
    boolean allowed = OwnLimits.mayRaise(limit);
    if (!allowed && LaunchRequest.isRequired(plan, limit)) {
      throw LaunchFailure.rlimit(limit, Errno.EPERM);
    }
    ProtectionState state =
        allowed
            ? ProtectionState.active(limit.toString())
            : ProtectionState.inactive(
                limit + " is above the parent's own hard limit, which holds for the child");
    switch (limit.resource()) {
      case DATA -> protections.put(Protection.RLIMIT_DATA, state);
      case AS -> protections.put(Protection.RLIMIT_AS, state);
      default -> {}
    }
    return allowed;
  }

  /**
   * The shell's own command costs no process, but knows only KiB and blocks; and which letter is
   * NPROC's, shells disagree.
   */
  private static boolean isExactInTheShell(ResourceLimit limit) {
    int unit = ulimitUnit(limit.resource());
    return limit.resource() != Rlimit.NPROC
        && (limit.soft() == ResourceLimit.UNLIMITED || limit.soft() % unit == 0)
        && (limit.hard() == ResourceLimit.UNLIMITED || limit.hard() % unit == 0);
  }

  private static String prlimit(List<ResourceLimit> limits) {
    StringBuilder command = new StringBuilder("prlimit --pid $$");
    for (ResourceLimit limit : limits) {
      String name = limit.resource().name().toLowerCase(Locale.ROOT);
      command
          .append(" --")
          .append(name)
          .append('=')
          .append(number(limit.soft(), 1))
          .append(':')
          .append(number(limit.hard(), 1));
    }
    return command.toString();
  }

  private static String ulimit(List<ResourceLimit> limits) {
    List<String> commands = new ArrayList<>();
    for (ResourceLimit limit : limits) {
      String option = ulimitOption(limit.resource());
      int unit = ulimitUnit(limit.resource());
      commands.add("ulimit -S " + option + " " + number(limit.soft(), unit));
      commands.add("ulimit -H " + option + " " + number(limit.hard(), unit));
    }
    return "{ " + String.join(" && ", commands) + "; }";
  }

  private static String ulimitOption(Rlimit resource) {
    return switch (resource) {
      case CPU -> "-t";
      case FSIZE -> "-f";
      case DATA -> "-d";
      case STACK -> "-s";
      case CORE -> "-c";
      case NPROC -> "-p";
      case NOFILE -> "-n";
      case AS -> "-v";
    };
  }

  private static int ulimitUnit(Rlimit resource) {
    return switch (resource) {
      case FSIZE, CORE -> SHELL_BLOCK;
      case DATA, STACK, AS -> KIB;
      default -> 1;
    };
  }

  private static String number(long value, int unit) {
    return value == ResourceLimit.UNLIMITED
        ? "unlimited"
        : Long.toString((value + unit - 1) / unit);
  }

  /** The shell's own "not found" would be the child's exit code 127: it is found out before. */
  private static File findProgram(LaunchPlan plan) throws LaunchException {
    String name = plan.program();
    File program =
        name.contains("/") ? LaunchFailure.onDisk(plan) : findOnPath(name).orElse(new File(name));
    if (name.isEmpty() || !program.exists()) {
      throw LaunchFailure.execution(plan, Errno.ENOENT);
    }
    if (program.isDirectory() || !program.canExecute()) {
      throw LaunchFailure.execution(plan, Errno.EACCES);
    }
    return name.contains("/") ? new File(name) : program.getAbsoluteFile();
  }

  private static Optional<File> findOnPath(String name) {
    for (String directory :
        Objects.requireNonNullElse(System.getenv("PATH"), "/bin:/usr/bin").split(":", -1)) {
      File file = new File(directory.isEmpty() ? "." : directory, name);
      if (file.isFile() && file.canExecute()) {
        return Optional.of(file);
      }
    }
    return Optional.empty();
  }

  private static LaunchException failure(LaunchPlan plan, IOException e) {
    Matcher errno = JDK_ERRNO.matcher(String.valueOf(e.getMessage()));
    LaunchException failure =
        errno.find()
            ? LaunchFailure.execution(plan, Integer.parseInt(errno.group(1)))
            : new LaunchException(
                LaunchStep.PREPARE,
                0,
                String.valueOf(e.getMessage()),
                "Check the redirected files.");
    failure.initCause(e);
    return failure;
  }
}
