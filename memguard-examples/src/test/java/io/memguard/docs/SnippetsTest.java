package io.memguard.docs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.DynamicContainer.dynamicContainer;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import com.fasterxml.jackson.dataformat.toml.TomlMapper;
import io.memguard.MemoryGuard;
import io.memguard.docs.Page.Block;
import io.memguard.limits.LaunchOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.outcome.Outcome;
import java.io.IOException;
import java.io.StringReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DynamicContainer;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;
import org.xml.sax.InputSource;

/**
 * Whatever the documentation shows is run, compared, read as its consumer reads it, or says why
 * not.
 *
 * <p>A page has a folder, with what is in {@code src/test/snippets} and those of its blocks whose
 * first line is a comment with a file's name. Its Java blocks are run in it, in a JVM of their own,
 * with {@link Surroundings}; then its shell blocks. A {@code text} block right after one of these
 * is what it prints. XML, TOML and Python are parsed; a block in the language of one of memguard's
 * own files is a file that a block beside it reads.
 *
 * <p>An invisible comment right before a block, {@code <!-- snippet: … -->}, can say: {@code throws
 * X}, it ends with that exception; {@code exits N}, it and what fails in it do with that status (or
 * one of {@code [0-2]}); {@code figures vary}, any of them may be another; {@code compiled only:
 * why}; {@code not run: why}; {@code not compared: why}, of output; {@code tested by X}, another
 * test, or a command that {@code bin/test} runs. YAML needs such a test: that it can be parsed says
 * little. Of shell blocks that are not run, the syntax, the commands and their options are checked.
 *
 * <p>Nothing else passes: a block of no or another language, output that nobody compares and that
 * does not say so, a command that is indented in place of fenced.
 */
class SnippetsTest {
  private static final Duration DEADLINE = Duration.ofMinutes(5);

  /** What may be said of a block by its language, besides who tests it. */
  private static final Map<String, String> MARKS =
      Map.of(
          "java", "throws \\w+|compiled only: .+",
          "sh", "exits \\S+|not run: .+",
          "text", "figures vary|not compared: .+");

  private static final Pattern TEST = Pattern.compile("\\b[A-Z]\\w+Test\\b");
  private static final Pattern UNFENCED =
      Pattern.compile(
          "(?: {4}|\\t)\\s*(?:\\$ |\\./|(?:bin|lab|docs|benchmarks|memguard-\\w+)/"
              + "|(?:memguard|mvn|java|jfr|python3|sh|bash|docker|kubectl) ).*|~~~.*|\\s*<pre.*");

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
      pages.add(dynamicContainer(page.toString(), tests(page)));
    }
    return pages.stream();
  }

  private Stream<DynamicTest> tests(Page page) throws Exception {
    Path folder = Files.createDirectory(scratch.resolve(page.toString().replace('/', '_')));
    PageFolder.fill(page, folder);
    links.add(Files.createSymbolicLink(folder.resolve("bin"), Page.ROOT.resolve("bin")));
    List<DynamicTest> tests = new ArrayList<>();
    tests.add(dynamicTest("commands are fenced", () -> checkFenced(page)));
    if (page.blocks().stream().anyMatch(block -> block.language().equals("java"))) {
      tests.add(dynamicTest("java", () -> runJava(page, folder)));
    }
    for (Block block : page.blocks()) {
      tests.add(dynamicTest(block.language() + " " + block, () -> check(page, block, folder)));
    }
    return tests.stream();
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
    block.mark().ifPresent(mark -> checkMark(block, mark));
    switch (block.language()) {
      case "java" -> // with the others of its page
          assertThat(block.isRun() || block.mark().isPresent() || isRead(page, block))
              .as("%s: not run, nor does a block beside it read it", block)
              .isTrue();
      case "sh" -> checkShell(page, block, folder);
      case "text" ->
          assertThat(block.mark().filter(mark -> !mark.equals("figures vary")).isPresent())
              .as("%s: nobody compares it, or it was not said who", block)
              .isNotEqualTo(isCompared(page, block));
      case "xml" ->
          DocumentBuilderFactory.newInstance()
              .newDocumentBuilder()
              .parse(new InputSource(new StringReader(block.joined())));
      case "yaml" ->
          assertThat(block.marked("tested by")).as("%s: who reads it?", block).isPresent();
      case "toml" -> assertThat(new TomlMapper().readTree(block.joined())).isNotEmpty();
      case "python" ->
          run(
              List.of("python3", "-c", "import ast, sys; ast.parse(sys.argv[1])", block.joined()),
              folder,
              Optional.of("0"));
      case "ini" ->
          assertThat(isRead(page, block)).as("%s: no block beside it reads it", block).isTrue();
      default -> throw new AssertionError(block + ": nobody checks '" + block.language() + "'");
    }
  }

  private static void checkMark(Block block, String mark) {
    String others = MARKS.getOrDefault(block.language(), "tested by .+");
    assertThat(mark).as("%s", block).matches("tested by .+|" + others);
    for (String what : block.marked("tested by").orElse("").split(" and ", -1)) {
      assertThat(what.isEmpty() || Names.isThere(what)).as("%s: %s", block, what).isTrue();
    }
    TEST.matcher(mark)
        .results()
        .forEach(
            test -> assertThat(Names.isThere(test.group())).as("%s: %s", block, mark).isTrue());
  }

  private static boolean isCompared(Page page, Block text) {
    return page.blocks().stream().anyMatch(block -> block.isRun() && text.isRightAfter(block));
  }

  /** It is a file of the page's folder, and one that is run there names it. */
  private static boolean isRead(Page page, Block file) {
    return file.fileName()
        .filter(
            name ->
                page.blocks().stream()
                    .anyMatch(block -> block.isRun() && block.joined().contains(name)))
        .isPresent();
  }

  private void checkShell(Page page, Block block, Path folder) throws Exception {
    new ShellBlock(block).checkCommands();
    Optional<String> status = block.marked("exits");
    // The status is a pattern of the shell's too: what fails in another way ends the block.
    String how =
        status
            .map(s -> "set -u; trap 'e=$?; case $e in " + s + ") ;; *) exit $e ;; esac' ERR\n")
            .orElse(block.isRun() ? "set -eu\n" : "set -n\n");
    List<String> command = List.of("bash", "-c", how + block.joined());
    String said = run(command, folder, Optional.of(status.orElse("0")));
    if (block.isRun()) {
      assertPrints(page, block, said);
    }
  }

  /** Four blanks make a block as well, and so do others; but nobody would check these. */
  private static void checkFenced(Page page) {
    assertThat(page.prose().stream().filter(UNFENCED.asMatchPredicate())).isEmpty();
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
            assertThat(Integer.toString(((Outcome.Exited) outcome).code()))
                .as("%s%n%s", String.join(" ", command), said)
                .matches(code));
    return said;
  }

  private static void assertPrints(Page page, Block block, String said) {
    page.blocks().stream()
        .filter(printed -> printed.language().equals("text") && printed.isRightAfter(block))
        .forEach(
            printed ->
                assertThat(Expected.fits(printed, said))
                    .as("%s is what is printed; it is%n%s", printed, said)
                    .isTrue());
  }
}
