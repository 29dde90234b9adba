package io.memguard.launch.engine;

import io.memguard.launch.LaunchException;
import io.memguard.launch.LaunchStep;
import io.memguard.limits.ResourceLimit;
import io.memguard.platform.Errno;
import java.io.File;
import java.lang.ProcessBuilder.Redirect;
import java.util.Objects;
import java.util.stream.Stream;

/** Puts a failed step and the kernel's reason into words: what was wrong, and what to do. */
final class LaunchFailure {
  private static final int FIRST_RLIMIT = 32;
  private static final String SHORT_OF_MEMORY =
      "The machine, or this process's cgroup, is short of it: try again later, or with fewer"
          + " children at a time.";

  private LaunchFailure() {}

  static LaunchException of(LaunchPlan plan, int stepCode, int errno) {
    LaunchStep step = LaunchStep.of(stepCode);
    return switch (step) {
      case EXEC -> execution(plan, errno);
      case CHDIR -> directory(plan, errno);
      case OPEN_STDIN -> file(step, plan.stdin(), errno);
      case OPEN_STDOUT -> file(step, plan.stdout(), errno);
      case OPEN_STDERR -> file(step, plan.stderr(), errno);
      case RLIMIT -> rlimit(limit(plan, stepCode - FIRST_RLIMIT), errno);
      case OOM_SCORE_ADJ -> oomScoreAdj(plan, errno);
      case CGROUP -> cgroup(errno);
      default -> new LaunchException(step, errno, "the kernel refused", general(errno));
    };
  }

  static LaunchException execution(LaunchPlan plan, int errno) {
    String program = "program \"" + plan.program() + "\"";
    File file = onDisk(plan);
    if (errno == Errno.ENOENT && file.exists()) {
      return exec(
          errno,
          program + " names an interpreter or loader that does not exist",
          "Look at the first line of " + file + " (#!), or run ldd on it.");
    }
    if (errno == Errno.ENOENT) {
      return exec(
          errno,
          program + " was not found",
          "Check its name and the PATH: " + System.getenv("PATH") + ".");
    }
    if (errno == Errno.EACCES && file.isDirectory()) {
      return exec(errno, program + " is a directory", "Name a program in it.");
    }
    if (errno == Errno.EACCES) {
      return exec(
          errno,
          program + " may not be executed",
          "Give it execute permission (chmod +x), and look for a noexec mount.");
    }
    if (errno == Errno.E2BIG) {
      return exec(
          errno,
          "the "
              + plan.command().size()
              + " arguments and "
              + plan.environment().size()
              + " environment variables are too long",
          "Together they may take a quarter of the stack limit (RLIMIT_STACK), and each at most"
              + " 128KiB; pass a file, or stdin.");
    }
    return exec(errno, program + " cannot be run", general(errno));
  }

  static LaunchException directory(LaunchPlan plan, int errno) {
    String directory = "directory \"" + plan.directory() + "\"";
    String problem =
        errno == Errno.ENOENT
            ? directory + " does not exist"
            : errno == Errno.ENOTDIR
                ? directory + " is not a directory"
                : "the " + directory + " cannot be entered";
    return new LaunchException(
        LaunchStep.CHDIR,
        errno,
        problem,
        "Create it, or set another with ProcessBuilder.directory.");
  }

  static LaunchException file(LaunchStep step, Redirect redirect, int errno) {
    return new LaunchException(
        step,
        errno,
        "file \"" + redirect.file() + "\" cannot be opened",
        "Check that it, and its directory, exist and may be used so.");
  }

  static LaunchException oomScoreAdj(LaunchPlan plan, int errno) {
    return new LaunchException(
        LaunchStep.OOM_SCORE_ADJ,
        errno,
        "oom_score_adj " + plan.limits().oomScoreAdj() + " was refused",
        "Below the parent's own it needs CAP_SYS_RESOURCE; ask for a higher one, or only prefer"
            + " it.");
  }

  private static LaunchException cgroup(int errno) {
    String remedy =
        errno == Errno.EACCES || errno == Errno.EPERM
            ? "This user has to be able to write cgroup.procs of the leaf, and of the nearest cgroup"
                + " above both it and this process; or only prefer Protection.CGROUP_LEAF."
            : "Look whether somebody else removes cgroups there; or only prefer"
                + " Protection.CGROUP_LEAF.";
    return new LaunchException(
        LaunchStep.CGROUP, errno, "the child could not enter its cgroup", remedy);
  }

  static LaunchException rlimit(ResourceLimit limit, int errno) {
    return new LaunchException(
        LaunchStep.RLIMIT,
        errno,
        limit + " was refused",
        "A hard limit above this process's own needs CAP_SYS_RESOURCE (see ulimit -H -a); stay"
            + " within it.");
  }

  private static ResourceLimit limit(LaunchPlan plan, int resource) {
    return plan.limits().rlimits().values().stream()
        .filter(limit -> limit.resource().resource() == resource)
        .findFirst()
        .orElseThrow();
  }

  private static LaunchException exec(int errno, String problem, String remedy) {
    return new LaunchException(LaunchStep.EXEC, errno, problem, remedy);
  }

  /** The kernel resolves a path after it entered the child's directory, a bare name along PATH. */
  static File onDisk(LaunchPlan plan) {
    String program = plan.program();
    if (!program.contains("/")) {
      return Stream.of(Objects.requireNonNullElse(System.getenv("PATH"), "").split(":", -1))
          .map(directory -> new File(directory, program))
          .filter(File::isFile)
          .findFirst()
          .orElse(new File("/", "nonexistent"));
    }
    File file = new File(program);
    return file.isAbsolute() || plan.directory() == null
        ? file
        : new File(plan.directory(), program);
  }

  private static String general(int errno) {
    if (errno == Errno.ENOMEM) {
      return "There is not enough memory. " + SHORT_OF_MEMORY;
    }
    if (errno == Errno.EAGAIN) {
      return "There are too many processes (RLIMIT_NPROC, or pids.max of the cgroup). "
          + SHORT_OF_MEMORY;
    }
    if (errno == Errno.EMFILE || errno == Errno.ENFILE) {
      return "Too many files are open; raise RLIMIT_NOFILE, or close some.";
    }
    return "See the manual page of the call for " + Errno.name(errno) + ".";
  }
}
