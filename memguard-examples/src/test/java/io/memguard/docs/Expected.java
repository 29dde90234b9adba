package io.memguard.docs;

import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * Output as a page prints it, against output as it is: … stands for anything, on a line of its own
 * for any lines; process ids, milliseconds and what a process had or needs may be others.
 */
final class Expected {
  private static final Pattern ANY =
      Pattern.compile(
          "(?<any>…)|(?<=\\b(pid|process) )\\d+|\\d+(?= ms\\b)|(?<=(peak RSS|had|work for it is) )[\\d.]+\\w+");

  private Expected() {}

  static boolean fits(List<String> printed, String real) {
    String pattern = printed.stream().map(Expected::line).collect(Collectors.joining());
    return Pattern.compile(pattern).matcher(withoutWarnings(real)).matches();
  }

  // They are of this machine: a page shows what is printed where nothing is lacking.
  private static String withoutWarnings(String real) {
    return real.lines()
        .filter(line -> !line.startsWith("memguard: warning: "))
        .map(line -> line + "\n")
        .collect(Collectors.joining());
  }

  private static String line(String printed) {
    if (printed.strip().equals("…")) {
      return "(?:.*\n)*?";
    }
    StringBuilder pattern = new StringBuilder();
    var found = ANY.matcher(printed);
    int from = 0;
    while (found.find()) {
      pattern.append(Pattern.quote(printed.substring(from, found.start())));
      pattern.append(found.group("any") != null ? ".*" : "[\\d.]+\\w*");
      from = found.end();
    }
    return pattern.append(Pattern.quote(printed.substring(from).stripTrailing())) + " *\n";
  }
}
