package io.memguard.launch.engine;

import io.memguard.launch.LaunchException;
import io.memguard.launch.LaunchStep;
import io.memguard.limits.LaunchOptions.ProcessGroup;
import io.memguard.limits.Protection;
import io.memguard.limits.ProtectionState;
import io.memguard.limits.Requirement;
import io.memguard.limits.ResourceLimit;
import io.memguard.platform.Errno;
import io.memguard.platform.OwnLimits;
import io.memguard.platform.cgroup.Machine;
import java.io.File;
import java.io.IOException;
import java.lang.ProcessBuilder.Redirect;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
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
  private static final String SHELL = "/bin/sh";
  private static final String JOIN = "{ echo 0 >";

  /** How the shell's command line begins as long as it has not become the program. */
  private static final String ON_ITS_WAY = SHELL + "\0-c\0" + JOIN;

  private static final Pattern JDK_ERRNO = Pattern.compile("error(?:=|: )([0-9]+)");

  /**
   * A child, just started.
   *
   * @param process the JDK's view of it
   * @param protections what is in force
   */
  public record Started(Process process, Map<Protection, ProtectionState> protections) {
    /** Tells whether the shell, which may still have to join the cgroup, is not yet the program. */
    public boolean isOnItsWay() {
      Machine here = Machine.here();
      String file = "/proc/" + process.pid() + "/cmdline";
      String words = here.showsOurPids() ? here.read(file).orElse("") : "";
      // In the midst of an exec, and between its end and its reaping, it has no command line; and
      // where /proc shows others by our pids, it is not known.
      return words.startsWith(ON_ITS_WAY) || (words.isEmpty() && process.isAlive());
    }
  }

  /**
   * Starts a child.
   *
   * @param plan what to start
   * @param variables what only the program is to find in its environment, not the shell in front of
   *     it
   * @param cgroup the directory of the cgroup that it is to live in; empty for this process's own.
   *     Whether it got there is not known yet; if it is required, the program runs nowhere else
   * @throws LaunchException if it cannot be started
   */
  public Started launch(LaunchPlan plan, Map<String, String> variables, Optional<Path> cgroup)
      throws LaunchException {
    refuseWhatOnlyTheNativeEngineCan(plan);
    File directory = plan.directory();
    if (directory != null && !directory.isDirectory()) {
      throw LaunchFailure.directory(plan, directory.exists() ? Errno.ENOTDIR : Errno.ENOENT);
    }
    File program = findProgram(plan);
    Map<Protection, ProtectionState> protections = new EnumMap<>(Protection.class);
    String script =
        cgroup.map(leaf -> join(plan, leaf, protections)).orElse("")
            + script(plan, variables, protections);
    List<String> command =
        new ArrayList<>(List.of(SHELL, "-c", script, "memguard", program.getPath()));
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
          "Leave it out, or mend what keeps the native engine from loading (see"
              + " MemoryGuard.capabilities).");
    }
  }

  /**
   * The shell's own echo joins, so "0" is the shell, which becomes the program. Where it must join
   * and cannot, it waits until it has been found outside, and is ended.
   */
  private static String join(
      LaunchPlan plan, Path cgroup, Map<Protection, ProtectionState> protections) {
    boolean required = plan.limits().requirement(Protection.CGROUP_LEAF) == Requirement.REQUIRE;
    protections.put(Protection.CGROUP_LEAF, ProtectionState.active("it lives in " + cgroup));
    return JOIN
        + quote(cgroup + "/cgroup.procs")
        + "; } 2>/dev/null"
        + (required ? " || exec /bin/sleep 60; " : "; ");
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
      Optional<String> prlimit = findOnPath("prlimit").map(file -> quote(file.getPath()));
      script.append(LimitCommand.of(limits, prlimit)).append(" || exit 125; ");
    }
    variables.forEach(
        (name, value) ->
            script.append("export ").append(name).append('=').append(quote(value)).append("; "));
    return script.append("exec ").append(session(plan)).append("\"$@\"").toString();
  }

  private static String session(LaunchPlan plan) throws LaunchException {
    if (plan.options().group() != ProcessGroup.NEW_SESSION) {
      return "";
    }
    File setsid =
        findOnPath("setsid")
            .orElseThrow(
                () ->
                    new LaunchException(
                        LaunchStep.SETSID,
                        Errno.ENOENT,
                        "the program setsid was not found",
                        "Install util-linux, or leave the child in its parent's session."));
    return quote(setsid.getPath()) + " ";
  }

  private static String quote(String text) {
    return "'" + text.replace("'", "'\\''") + "'";
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
              "oom_score_adj "
                  + adj
                  + " is below the parent's, which it has; to be below that needs"
                  + " CAP_SYS_RESOURCE"));
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

  /** The shell's own "not found" would be the child's exit code 127: it is found out before. */
  private static File findProgram(LaunchPlan plan) throws LaunchException {
    String name = plan.program();
    if (!name.contains("/")) {
      return findOnPath(name)
          .orElseThrow(() -> LaunchFailure.execution(plan, Errno.ENOENT))
          .getAbsoluteFile();
    }
    File program = LaunchFailure.onDisk(plan);
    if (!program.exists()) {
      throw LaunchFailure.execution(plan, Errno.ENOENT);
    }
    if (program.isDirectory() || !program.canExecute()) {
      throw LaunchFailure.execution(plan, Errno.EACCES);
    }
    return new File(name.startsWith("-") ? "./" + name : name); // to the shell, - begins an option
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
            : redirection(plan, e);
    failure.initCause(e);
    return failure;
  }

  /** The JDK opens the files itself, in this order, and only says which and why in words. */
  private static LaunchException redirection(LaunchPlan plan, IOException e) {
    File in = plan.stdin().file();
    if (in != null && (!in.exists() || in.isDirectory() || !in.canRead())) {
      int errno = !in.exists() ? Errno.ENOENT : in.isDirectory() ? Errno.EISDIR : Errno.EACCES;
      return LaunchFailure.file(LaunchStep.OPEN_STDIN, plan.stdin(), errno);
    }
    if (cannotBeWritten(plan.stdout())) {
      return LaunchFailure.file(LaunchStep.OPEN_STDOUT, plan.stdout(), errno(plan.stdout()));
    }
    if (cannotBeWritten(plan.stderr())) {
      return LaunchFailure.file(LaunchStep.OPEN_STDERR, plan.stderr(), errno(plan.stderr()));
    }
    return new LaunchException(
        LaunchStep.PREPARE, 0, String.valueOf(e.getMessage()), "Check the redirected files.");
  }

  private static boolean cannotBeWritten(Redirect redirect) {
    File file = redirect.file();
    return file != null && (file.isDirectory() || !file.exists() || !file.canWrite());
  }

  private static int errno(Redirect redirect) {
    File file = Objects.requireNonNull(redirect.file());
    if (file.isDirectory()) {
      return Errno.EISDIR;
    }
    File parent = file.getAbsoluteFile().getParentFile();
    return parent != null && !parent.exists() ? Errno.ENOENT : Errno.EACCES;
  }
}
