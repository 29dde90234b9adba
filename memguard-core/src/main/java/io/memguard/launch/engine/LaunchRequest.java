package io.memguard.launch.engine;

import io.memguard.limits.LaunchOptions.ProcessGroup;
import io.memguard.limits.Protection;
import io.memguard.limits.Requirement;
import io.memguard.limits.ResourceLimit;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.ProcessBuilder.Redirect;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;

/** Writes a plan as {@code struct guard_request} of {@code guard.h}. */
final class LaunchRequest {
  private static final int REDIRECT_ERROR_STREAM = 1;
  private static final int NEW_PROCESS_GROUP = 2;
  private static final int NEW_SESSION = 4;
  private static final int DIE_WITH_PARENT = 8;
  private static final int SET_OOM_SCORE_ADJ = 16;
  private static final int REQUIRE_OOM_SCORE_ADJ = 32;
  private static final int REQUIRE_CGROUP = 64;

  private static final int INHERIT = 0;
  private static final int PIPE = 1;
  private static final int FILE = 2;

  private static final int O_WRONLY = 1;
  private static final int O_CREAT = 0100;
  private static final int O_TRUNC = 01000;
  private static final int O_APPEND = 02000;

  private static final long RLIM_INFINITY = -1L;

  /**
   * This process as {@code /proc} names it, which a PID namespace can make different from its own
   * view.
   */
  private static final int PROC_PID = procPid();

  /** The JDK looks programs up in the PATH the JVM was started with, not in the child's. */
  private static final String PATH =
      Objects.requireNonNullElse(System.getenv("PATH"), ":/bin:/usr/bin");

  private static final int HEADER_BYTES = 48;
  private static final int LIMIT_BYTES = 24;
  private static final int USUAL_STRINGS = 4096;

  /** All strings in one, encoded at once: an environment has dozens of them. */
  private final StringBuilder strings = new StringBuilder(USUAL_STRINGS);

  /** The variables that are not text; they come last. */
  private final ByteArrayOutputStream bytes = new ByteArrayOutputStream(0);

  private LaunchRequest() {}

  /**
   * Writes a plan.
   *
   * @param limits those of its limits that are to be set
   * @param variables what the child's environment has besides the plan's, or instead of it
   * @param cgroup the directory of the cgroup that it is to live in; empty for the parent's own
   */
  static byte[] encode(
      LaunchPlan plan,
      List<ResourceLimit> limits,
      Map<String, String> variables,
      Optional<Path> cgroup) {
    return new LaunchRequest().write(plan, limits, variables, cgroup);
  }

  private byte[] write(
      LaunchPlan plan,
      List<ResourceLimit> limits,
      Map<String, String> variables,
      Optional<Path> cgroup) {
    addString(plan.directory() == null ? "" : plan.directory().getPath());
    addString(PATH);
    addFile(plan.stdin());
    addFile(plan.stdout());
    addFile(plan.stderr());
    addString(cgroup.map(Path::toString).orElse(""));
    plan.command().forEach(this::addString);
    int count = addEnvironment(plan.environment(), variables);
    int pointers = plan.command().size() + count + 3; // room for argv and envp
    byte[] text = JvmStrings.encode(strings.toString());
    ByteBuffer out =
        ByteBuffer.allocate(
                HEADER_BYTES
                    + limits.size() * LIMIT_BYTES
                    + pointers * Long.BYTES
                    + text.length
                    + bytes.size())
            .order(ByteOrder.nativeOrder());
    out.putInt(flags(plan)).putInt(plan.limits().oomScoreAdj()).putInt(PROC_PID);
    out.putInt(limits.size()).putInt(plan.command().size()).putInt(count);
    putStream(out, plan.stdin());
    putStream(out, plan.stdout());
    putStream(out, plan.stderr());
    for (ResourceLimit limit : limits) {
      out.putInt(limit.resource().resource()).putInt(isRequired(plan, limit) ? 1 : 0);
      out.putLong(infinity(limit.soft())).putLong(infinity(limit.hard()));
    }
    out.position(out.position() + pointers * Long.BYTES);
    return out.put(text).put(bytes.toByteArray()).array();
  }

  private static int flags(LaunchPlan plan) {
    Requirement oomScoreAdj = plan.limits().requirement(Protection.OOM_SCORE_ADJ);
    Requirement leaf = plan.limits().requirement(Protection.CGROUP_LEAF);
    return (plan.redirectErrorStream() ? REDIRECT_ERROR_STREAM : 0)
        | (plan.options().group() == ProcessGroup.NEW_GROUP ? NEW_PROCESS_GROUP : 0)
        | (plan.options().group() == ProcessGroup.NEW_SESSION ? NEW_SESSION : 0)
        | (plan.options().dieWithParent() ? DIE_WITH_PARENT : 0)
        | (oomScoreAdj != Requirement.OFF ? SET_OOM_SCORE_ADJ : 0)
        | (oomScoreAdj == Requirement.REQUIRE ? REQUIRE_OOM_SCORE_ADJ : 0)
        | (leaf == Requirement.REQUIRE ? REQUIRE_CGROUP : 0);
  }

  /**
   * Memory limits may be preferred only; any other resource limit was asked for by name, and is a
   * must.
   */
  static boolean isRequired(LaunchPlan plan, ResourceLimit limit) {
    return switch (limit.resource()) {
      case DATA -> plan.limits().requirement(Protection.RLIMIT_DATA) == Requirement.REQUIRE;
      case AS -> plan.limits().requirement(Protection.RLIMIT_AS) == Requirement.REQUIRE;
      default -> true;
    };
  }

  private static void putStream(ByteBuffer out, Redirect redirect) {
    int kind =
        redirect.file() != null ? FILE : redirect.type() == Redirect.Type.PIPE ? PIPE : INHERIT;
    int openFlags =
        switch (redirect.type()) {
          case WRITE -> O_WRONLY | O_CREAT | O_TRUNC;
          case APPEND -> O_WRONLY | O_CREAT | O_APPEND;
          default -> 0;
        };
    out.putInt(kind).putInt(openFlags);
  }

  private static long infinity(long limit) {
    return limit == ResourceLimit.UNLIMITED ? RLIM_INFINITY : limit;
  }

  private void addString(String text) {
    strings.append(text).append('\0');
  }

  private void addFile(Redirect redirect) {
    addString(redirect.file() == null ? "" : redirect.file().getPath());
  }

  /** Returns how many variables there are. */
  private int addEnvironment(Map<String, String> environment, Map<String, String> instead) {
    int count = instead.size();
    for (Map.Entry<String, String> variable : environment.entrySet()) {
      if (!instead.containsKey(variable.getKey())) {
        addVariable(variable.getKey(), variable.getValue());
        count++;
      }
    }
    instead.forEach(this::addVariable);
    return count;
  }

  private void addVariable(String name, String value) {
    Optional<byte[]> inherited = JvmStrings.inheritedBytes(name, value);
    if (inherited.isPresent()) {
      bytes.writeBytes(inherited.get());
      bytes.write(0);
    } else {
      strings.append(name).append('=');
      addString(value);
    }
  }

  private static int procPid() {
    try {
      return Integer.parseInt(Files.readSymbolicLink(Path.of("/proc/self")).toString());
    } catch (IOException e) {
      throw new UncheckedIOException("/proc is not mounted here; memguard needs it", e);
    }
  }
}
