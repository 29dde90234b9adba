package io.memguard.launch;

/**
 * Names the steps of a launch, in the order in which they are taken, with the system call or the
 * file behind each. What they can fail with is in its page of the manual.
 */
public enum LaunchStep {
  /**
   * Checking the command, the environment, the protections and the budget, before anything is
   * started.
   */
  PREPARE(-1, "preparing the launch"),
  /** Waiting for the child's memory, where it is taken from a budget. */
  BUDGET(-2, "waiting for memory from the budget"),
  /** Opening pipes: pipe2(2). */
  PIPE(1, "opening the pipes"),
  /** Making the process: clone(2). */
  CLONE(2, "creating the process"),
  /** Asking for a signal when the parent dies: prctl(2). */
  PDEATHSIG(3, "tying the child's life to the parent's"),
  /** Starting a session: setsid(2). */
  SETSID(4, "starting a new session"),
  /** Starting a process group: setpgid(2). */
  SETPGID(5, "starting a new process group"),
  /** Leaving the parent's descriptor table: close_range(2). */
  UNSHARE_FILES(6, "leaving the parent's descriptor table"),
  /**
   * Entering the child's own cgroup, where it was not made in it: {@code cgroup.procs}, cgroups(7).
   */
  CGROUP(18, "entering its cgroup"),
  /** Opening a pipe's end in the child: open(2) of {@code /proc/<pid>/fd}. */
  REOPEN_PIPE(7, "opening a pipe in the child"),
  /** Opening the file that stdin is redirected from: open(2). */
  OPEN_STDIN(8, "opening the file for stdin"),
  /** Opening the file that stdout is redirected to: open(2). */
  OPEN_STDOUT(9, "opening the file for stdout"),
  /** Opening the file that stderr is redirected to: open(2). */
  OPEN_STDERR(10, "opening the file for stderr"),
  /** Connecting stdin, stdout and stderr: dup3(2). */
  DUP(11, "connecting the standard streams"),
  /** Closing every other descriptor: close_range(2), or close(2) of each. */
  CLOSE_FILES(12, "closing inherited descriptors"),
  /** Writing {@code oom_score_adj}: proc_pid_oom_score_adj(5). */
  OOM_SCORE_ADJ(13, "writing oom_score_adj"),
  /** Entering the working directory: chdir(2). */
  CHDIR(14, "entering the working directory"),
  /** Letting signals in: sigprocmask(2). */
  SIGMASK(15, "unblocking signals"),
  /** Running the program: execve(2). */
  EXEC(16, "executing the program"),
  /** Watching for its end: epoll_ctl(2). The child was started, and was ended again. */
  WATCH(17, "watching for its end"),
  /** Setting a resource limit: prlimit(2). */
  RLIMIT(32, "setting a resource limit");

  private final int code;
  private final String action;

  LaunchStep(int code, String action) {
    this.code = code;
    this.action = action;
  }

  /**
   * Finds the step by the number that the native code reports: {@code enum guard_step} in {@code
   * guard.h}.
   *
   * @param code the number; {@link #RLIMIT} has all from 32 up
   * @return the step
   * @throws IllegalArgumentException if it is the number of no step
   */
  public static LaunchStep of(int code) {
    if (code >= RLIMIT.code) {
      return RLIMIT; // the rest of the number is the resource
    }
    for (LaunchStep step : values()) {
      if (step.code == code) {
        return step;
      }
    }
    throw new IllegalArgumentException("launch step " + code + " is unknown");
  }

  /**
   * Says what is done in this step.
   *
   * @return for example {@code "executing the program"}
   */
  public String action() {
    return action;
  }
}
