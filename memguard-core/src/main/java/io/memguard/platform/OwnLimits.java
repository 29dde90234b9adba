package io.memguard.platform;

import io.memguard.limits.ResourceLimit;
import io.memguard.limits.Rlimit;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/** What this process may give to its children, read from {@code /proc/self}. */
public final class OwnLimits {
  private static final long CAP_SYS_RESOURCE = 1L << 24;
  private static final List<String> PROC_NAMES =
      List.of(
          "Max cpu time",
          "Max file size",
          "Max data size",
          "Max stack size",
          "Max core file size",
          "Max resident set",
          "Max processes",
          "Max open files",
          "Max locked memory",
          "Max address space");

  private OwnLimits() {}

  /** Returns this process's own {@code oom_score_adj}, or 0 where the kernel has none. */
  public static int oomScoreAdj() {
    return read("oom_score_adj").map(text -> Integer.parseInt(text.strip())).orElse(0);
  }

  /**
   * Tells whether this process has {@code CAP_SYS_RESOURCE}, which lowers scores and raises hard
   * limits. In a user namespace of its own it has it in name only.
   */
  public static boolean mayLower() {
    return Namespace.USER.isInitial() && hasSysResource();
  }

  private static boolean hasSysResource() {
    return read("status")
        .flatMap(text -> text.lines().filter(line -> line.startsWith("CapEff:")).findFirst())
        .map(
            line -> (Long.parseUnsignedLong(line.substring(7).strip(), 16) & CAP_SYS_RESOURCE) != 0)
        .orElse(false);
  }

  /** Tells whether the kernel would let a child of this process have a limit. */
  public static boolean mayRaise(ResourceLimit limit) {
    boolean byAnybody = limit.hard() <= hard(limit.resource().resource());
    boolean beyondAll = limit.resource() == Rlimit.NOFILE && limit.hard() > mostOpenFiles();
    return byAnybody || (mayLower() && !beyondAll);
  }

  /** The one limit with a ceiling that no capability lifts. */
  private static long mostOpenFiles() {
    // in one read: what /proc/sys answers from the second byte on is the end of the file
    try (InputStream file = new FileInputStream("/proc/sys/fs/nr_open")) {
      return Long.parseLong(new String(file.readNBytes(64), StandardCharsets.US_ASCII).strip());
    } catch (IOException e) {
      return Long.MAX_VALUE;
    }
  }

  private static long hard(int resource) {
    return values(resource).map(values -> value(values[1])).orElse(ResourceLimit.UNLIMITED);
  }

  /** Returns what this process has, and its children get, or empty if that is unknown. */
  public static Optional<ResourceLimit> of(Rlimit limit) {
    return values(limit.resource())
        .map(values -> new ResourceLimit(limit, value(values[0]), value(values[1])));
  }

  /** The soft limit, and the hard one. */
  private static Optional<String[]> values(int resource) {
    String name = PROC_NAMES.get(resource);
    return read("limits")
        .flatMap(text -> text.lines().filter(line -> line.startsWith(name)).findFirst())
        .map(line -> line.substring(name.length()).strip().split("\\s+", -1));
  }

  private static long value(String text) {
    return text.equals("unlimited") ? ResourceLimit.UNLIMITED : Long.parseLong(text);
  }

  private static Optional<String> read(String file) {
    try {
      return Optional.of(Files.readString(Path.of("/proc/self", file)));
    } catch (IOException e) {
      return Optional.empty();
    }
  }
}
