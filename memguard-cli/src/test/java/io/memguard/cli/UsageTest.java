package io.memguard.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;
import picocli.CommandLine.Model.OptionSpec;

/** Bad usage: one line that names the value and what is allowed, 125, and nothing is started. */
class UsageTest {
  @TempDir Path directory;

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "--memory 0                        | \"0\" is less than one byte",
        "--memory=-5                       | \"-5\" is negative",
        "--memory 12XB                     | unknown unit \"XB\"",
        "--memory 9EiB                     | unknown unit \"EiB\"",
        "--memory 99999999999GiB           | is more than 8EiB-1",
        "--memory lots                     | \"lots\" is not an amount of memory",
        "--rlimit nofile                   | has no value; write NAME=SOFT[:HARD]",
        "--rlimit files=3                  | \"files\" is unknown; it is one of",
        "--rlimit nofile=9:3               | above its hard limit 3",
        "--rlimit nofile=x                 | \"x\" is not a whole number",
        "--rlimit core=0 --rlimit core=1   | --rlimit core is given twice",
        "--memory 1G --rlimit data=1G      | are the same limit",
        "--retries 1                       | --retries needs a limit that can grow",
        "--memory 1G --retries -1          | --retries -1 is out of range",
        "--memory 1G --retries two         | 'two' is not an int",
        "--memory 1G --grow 2              | --grow has no effect without --retries",
        "--memory 1G --retries 1 --grow .5 | --grow 0.5 is out of range; allowed is 1.0 or more",
        "--memory 1G --retries 1 --grow NaN | --grow NaN is out of range",
        "--memory 1G --max-memory 2G       | --max-memory has no effect without --retries",
        "--memory 2G --retries 1 --max-memory 1G | is below the first limit, 2GiB",
        "--timeout 0                       | --timeout 0 leaves no time",
        "--hang-grace 0                    | --hang-grace 0 leaves no time",
        "--hang-grace 5x                   | \"5x\" is not a duration",
        "--no-forward FOO                  | \"FOO\" is no signal; write for example INT",
        "--no-forward 65                   | \"65\" is no signal",
        "--no-forward KILL                 | SIGKILL is never passed on; allowed are HUP, INT, QUIT, USR1,",
        "--no-forward CHLD                 | WINCH, IO, PWR and 34 to 64",
        "--timeout 5x                      | \"5x\" is not a duration",
        "--timeout 40000d                  | \"40000d\" is too long",
        "--grace=-1s                       | \"-1s\" is not a duration",
        "--oom-exit-code 256               | --oom-exit-code 256 is out of range; allowed is 0 to 255",
        "--witness maybe                   | none of require, prefer, off",
        "--memory 1G --tune perl           | tuning \"perl\" has no meaning; it is auto, off, or some of jvm,node,go,dotnet,glibc,thread-stacks",
        "--memory 1G --tune jvm,           | tuning \"jvm,\" has no meaning",
        "--tune auto                       | --tune has no limit to tell of; give --memory",
        "--tree-memory 0                   | \"0\" is less than one byte",
        "--tree-watch maybe                | none of require, prefer, off",
        "--tree-watch require              | --tree-watch=require has nothing to watch for; give --tree-memory",
        "--cgroup=maybe                    | none of require, prefer, off",
        "--workers-first=maybe             | none of require, prefer, off",
        "--memory-high 0                   | \"0\" is less than one byte",
        "--memory-high 1G --cgroup=off     | --memory-high has no effect with --cgroup=off",
        "--pids-max 5 --cgroup=off         | --pids-max has no effect with --cgroup=off",
        "--pids-max 0                      | --pids-max 0 is out of range; allowed is 1 to 2147483647",
        "--disarm-oom-group                | --disarm-oom-group has no effect without --prepare-cgroup",
        "--supervisor-min 1M               | --supervisor-min has no effect without --prepare-cgroup",
        "--systemd-scope                   | --systemd-scope has no effect without --prepare-cgroup",
        "--watch=5x                        | \"5x\" is not a duration",
        "--watch=10ms                      | --watch 10ms is out of range; allowed is 100ms to 1h",
        "--watch=2h                        | --watch 7200000ms is out of range",
        "--plot memory.pdf                 | --plot \"memory.pdf\" is no name of a plot; it ends in .svg or .png",
        "--plot memory                     | it ends in .svg or .png",
        "--plot no/such/folder/memory.svg  | the plot \"no/such/folder/memory.svg\" cannot be written: its directory does not exist",
        "--memory 1G --memory 2G           | should be specified only once",
        "--no-such-option                  | Unknown option: '--no-such-option'",
      })
  void badOption(String options, String complaint) throws Exception {
    Path started = directory.resolve("started");
    List<String> args = new ArrayList<>(List.of("run"));
    args.addAll(List.of(options.strip().split(" +")));
    args.addAll(List.of("--", "touch", started.toString()));

    Memguard.Result result = Memguard.run(args.toArray(String[]::new));

    assertThat(result.status()).isEqualTo(125);
    assertThat(result.onlyLine()).contains(complaint).contains("see memguard run --help");
    assertThat(result.output()).isEmpty();
    assertThat(started).doesNotExist();
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "run", "run --", "walk", "run --memory"})
  void nothingToRun(String line) throws Exception {
    Memguard.Result result = Memguard.run(line.isEmpty() ? new String[0] : line.split(" "));

    assertThat(result.status()).isEqualTo(125);
    assertThat(result.onlyLine()).contains(" --help");
  }

  @Test
  void helpFitsTheTerminal() throws Exception {
    Memguard.Result result = Memguard.run("run", "--help");

    assertThat(result.status()).isZero();
    assertThat(result.error()).isEmpty();
    assertThat(result.text().lines()).allMatch(line -> line.length() <= 80);
    assertThat(result.text())
        .contains("--memory", "--rlimit", "--retries", "--grow", "--max-memory", "--timeout")
        .contains("--grace", "--report", "--oom-exit-code", "--witness", "--quiet", "124", "128+n")
        .contains(
            "--cgroup[=WHEN]",
            "--workers-first[=WHEN]",
            "--memory-high",
            "--pids-max",
            "--prepare-cgroup")
        .contains(
            "--supervisor-min",
            "--disarm-oom-group",
            "--systemd-scope",
            "--tune",
            "--watch[=D]",
            "--plot");
  }

  /** Whoever reads the pages, and not the help, meets each option where it is of use. */
  @Test
  void everyOptionIsOnSomePage() throws Exception {
    StringBuilder pages = new StringBuilder(Files.readString(Path.of("..", "README.md")));
    try (var files = Files.newDirectoryStream(Path.of("..", "docs"), "*.md")) {
      for (Path page : files) {
        pages.append(Files.readString(page));
      }
    }
    Set<String> named =
        Pattern.compile("--[a-z-]+")
            .matcher(pages)
            .results()
            .map(MatchResult::group)
            .collect(Collectors.toSet());
    assertThat(named)
        .containsAll(options(new RunCommand()))
        .containsAll(options(new DoctorCommand()));
  }

  private static List<String> options(Object command) {
    return new CommandLine(command)
        .getCommandSpec().options().stream()
            .map(OptionSpec::longestName)
            .filter(name -> !name.equals("--help"))
            .toList();
  }

  @Test
  void versionIsOneLine() throws Exception {
    Memguard.Result result = Memguard.run("--version");

    assertThat(result.status()).isZero();
    assertThat(result.text()).matches("memguard .+\\R");
  }

  @Test
  void unwritableReportIsFoundOutBeforeTheCommandRuns() throws Exception {
    Path started = directory.resolve("started");
    for (String report : List.of(directory + "/no/such/folder/r.json", directory.toString(), "")) {
      Memguard.Result result = Memguard.run("run", "--report", report, "touch", started.toString());

      assertThat(result.status()).isEqualTo(125);
      assertThat(result.onlyLine()).contains("memguard: the report ");
    }
    assertThat(started).doesNotExist();
    try (var files = Files.list(directory)) {
      assertThat(files).isEmpty();
    }
  }

  @ParameterizedTest
  @CsvSource({"--report, r.json, --plot, no/p.svg", "--plot, p.svg, --report, no/r.json"})
  void anEarlierRunsFileIsKeptWhereTheOtherCannotBeWritten(
      String option, String name, String otherOption, String otherName) throws Exception {
    Path earlier = Files.writeString(directory.resolve(name), "of an earlier run");

    Memguard.Result result =
        Memguard.run(
            "run",
            option,
            earlier.toString(),
            otherOption,
            directory.resolve(otherName).toString(),
            "true");

    assertThat(result.status()).isEqualTo(125);
    assertThat(result.onlyLine()).contains("cannot be written");
    assertThat(earlier).hasContent("of an earlier run");
  }

  /** Its status would pass for a verdict. */
  @Test
  void aDoctorThatCannotBeHeardHasFailed() throws Exception {
    Memguard.Result result =
        new Memguard().through("sh", "-c", "exec \"$@\" >/dev/full", "sh").call("doctor");

    assertThat(result.status()).isEqualTo(125);
    assertThat(result.onlyLine()).contains("cannot be written to stdout");
  }
}
