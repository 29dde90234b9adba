package io.memguard.docs;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The table of system properties in troubleshooting.md has those that are read, and no others. */
class PropertiesTest {
  private static final List<String> MODULES =
      List.of("memguard-core", "memguard-cli", "memguard-micrometer");
  private static final Pattern CONSTANT = Pattern.compile("String (\\w+) =\\s+\"([^\"]*)\";");
  private static final Pattern READ =
      Pattern.compile(
          "(?:System\\.getProperty|Boolean\\.getBoolean|Integer\\.getInteger|Long\\.getLong)\\(\\s*(?:\"([^\"]*)\"|(?:\\w+\\.)*(\\w+))[,)]");
  private static final Pattern NAME = Pattern.compile("\\| `(memguard\\.[a-z.]+)` \\|.*");

  @Test
  void everyPropertyThatIsReadIsInTheTable() throws Exception {
    Map<String, String> constants = new HashMap<>();
    for (String source : sources()) {
      CONSTANT.matcher(source).results().forEach(it -> constants.put(it.group(1), it.group(2)));
    }
    Set<String> read = new TreeSet<>();
    for (String source : sources()) {
      for (MatchResult call : READ.matcher(source).results().toList()) {
        String name = call.group(1) != null ? call.group(1) : constants.get(call.group(2));
        assertThat(name).as("what %s reads", call.group()).isNotNull();
        if (name.startsWith("memguard.")) {
          read.add(name);
        }
      }
    }
    List<String> page = Files.readAllLines(Page.ROOT.resolve("docs/troubleshooting.md"));
    List<String> table =
        page.stream().map(NAME::matcher).filter(it -> it.matches()).map(it -> it.group(1)).toList();
    assertThat(table).containsExactlyInAnyOrderElementsOf(read).contains("memguard.engine");
  }

  private static List<String> sources() throws IOException {
    List<String> all = new ArrayList<>();
    for (String module : MODULES) {
      try (Stream<Path> files = Files.walk(Page.ROOT.resolve(module + "/src/main/java"))) {
        for (Path file : files.filter(file -> file.toString().endsWith(".java")).toList()) {
          all.add(Files.readString(file));
        }
      }
    }
    return all;
  }
}
