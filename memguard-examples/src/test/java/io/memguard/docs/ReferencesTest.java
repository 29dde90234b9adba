package io.memguard.docs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/**
 * Whatever the documentation refers to is there: pages, their headings, pictures, tests, commands.
 */
class ReferencesTest {
  private static final Pattern LINK =
      Pattern.compile("\\[[^\\]]*\\]\\(([^)\\s]+)\\)|src=\"([^\"]+)\"");
  private static final Pattern CODE = Pattern.compile("`([^`]+)`");
  private static final Pattern HEADING = Pattern.compile("#+ +(.*)");
  private static final Pattern NAMED =
      Pattern.compile(
          "…?[A-Z]\\w+Test(\\.\\w+)?|(bin|lab|benchmarks|memguard-\\w+)/[\\w./-]+( .*)?");

  @TestFactory
  Stream<DynamicTest> pages() throws IOException {
    return Page.all().stream().map(page -> dynamicTest(page.toString(), () -> check(page)));
  }

  private static void check(Page page) throws IOException {
    List<String> missing = new ArrayList<>();
    for (int i = 0; i < page.prose().size(); i++) {
      String line = page.prose().get(i);
      String where = page + ":" + (i + 1) + ": ";
      Matcher code = CODE.matcher(line);
      while (code.find()) {
        String name = code.group(1);
        if (NAMED.matcher(name).matches() && !Names.isThere(name)) {
          missing.add(where + name);
        }
      }
      Matcher link = LINK.matcher(CODE.matcher(line).replaceAll("code"));
      while (link.find()) {
        String target = link.group(1) != null ? link.group(1) : link.group(2);
        if (!target.matches("https?:.*") && !leadsSomewhere(page, target)) {
          missing.add(where + target);
        }
      }
    }
    assertThat(missing).isEmpty();
  }

  private static boolean leadsSomewhere(Page page, String target) throws IOException {
    String[] parts = target.split("#", 2);
    Path file = parts[0].isEmpty() ? page.file() : page.file().resolveSibling(parts[0]).normalize();
    return Files.exists(file) && (parts.length == 1 || anchors(Page.read(file)).contains(parts[1]));
  }

  /** As GitHub makes them: words in lower case with hyphens between, numbered if there are more. */
  private static Set<String> anchors(Page page) {
    Set<String> anchors = new HashSet<>();
    Map<String, Integer> seen = new HashMap<>();
    for (String line : page.prose()) {
      Matcher heading = HEADING.matcher(line);
      if (heading.matches()) {
        String text = heading.group(1).replaceAll("\\[([^\\]]*)\\]\\([^)]*\\)", "$1");
        String anchor =
            text.toLowerCase(Locale.ROOT).replaceAll("[^\\p{L}\\p{N} _-]", "").replace(' ', '-');
        int times = seen.merge(anchor, 1, Integer::sum);
        anchors.add(times == 1 ? anchor : anchor + "-" + (times - 1));
      }
    }
    return anchors;
  }
}
