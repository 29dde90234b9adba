package io.memguard.platform.kernellog;

import io.memguard.platform.kernellog.OomLine.Chosen;
import io.memguard.platform.kernellog.OomLine.Group;
import io.memguard.platform.kernellog.OomLine.Invoked;
import io.memguard.platform.kernellog.OomLine.Killed;
import io.memguard.platform.kernellog.OomLine.OldSummary;
import io.memguard.platform.kernellog.OomLine.Summary;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Knows the forms of the OOM killer's lines, Linux 4.19 to 6.x.
 *
 * <p>Names of processes and cgroups may hold anything, commas and parentheses too, so each form is
 * anchored at what comes after them.
 */
final class OomLineParser {
  /** What dmesg(1) and syslog put in front of the kernel's own words. */
  private static final String FRONT =
      "(?:[^\\[]*? kernel: )?(?:\\[[^\\]]{1,40}\\](?:\\[ *[TC]\\d+\\])? )?";

  private static final String SCOPE = "(Memory cgroup out of memory|Out of memory[^:]*): ";
  private static final String PID = "(\\d{1,10})";

  private static final Map<Pattern, Function<MatchResult, OomLine>> FORMS =
      Map.of(
          form(".* invoked oom-killer: .*"),
          parts -> new Invoked(),
          form(
              "oom-kill:constraint=\\w+,.*?"
                  + "(?:oom_memcg=(.*)|global_oom),task_memcg=(.*),task=(.*),pid= *"
                  + PID
                  + ",uid= *\\d{1,10}"),
          parts ->
              new Summary(
                  Optional.ofNullable(parts.group(1)),
                  parts.group(2),
                  parts.group(3),
                  Long.parseLong(parts.group(4))),
          form("Task in (.*) killed as a result of limit of (.*)"),
          parts -> new OldSummary(parts.group(1), parts.group(2)),
          form(SCOPE + "Kill process " + PID + " \\((.*)\\) score \\d+ or sacrifice child"),
          parts ->
              new Chosen(isCgroup(parts.group(1)), Long.parseLong(parts.group(2)), parts.group(3)),
          form("Tasks in (.*) are going to be killed due to memory\\.oom\\.group set"),
          parts -> new Group(parts.group(1)),
          form(
              "(?:"
                  + SCOPE
                  + ")?Killed process "
                  + PID
                  + " \\((.*)\\)(?:, UID \\d+,)? total-vm:.*"),
          OomLineParser::killed);

  private OomLineParser() {}

  static Optional<OomLine> parse(String line) {
    if (!line.contains("kill") && !line.contains("Kill")) {
      return Optional
          .empty(); // all forms have it; most of a report's lines are about its processes
    }
    for (Map.Entry<Pattern, Function<MatchResult, OomLine>> form : FORMS.entrySet()) {
      Matcher matcher = form.getKey().matcher(line);
      if (matcher.matches()) {
        return Optional.of(form.getValue().apply(matcher));
      }
    }
    return Optional.empty();
  }

  private static Pattern form(String regex) {
    return Pattern.compile(FRONT + regex + "\\s*");
  }

  private static OomLine killed(MatchResult parts) {
    return new Killed(
        Optional.ofNullable(parts.group(1)).map(OomLineParser::isCgroup),
        Long.parseLong(parts.group(2)),
        parts.group(3));
  }

  private static boolean isCgroup(String scope) {
    return scope.startsWith("Memory cgroup");
  }
}
