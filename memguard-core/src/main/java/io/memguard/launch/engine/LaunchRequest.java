package io.memguard.launch.engine;

import io.memguard.limits.LaunchOptions.ProcessGroup;
import io.memguard.limits.Protection;
import io.memguard.limits.Requirement;
import io.memguard.limits.ResourceLimit;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.ProcessBuilder.Redirect;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/** Writes a plan as {@code struct guard_request} of {@code guard.h}. */
final class LaunchRequest {
  private static final int REDIRECT_ERROR_STREAM = 1;
  private static final int NEW_PROCESS_GROUP = 2;
  private static final int NEW_SESSION = 4;
  private static final int DIE_WITH_PARENT = 8;
  private static final int SET_OOM_SCORE_ADJ = 16;
  private static final int REQUIRE_OOM_SCORE_ADJ = 32;

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
  private static final byte[] PATH =
      JvmStrings.encode(Objects.requireNonNullElse(System.getenv("PATH"), ":/bin:/usr/bin"));

  private ByteBuffer out = ByteBuffer.allocate(8192).order(ByteOrder.nativeOrder());

  private LaunchRequest() {}

  static byte[] encode(LaunchPlan plan, List<ResourceLimit> limits) {
    return new LaunchRequest().write(plan, limits);
  }

  private byte[] write(LaunchPlan plan, List<ResourceLimit> limits) {
    out.putInt(flags(plan)).putInt(plan.limits().oomScoreAdj()).putInt(PROC_PID);
    out.putInt(limits.size()).putInt(plan.command().size()).putInt(plan.environment().size());
    writeStream(plan.stdin());
    writeStream(plan.stdout());
    writeStream(plan.stderr());
    for (ResourceLimit limit : limits) {
      out.putInt(limit.resource().resource()).putInt(isRequired(plan, limit) ? 1 : 0);
      out.putLong(infinity(limit.soft())).putLong(infinity(limit.hard()));
    }
    writeString(
        plan.directory() == null ? new byte[0] : JvmStrings.encode(plan.directory().getPath()));
    writeString(PATH);
    for (Redirect redirect : List.of(plan.stdin(), plan.stdout(), plan.stderr())) {
      writeString(
          redirect.file() == null ? new byte[0] : JvmStrings.encode(redirect.file().getPath()));
    }
    for (String argument : plan.command()) {
      writeString(JvmStrings.encode(argument));
    }
    for (Map.Entry<String, String> variable : plan.environment().entrySet()) {
      writeString(JvmStrings.encodeVariable(variable.getKey(), variable.getValue()));
    }
    return Arrays.copyOf(out.array(), out.position());
  }

  private static int flags(LaunchPlan plan) {
    Requirement oomScoreAdj = plan.limits().requirement(Protection.OOM_SCORE_ADJ);
    return (plan.redirectErrorStream() ? REDIRECT_ERROR_STREAM : 0)
        | (plan.options().group() == ProcessGroup.NEW_GROUP ? NEW_PROCESS_GROUP : 0)
        | (plan.options().group() == ProcessGroup.NEW_SESSION ? NEW_SESSION : 0)
        | (plan.options().dieWithParent() ? DIE_WITH_PARENT : 0)
        | (oomScoreAdj != Requirement.OFF ? SET_OOM_SCORE_ADJ : 0)
        | (oomScoreAdj == Requirement.REQUIRE ? REQUIRE_OOM_SCORE_ADJ : 0);
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

  private void writeStream(Redirect redirect) {
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

  private void writeString(byte[] bytes) {
    if (out.remaining() <= bytes.length) {
      int capacity = Math.addExact(Math.multiplyExact(out.capacity(), 2), bytes.length + 1);
      out = ByteBuffer.allocate(capacity).order(ByteOrder.nativeOrder()).put(out.flip());
    }
    out.put(bytes).put((byte) 0);
  }

  private static int procPid() {
    try {
      return Integer.parseInt(Files.readSymbolicLink(Path.of("/proc/self")).toString());
    } catch (IOException e) {
      throw new UncheckedIOException("/proc is not mounted here; memguard needs it", e);
    }
  }
}
