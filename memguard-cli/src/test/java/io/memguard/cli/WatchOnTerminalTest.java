package io.memguard.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What {@code --watch} shows on a terminal, and that it leaves that to the command. */
@Timeout(120)
class WatchOnTerminalTest {
  /** Holds 48 MiB, says what it is told line by line, and ends at "end". */
  private static final String ECHO =
      """
      import sys
      held = b'x' * (48 << 20)
      print('ready', flush=True)
      for line in sys.stdin:
          if line.strip() == 'end':
              break
          if line.strip() == 'many':
              for i in range(60):
                  print('line', i, flush=True)
          elif line.strip() == 'half':
              print('one half,', end='', flush=True)
          elif line.strip() == 'greedy':
              try:
                  bytearray(300 << 20)
              except MemoryError:
                  print('refused', flush=True)
          else:
              print('and', line.strip(), flush=True)
      """;

  @TempDir Path directory;
  private Tmux terminal;

  @AfterEach
  void close() throws Exception {
    if (terminal != null) {
      terminal.close();
    }
  }

  private void open(int columns, int rows, String... environment) throws Exception {
    new Memguard().script(directory.resolve("memguard-run"), "run");
    Files.writeString(directory.resolve("echo.py"), ECHO);
    terminal = new Tmux(directory, columns, rows, environment);
  }

  private void run(String line) throws Exception {
    terminal.type("clear; bash memguard-run " + line);
  }

  private static boolean isShown(String screen) {
    return screen.contains("── memguard ──") && screen.contains("tree ");
  }

  private static List<String> lines(String screen) {
    return screen.lines().toList();
  }

  @Test
  void theLastLinesAreKeptAndWhatTheCommandWritesScrollsAbove() throws Exception {
    open(80, 24);
    run("--watch=100ms --memory 256MiB --tree-memory 512MiB python3 echo.py");
    String first = terminal.until("it is shown", screen -> isShown(screen) && has48(screen));
    List<String> shown = lines(first).subList(20, 24);
    assertThat(shown.get(0))
        .matches("── memguard ── \\d:\\d\\d ── 1 process ─+( pressure \\d+% ─+)?")
        .hasSize(80);
    assertThat(shown.get(1))
        .matches("tree  █+░+  +(4[89]|5\\d)(\\.\\d)?MiB of \\d+MiB +\\d+%  peak .*MiB");
    assertThat(shown.get(2)).matches("data  █+░+ .* of 256MiB +\\d+%  \\d+ python3");
    assertThat(shown.get(3)).isEqualTo("last  nothing yet");

    terminal.type("half");
    terminal.until("half a line is there", screen -> screen.contains("one half,"));
    String then = clock(terminal.screen());
    terminal.until("the view was drawn since", screen -> !clock(screen).equals(then));
    terminal.type("many"); // the terminal's own echo goes on in the same line
    terminal.until("all is there", screen -> screen.contains("line 59"));
    assertThat(isShown(terminal.screen())).isTrue();
    assertThat(lines(terminal.screen()).subList(0, 19))
        .as("right above the view, and nothing is lost")
        .containsSubsequence(
            IntStream.range(45, 60).mapToObj(i -> "line " + i).toArray(String[]::new));
    assertThat(terminal.all().lines().filter(line -> line.startsWith("line ")))
        .containsExactlyElementsOf(IntStream.range(0, 60).mapToObj(i -> "line " + i).toList());
    assertThat(terminal.all()).contains("\none half,many\n");

    terminal.type("greedy");
    terminal.until(
        "it is told",
        screen ->
            lines(screen)
                .get(23)
                .matches("last  \\d:\\d\\d refused 300MiB \\(malloc\\): \\d+ python3"));

    terminal.type("end");
    String after = terminal.until("the shell is back", screen -> isPrompt(screen));
    assertThat(after).doesNotContain("── memguard", "tree ", "last ");
    assertAllLinesCanBeUsed(24, 1100);
  }

  /** docs/watch.md has a screen: as it is there, but for figures, and how long bars are. */
  @Test
  void itIsAsInTheDocumentation() throws Exception {
    Path docs = Path.of("..", "docs").toAbsolutePath();
    String page = Files.readString(docs.resolve("watch.md"));
    List<String> printed = lines(page.split("```(text\n)?", 3)[1]);
    open(80, printed.size());
    Files.createDirectory(directory.resolve("bin"));
    Files.move(directory.resolve("memguard-run"), directory.resolve("bin/memguard-run"));
    Path memguard = directory.resolve("bin/memguard");
    Files.writeString(memguard, "#!/bin/bash\nshift; . bin/memguard-run\n");
    assertThat(memguard.toFile().setExecutable(true)).isTrue();
    Files.createSymbolicLink(directory.resolve("docs"), docs);
    try {
      terminal.type(printed.get(0).substring(2));
      terminal.until("it is as printed", screen -> shape(lines(screen)).equals(shape(printed)));
      terminal.until("it has ended", WatchOnTerminalTest::isPrompt);
    } finally {
      Files.delete(directory.resolve("docs")); // JUnit warns of links that lead elsewhere
    }
  }

  private static String shape(List<String> screen) {
    return String.join("\n", screen)
        .replaceAll("\\b\\d+(\\.\\d+)?\\w*", "0")
        .replaceAll("[█░]+", "█")
        .replaceAll("─+( pressure 0% ─+)?", "─")
        .replaceAll(" {2,}", " ");
  }

  private static String clock(String screen) {
    return screen.replaceFirst("(?s).*── memguard ── (\\S+) .*", "$1");
  }

  private static boolean has48(String screen) {
    return screen.contains("ready")
        && screen
            .lines()
            .anyMatch(line -> line.matches("tree .* (4[89]|5\\d)(\\.\\d)?MiB  ?(of|peak) .*"));
  }

  private static boolean isPrompt(String screen) {
    List<String> written = screen.lines().filter(line -> !line.isBlank()).toList();
    return !written.isEmpty() && written.get(written.size() - 1).equals("$");
  }

  /** Writes a hundred numbers up to this one, which is not on the screen yet. */
  private void assertAllLinesCanBeUsed(int rows, int last) throws Exception {
    terminal.type("clear; seq " + (last - 99) + " " + last);
    String screen =
        terminal.until(
            "it has scrolled", text -> isPrompt(text) && lines(text).contains("" + last));
    assertThat(lines(screen)).hasSize(rows).element(rows - 2).isEqualTo("" + last);
    assertThat(lines(screen).get(0)).isEqualTo("" + (last - rows + 2));
  }

  @Test
  void itFollowsTheTerminalsSize() throws Exception {
    open(80, 24);
    run("--watch=100ms --memory 256MiB python3 echo.py");
    terminal.until("it is shown", screen -> isShown(screen) && has48(screen));

    terminal.resize(100, 30);
    terminal.until("it is at the end", screen -> lines(screen).get(29).startsWith("last "));
    assertThat(terminal.screen().lines().filter(line -> line.startsWith("── memguard"))).hasSize(1);
    assertThat(lines(terminal.screen()).get(26)).hasSize(100);

    terminal.resize(36, 14);
    terminal.until("it is narrow", screen -> shows(screen, 10, "── memguard ──", 36));
    assertThat(terminal.screen().lines()).allMatch(line -> line.length() <= 36);
    assertThat(lines(terminal.screen()).get(11)).matches("tree .*MiB of .*MiB +\\d+%.*");

    terminal.resize(60, 8);
    terminal.until("it is low", screen -> shows(screen, 6, "── memguard ──", 60));
    assertThat(lines(terminal.screen()).get(7)).startsWith("tree ");

    terminal.resize(80, 4);
    terminal.until("it is gone", screen -> !screen.contains("tree "));
    terminal.type("still");
    terminal.until("it is the command's alone", screen -> screen.contains("and still"));

    terminal.resize(80, 24);
    terminal.until("it is back", screen -> lines(screen).get(23).startsWith("last "));
    terminal.type("again");
    terminal.until("and above is the command's", screen -> screen.contains("and again"));
    assertThat(isShown(terminal.screen())).isTrue();
    terminal.type("end");
    terminal.until("the shell is back", WatchOnTerminalTest::isPrompt);
    assertAllLinesCanBeUsed(24, 1100);
  }

  private static boolean shows(String screen, int line, String beginning, int length) {
    List<String> all = lines(screen);
    return all.size() > line
        && all.get(line).startsWith(beginning)
        && all.get(line).length() == length;
  }

  @Test
  void whoStopsItHasTheTerminalInOrder() throws Exception {
    open(80, 24);
    run("--watch=100ms python3 echo.py");
    terminal.until("it is shown", screen -> isShown(screen) && has48(screen));

    terminal.key("C-z");
    String stopped = terminal.until("the shell is back", screen -> screen.contains("Stopped"));
    assertThat(isShown(stopped)).isFalse();
    assertAllLinesCanBeUsed(24, 1100);

    terminal.type("fg");
    terminal.until("it is shown again", WatchOnTerminalTest::isShown);
    terminal.type("back");
    terminal.until("the command has the lines above", screen -> screen.contains("and back"));
    assertThat(terminal.screen()).contains("\n1100\n");
    assertThat(isShown(terminal.screen())).isTrue();
    terminal.key("C-z");
    terminal.until("it can be stopped again", screen -> !isShown(screen) && isPrompt(screen));
    terminal.type("fg");
    terminal.until("it is shown again", WatchOnTerminalTest::isShown);

    terminal.key("C-c");
    terminal.until("the shell is back", WatchOnTerminalTest::isPrompt);
    assertThat(terminal.screen()).doesNotContain("── memguard").contains("SIGINT");
    assertAllLinesCanBeUsed(24, 2100);
  }

  @Test
  void whoEndsItByASignalHasTheTerminalInOrder() throws Exception {
    open(80, 24);
    run("--watch=100ms sh -c 'echo $PPID >pid; exec sleep 1000'");
    terminal.until("it is shown", WatchOnTerminalTest::isShown);
    Path pid = directory.resolve("pid");
    Waiting.until("it runs", () -> Files.exists(pid) && Files.readString(pid).endsWith("\n"));
    String memguard = Files.readString(pid).strip();

    assertThat(new ProcessBuilder("kill", "-TERM", memguard).start().waitFor()).isZero();

    terminal.until("the shell is back", WatchOnTerminalTest::isPrompt);
    assertThat(terminal.screen()).doesNotContain("── memguard").contains("SIGTERM");
    assertAllLinesCanBeUsed(24, 1100);
  }

  @Test
  void whatCannotBeStartedLeavesTheTerminalInOrder() throws Exception {
    open(80, 24);
    run("--watch=100ms /no/such/program");
    terminal.until(
        "the shell is back", screen -> screen.contains("memguard: ") && isPrompt(screen));
    assertThat(terminal.screen()).doesNotContain("── memguard");
    assertAllLinesCanBeUsed(24, 1100);
  }

  @Test
  void eachAttemptIsShown() throws Exception {
    open(80, 24);
    Files.writeString(
        directory.resolve("greedy.py"),
        "import sys; held = bytearray(100 << 20); sys.stdin.read(1)");
    run("--watch=100ms --memory 64MiB --retries 1 --grow 4 python3 greedy.py");
    terminal.until("it is the second", screen -> screen.contains("attempt 2 of 2 "));
    terminal.until("it has its limit", screen -> screen.contains("MiB of 256MiB"));
    terminal.type("");
    terminal.until("the shell is back", WatchOnTerminalTest::isPrompt);
  }

  @Test
  void coloursAreNotForEverybody() throws Exception {
    open(80, 24, "NO_COLOR=1");
    run("--watch=100ms --memory 256MiB python3 echo.py");
    terminal.until("it is shown", screen -> isShown(screen) && has48(screen));
    assertThat(terminal.coloured()).doesNotContain("\033[");
    terminal.type("end");
    terminal.until("the shell is back", WatchOnTerminalTest::isPrompt);
    terminal.type("unset NO_COLOR; export LC_ALL=C");
    run("--watch=100ms --memory 256MiB python3 echo.py");
    terminal.until("it is shown", screen -> screen.contains("-- memguard -- ") && has48(screen));
    assertThat(terminal.coloured()).contains("\033[32m#");
  }

  @Test
  void aTerminalThatCannotDrawHasLines() throws Exception {
    open(100, 24, "TERM=dumb");
    run("--watch=100ms --memory 256MiB python3 echo.py");
    String line =
        "(?s).*memguard: \\d:\\d\\d: [345]\\d(\\.\\d)?MiB of \\d+MiB \\(\\d+%\\) in 1 process, peak .*";
    terminal.until("a line is there", screen -> screen.matches(line));
    assertThat(terminal.coloured()).doesNotContain("── memguard", "\033[");
  }
}
