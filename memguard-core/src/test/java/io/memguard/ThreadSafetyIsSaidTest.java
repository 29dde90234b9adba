package io.memguard;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Each type of the API says in its Javadoc what threads may do with it. Of records, enums and
 * exceptions the documentation of the package {@code io.memguard} says it once.
 */
@Tag("engine-independent")
class ThreadSafetyIsSaidTest {
  private static final Pattern EXPORT = Pattern.compile("exports ([\\w.]+);");
  private static final Pattern TYPE =
      Pattern.compile("^public (?:\\w+ )*(?:class|interface) (\\w+)", Pattern.MULTILINE);
  private static final Pattern SAID =
      Pattern.compile("(?i)\\b(immutable|thread-safe|safe to share|by several threads)\\b");

  @Test
  void ofEachTypeThatIsExported() throws IOException {
    Map<String, String> docs = new TreeMap<>();
    for (String module : List.of("../memguard-core", "../memguard-micrometer")) {
      Path sources = Path.of(module, "src/main/java");
      String descriptor = Files.readString(sources.resolve("module-info.java"));
      for (MatchResult export : EXPORT.matcher(descriptor).results().toList()) {
        Path directory = sources.resolve(export.group(1).replace('.', '/'));
        try (DirectoryStream<Path> files = Files.newDirectoryStream(directory, "*.java")) {
          for (Path file : files) {
            read(Files.readString(file), docs);
          }
        }
      }
    }
    docs.keySet().removeIf(name -> name.endsWith("Exception"));
    assertThat(docs).containsKeys("MemoryGuard", "MemoryGuardMeters");
    assertThat(docs).allSatisfy((name, doc) -> assertThat(doc).as(name).containsPattern(SAID));
  }

  /** Takes the last comment before the type: no other one stands between. */
  private static void read(String source, Map<String, String> docs) {
    Matcher type = TYPE.matcher(source);
    if (type.find()) {
      String before = source.substring(0, type.start());
      String doc = before.substring(Math.max(0, before.lastIndexOf("/**")));
      docs.put(type.group(1), doc.replaceAll("\\s*\\n \\* ?", " "));
    }
  }
}
