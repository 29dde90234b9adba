package io.memguard.docs;

import io.memguard.docs.Page.Block;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * Output as a page prints it, against output as it is: … stands for anything, on a line of its own
 * for any lines; process ids, milliseconds and what a process had or needs may be others. Where
 * figures vary, any figure may be another, or unknown, and blanks more or fewer.
 */
final class Expected {
  private static final Pattern ANY =
      Pattern.compile(
          "(?<any>…)|(?<=\\b(pid|process) )\\d+|\\d+(?= ms\\b)|(?<=(peak RSS|had|work for it is) )[\\d.]+\\w+");

  private static final String FIGURE = "(?:\\d[\\d.,]*\\w*|unknown)";
  private static final Pattern ANY_FIGURE =
      Pattern.compile("(?<any>…)|\\b\\d+(?:[.,]\\d+)*\\w*|\\bunknown\\b| {2,}");

  private Expected() {}

  static boolean fits(Block printed, String real) {
    boolean vary = printed.mark().equals(Optional.of("figures vary"));
    String pattern =
        printed.text().stream()
            .map(line -> line(line, vary ? ANY_FIGURE : ANY))
            .collect(Collectors.joining());
    return Pattern.compile(pattern).matcher(withoutWarnings(real)).matches();
  }

  // They are of this machine: a page shows what is printed where nothing is lacking.
  private static String withoutWarnings(String real) {
    return real.lines()
        .filter(line -> !line.startsWith("memguard: warning: "))
        .map(line -> line + "\n")
        .collect(Collectors.joining());
  }

  private static String line(String printed, Pattern variable) {
    if (printed.strip().equals("…")) {
      return "(?:.*\n)*?";
    }
    StringBuilder pattern = new StringBuilder();
    var found = variable.matcher(printed);
    int from = 0;
    while (found.find()) {
      pattern.append(Pattern.quote(printed.substring(from, found.start())));
      pattern.append(found.group("any") != null ? ".*" : found.group().isBlank() ? " +" : FIGURE);
      from = found.end();
    }
    return pattern.append(Pattern.quote(printed.substring(from).stripTrailing())) + " *\n";
  }
}
