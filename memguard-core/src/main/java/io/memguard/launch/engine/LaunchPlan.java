package io.memguard.launch.engine;

import io.memguard.launch.LaunchException;
import io.memguard.launch.LaunchStep;
import io.memguard.limits.LaunchOptions;
import io.memguard.limits.MemoryLimits;
import java.io.File;
import java.lang.ProcessBuilder.Redirect;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Everything a launch needs, taken from the {@link ProcessBuilder} and checked. It is used up by
 * the launch: what the caller changes there afterwards has no effect on the child.
 *
 * @param command the program and its arguments; at least the program
 * @param environment the child's whole environment; the builder's own map, not to be changed
 * @param directory the child's working directory, or null for the parent's
 * @param stdin where stdin comes from
 * @param stdout where stdout goes
 * @param stderr where stderr goes, unless {@code redirectErrorStream}
 * @param redirectErrorStream true if stderr goes where stdout goes
 * @param limits the memory limits
 * @param options everything else
 */
public record LaunchPlan(
    List<String> command,
    Map<String, String> environment,
    @Nullable File directory,
    Redirect stdin,
    Redirect stdout,
    Redirect stderr,
    boolean redirectErrorStream,
    MemoryLimits limits,
    LaunchOptions options) {

  /**
   * Takes a plan from a process builder.
   *
   * @throws LaunchException if the command is empty, or a text in it cannot be handed to a program
   */
  public static LaunchPlan of(ProcessBuilder job, MemoryLimits limits, LaunchOptions options)
      throws LaunchException {
    List<String> command = job.command();
    if (command.isEmpty()) {
      throw refuse("the command is empty", "Give ProcessBuilder a program to run.");
    }
    for (String argument : command) {
      if (argument == null) {
        throw new NullPointerException("the command " + command + " has a null in it");
      }
      rejectNul("the argument", argument);
    }
    if (job.directory() != null) {
      rejectNul("the working directory", job.directory().getPath());
    }
    for (Redirect redirect :
        List.of(job.redirectInput(), job.redirectOutput(), job.redirectError())) {
      if (redirect.file() != null) {
        rejectNul("the redirected file", redirect.file().getPath());
      }
    }
    return new LaunchPlan(
        List.copyOf(command),
        job.environment(), // ProcessBuilder lets nothing in that cannot be handed to a program
        job.directory(),
        job.redirectInput(),
        job.redirectOutput(),
        job.redirectError(),
        job.redirectErrorStream(),
        limits,
        options);
  }

  /** Returns the same plan with other limits. */
  public LaunchPlan limitedTo(MemoryLimits others) {
    return others.equals(limits)
        ? this
        : new LaunchPlan(
            command,
            environment,
            directory,
            stdin,
            stdout,
            stderr,
            redirectErrorStream,
            others,
            options);
  }

  /** Returns the same plan with another environment. */
  public LaunchPlan inEnvironment(Map<String, String> another) {
    return new LaunchPlan(
        command, another, directory, stdin, stdout, stderr, redirectErrorStream, limits, options);
  }

  /** Returns the program. */
  public String program() {
    return command.get(0);
  }

  private static void rejectNul(String what, String text) throws LaunchException {
    int at = text.indexOf('\0');
    if (at >= 0) {
      throw refuse(
          what + " \"" + text.replace("\0", "\\0") + "\" has a NUL character at position " + at,
          "Programs get NUL-terminated strings; take it out.");
    }
  }

  private static LaunchException refuse(String problem, String remedy) {
    return new LaunchException(LaunchStep.PREPARE, 0, problem, remedy);
  }
}
