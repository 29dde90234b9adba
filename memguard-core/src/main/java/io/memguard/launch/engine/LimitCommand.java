package io.memguard.launch.engine;

import io.memguard.limits.ResourceLimit;
import io.memguard.limits.Rlimit;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/** Writes the shell command that limits the shell it runs in, and so what that becomes. */
final class LimitCommand {
  private static final int SHELL_BLOCK = 512;
  private static final int KIB = 1024;

  private LimitCommand() {}

  /**
   * Takes the shell's own {@code ulimit} where that can say it exactly, else prlimit(1).
   *
   * @param prlimit the path of prlimit(1), or empty where it is not installed
   */
  static String of(List<ResourceLimit> limits, Optional<String> prlimit) {
    boolean exact = limits.stream().allMatch(LimitCommand::isExactInTheShell);
    return exact || prlimit.isEmpty() ? ulimit(limits) : prlimit(prlimit.get(), limits);
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

  private static String prlimit(String prlimit, List<ResourceLimit> limits) {
    StringBuilder command = new StringBuilder(prlimit).append(" --pid $$");
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
      // Without -S or -H it sets both: the soft limit must never be above the hard one in between.
      commands.add("ulimit " + option + " " + number(limit.hard(), unit));
      commands.add("ulimit -S " + option + " " + number(limit.soft(), unit));
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
}
