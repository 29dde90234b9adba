package io.memguard.docs;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** What the documentation may name: test classes, and files of the project. */
final class Names {
  private static final Set<String> TESTS = tests();

  private Names() {}

  /** Tells whether there is such a test class ({@code …Test} for any that ends so) or file. */
  static boolean isThere(String name) {
    String first = name.split("[ .](?=\\w)", 2)[0];
    if (first.startsWith("…")) {
      return TESTS.stream().anyMatch(test -> test.endsWith(first.substring(1)));
    }
    return first.endsWith("Test")
        ? TESTS.contains(first)
        : Files.exists(Page.ROOT.resolve(name.split(" ", 2)[0]));
  }

  private static Set<String> tests() {
    try (Stream<Path> modules = Files.list(Page.ROOT);
        Stream<Path> examples = Files.list(Page.ROOT.resolve("memguard-examples"))) {
      return Stream.concat(modules, examples)
          .map(module -> module.resolve("src/test/java"))
          .filter(Files::isDirectory)
          .flatMap(Names::testsOf)
          .collect(Collectors.toSet());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static Stream<String> testsOf(Path sources) {
    try (Stream<Path> files = Files.walk(sources)) {
      return files
          .map(file -> file.getFileName().toString())
          .filter(file -> file.endsWith("Test.java"))
          .map(file -> file.replace(".java", ""))
          .toList()
          .stream();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
