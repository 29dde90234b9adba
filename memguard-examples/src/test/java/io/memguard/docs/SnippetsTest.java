package io.memguard.docs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.DynamicContainer.dynamicContainer;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import io.memguard.MemoryGuard;
import io.memguard.docs.Page.Block;
import io.memguard.limits.LaunchOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.outcome.Outcome;
import java.io.IOException;
import java.io.StringReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DynamicContainer;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;
import org.xml.sax.InputSource;
import org.yaml.snakeyaml.Yaml;

/**
 * Whatever the documentation shows is compiled and run.
 *
 * <p>A page has a folder, with what is in {@code src/test/snippets} and those of its blocks whose
 * first line is a comment with a file's name. Its Java blocks are run in it, in a JVM of their own,
 * with {@link Surroundings}; then its shell blocks. A {@code text} block right after one of these
 * is what it prints. XML, YAML, JSON and Python are parsed.
 *
 * <p>An invisible comment right before a block, {@code <!-- snippet: … -->}, can say: {@code throws
 * X}, it ends with that exception; {@code exits N}, with that status; {@code compiled only: why};
 * {@code not run: why}; {@code tested by X}, another test, or a command that {@code bin/test} runs.
 * Of shell blocks that are not run, the syntax, the commands and their options are checked.
 */
class SnippetsTest {
  private static final Duration DEADLINE = Duration.ofSeconds(90);

  @TempDir Path scratch;
  private final MemoryGuard guard = MemoryGuard.create();
  private final List<Path> links = new ArrayList<>();

  @AfterEach
  void close() throws IOException {
    guard.close();
    for (Path link : links) {
      Files.delete(link); // JUnit warns of those that lead elsewhere
    }
  }

  @TestFactory
  Stream<DynamicContainer> everyBlock() throws Exception {
    List<DynamicContainer> pages = new ArrayList<>();
    for (Page page : Page.all()) {
      if (!page.blocks().isEmpty()) {
        pages.add(dynamicContainer(page.toString(), tests(page)));
      }
    }
    return pages.stream();
  }

  private Stream<DynamicTest> tests(Page page) throws Exception {
    Path folder = Files.createDirectory(scratch.resolve(page.toString().replace('/', '_')));
    prepare(page, folder);
    List<DynamicTest> tests = new ArrayList<>();
    if (page.blocks().stream().anyMatch(block -> block.language().equals("java"))) {
      tests.add(dynamicTest("java", () -> runJava(page, folder)));
    }
    for (Block block : page.blocks()) {
      tests.add(dynamicTest(block.language() + " " + block, () -> check(page, block, folder)));
    }
    return tests.stream();
  }

  private void prepare(Page page, Path folder) throws IOException {
    try (Stream<Path> files = Files.list(Path.of("src/test/snippets"))) {
      for (Path file : files.toList()) {
        Files.copy(file, folder.resolve(file.getFileName()), StandardCopyOption.COPY_ATTRIBUTES);
      }
    }
    Files.copy(
        Page.ROOT.resolve("memguard-examples/workers/memguard_worker.py"),
        folder.resolve("memguard_worker.py"));
    links.add(Files.createSymbolicLink(folder.resolve("bin"), Page.ROOT.resolve("bin")));
    for (Block block : page.blocks()) {
      if (block.fileName().isPresent()) {
        Path file = folder.resolve(block.fileName().get());
        Files.createDirectories(file.getParent());
        Files.writeString(file, block.joined());
      }
    }
  }

  private void runJava(Page page, Path folder) throws Exception {
    Path classes = folder.resolve("classes");
    Map<String, Block> snippets = new JavaSnippets(page, classes).toRun();
    if (snippets.isEmpty()) {
      return;
    }
    List<String> command =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED",
                "-XX:TieredStopAtLevel=1",
                "-Dmemguard.cgroup.leaf=off",
                "-Dorg.slf4j.simpleLogger.logFile=" + folder.resolve("log"),
                "-cp",
                System.getProperty("java.class.path") + ":" + classes,
                SnippetRunner.class.getName()));
    command.addAll(snippets.keySet());
    String said = run(command, folder, Optional.empty());
    for (Map.Entry<String, Block> snippet : snippets.entrySet()) {
      Block block = snippet.getValue();
      String begin = SnippetRunner.BEGIN + snippet.getKey() + "\n";
      assertThat(said).as("%s was run", block).contains(begin);
      String from = said.substring(said.indexOf(begin) + begin.length());
      assertThat(from).as("%s came to its end", block).contains(SnippetRunner.END);
      int end = from.indexOf(SnippetRunner.END);
      String how = from.substring(end + SnippetRunner.END.length());
      assertThat(how.lines().findFirst().orElse(""))
          .as("how %s ended: %s", block, how)
          .isEqualTo(block.marked("throws").orElse(""));
      assertPrints(page, block, from.substring(0, end));
    }
  }

  private void check(Page page, Block block, Path folder) throws Exception {
    block.marked("tested by").ifPresent(what -> assertThat(Names.isThere(what)).as(what).isTrue());
    switch (block.language()) {
      case "sh" -> {
        ShellBlock shell = new ShellBlock(block);
        shell.checkCommands();
        boolean isRun = block.mark().isEmpty() || block.marked("exits").isPresent();
        String script = (isRun ? "set -eu\n" : "set -n\n") + block.joined();
        String said =
            run(
                List.of("bash", "-c", script),
                folder,
                Optional.of(block.marked("exits").orElse("0")));
        if (isRun) {
          assertPrints(page, block, said);
        }
      }
      case "xml" ->
          DocumentBuilderFactory.newInstance()
              .newDocumentBuilder()
              .parse(new InputSource(new StringReader(block.joined())));
      case "yaml", "json" -> new Yaml().loadAll(block.joined()).forEach(document -> {});
      case "python" ->
          run(
              List.of("python3", "-c", "import ast, sys; ast.parse(sys.argv[1])", block.joined()),
              folder,
              Optional.of("0"));
      case "java", "text", "toml", "ini", "" -> {}
      default -> throw new AssertionError(block + ": nobody checks " + block.language());
    }
  }

  /** Runs a command to its end; nothing of it is left, whatever it does. */
  private String run(List<String> command, Path folder, Optional<String> status) throws Exception {
    Path output = Files.createTempFile(folder, "said", ".txt");
    ProcessBuilder job =
        new ProcessBuilder(command)
            .directory(folder.toFile())
            .redirectErrorStream(true)
            .redirectOutput(output.toFile());
    String java = System.getProperty("java.home");
    Map<String, String> environment = job.environment();
    environment.put("JAVA_HOME", java);
    environment.put(
        "PATH",
        folder + ":" + java + "/bin:" + Page.ROOT.resolve("bin") + ":" + System.getenv("PATH"));
    Outcome outcome =
        guard.run(job, MemoryLimits.none(), LaunchOptions.defaults().withTimeout(DEADLINE));
    String said = Files.readString(output);
    assertThat(outcome)
        .as("%s%n%s", String.join(" ", command), said)
        .isInstanceOf(Outcome.Exited.class);
    status.ifPresent(
        code ->
            assertThat(((Outcome.Exited) outcome).code())
                .as("%s%n%s", String.join(" ", command), said)
                .isEqualTo(Integer.parseInt(code)));
    return said;
  }

  private static void assertPrints(Page page, Block block, String said) {
    page.blocks().stream()
        .filter(printed -> printed.language().equals("text") && printed.isRightAfter(block))
        .forEach(
            printed ->
                assertThat(Expected.fits(printed.text(), said))
                    .as("%s is what is printed; it is%n%s", printed, said)
                    .isTrue());
  }
}
