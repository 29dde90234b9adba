package io.memguard.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import javax.imageio.ImageIO;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What {@code --plot} draws, read from the drawing. */
@Timeout(120)
class PlotTest {
  /** Has 40 MiB for a while, and then asks for too much. */
  private static final String GREEDY =
      """
      import sys, time
      time.sleep(0.5)
      held = b'x' * (40 << 20)
      time.sleep(2)
      more = b'y' * (100 << 20)
      time.sleep(2)
      """;

  /** Passes 64 MiB after a while, and would stay for long. */
  private static final String GROWING =
      """
      import time
      held = b'x' * (40 << 20)
      time.sleep(0.3)
      more = b'y' * (40 << 20)
      time.sleep(20)
      """;

  /** By the first signal or, if it goes on growing, by the second. */
  private static final String ENDED = "killed by SIG(TERM|KILL): out of memory, preempted";

  /** Coordinates are written with one decimal, and so are the times. */
  private static final Offset<Double> NEARLY = Offset.offset(8.0);

  @TempDir Path directory;

  private Path file(String name) {
    return directory.resolve(name);
  }

  @Test
  void attemptsLimitsAndWhatHappenedAreWhereTheyBelong() throws Exception {
    Memguard.Result result =
        Memguard.run(
            "run",
            "--memory=64MiB",
            "--retries=1",
            "--grow=4",
            "--plot=" + file("memory.svg"),
            "python3",
            "-c",
            GREEDY);
    assertThat(result.status()).as(result.error()).isZero();
    Drawing drawing = Drawing.read(file("memory.svg"));
    assertThat(drawing.title()).startsWith("python3 -c import sys, time ").endsWith("… — exit 0");
    assertThat(drawing.words())
        .startsWith("all of it together", "of the largest process, what its limit counts")
        .contains("limit of all together", "limit of each process");
    int refused = number(drawing, "refused 100(\\.\\d)?MiB \\(malloc\\): \\d+ python3");
    int first = number(drawing, "attempt 1: exit 1: out of memory, allocation-denied");
    int end = number(drawing, "attempt 2: exit 0");
    assertThat(List.of(refused, first, end)).as("in order of time").isSorted();
    // On a busy machine nobody may look while it has most: then there is a diamond for that.
    List<String> peaks =
        drawing.words().stream().filter(text -> text.matches("\\d: \\S+ s, peak \\S+")).toList();
    assertThat(peaks).hasSizeLessThanOrEqualTo(2);
    assertThat(drawing.words()).hasSize(4 + 3 + peaks.size());

    // The limits of the two attempts tell where a second is, and a MiB.
    List<Drawing.Shape> limits = drawing.in("230,159,0");
    assertThat(limits).hasSize(2);
    double zeroth = limits.get(0).left();
    double second = (limits.get(1).right() - zeroth) / drawing.seconds(end);
    double mib = (limits.get(0).y() - limits.get(1).y()) / (256 - 64);
    double zero = limits.get(0).y() + 64 * mib;
    assertThat(limits.get(0).right()).isCloseTo(zeroth + second * drawing.seconds(first), NEARLY);
    assertThat(limits.get(1).left()).isGreaterThan(limits.get(0).right() - 1);

    assertThat(drawing.in("213,94,0").stream().filter(one -> one.right() - one.left() < 20))
        .as("a triangle where it was refused")
        .hasSize(1)
        .allSatisfy(
            mark -> {
              assertThat(mark.x()).isCloseTo(zeroth + second * drawing.seconds(refused), NEARLY);
              assertThat((zero - mark.y()) / mib).isBetween(40.0, 64.0);
            });
    assertThat(drawing.in("64,64,64").stream().map(Drawing.Shape::x).sorted().toList())
        .as("a ring where each ended")
        .satisfiesExactly(
            one -> assertThat(one).isCloseTo(zeroth + second * drawing.seconds(first), NEARLY),
            two -> assertThat(two).isCloseTo(zeroth + second * drawing.seconds(end), NEARLY));
    assertThat(drawing.in("0,114,178").stream().map(one -> (zero - one.top()) / mib).toList())
        .as("nobody holds more than both together")
        .allMatch(held -> held < 165)
        .anyMatch(held -> held > 140 || peaks.stream().anyMatch(text -> isAfter(first, text)));
  }

  @Test
  void aKillHasItsCrossAboveTheLimit() throws Exception {
    Memguard.Result result =
        Memguard.run(
            "run", "--tree-memory=64MiB", "--plot=" + file("killed.svg"), "python3", "-c", GROWING);
    assertThat(result.status()).as(result.error()).isEqualTo(128 + 9);
    Drawing drawing = Drawing.read(file("killed.svg"));
    assertThat(drawing.title()).matches(".* — " + ENDED);
    int kill = number(drawing, "memguard ends all of it");
    int end = number(drawing, ENDED);
    assertThat(drawing.seconds(kill)).isBetween(0.3, drawing.seconds(end));

    Drawing.Shape limit = drawing.in("213,94,0").get(0);
    double second = (limit.right() - limit.left()) / drawing.seconds(end);
    assertThat(drawing.crosses())
        .singleElement()
        .satisfies(
            cross -> {
              assertThat(cross.colour()).isEqualTo("0,0,0");
              assertThat(cross.x())
                  .isCloseTo(
                      limit.left() + second * drawing.seconds(kill),
                      Offset.offset(2 + second / 100));
              assertThat(cross.y()).as("more than the limit").isLessThan(limit.y() + 1);
            });
  }

  private static boolean isAfter(int number, String text) {
    return Integer.parseInt(text.substring(0, text.indexOf(':'))) > number;
  }

  /** Returns the number of the mark that has these words. */
  private static int number(Drawing drawing, String words) {
    return drawing.words().stream()
        .filter(line -> line.matches("\\d: \\S+ s, " + words))
        .map(line -> Integer.parseInt(line.split(":", -1)[0]))
        .findFirst()
        .orElseThrow(() -> new AssertionError(drawing.words()));
  }

  @Test
  void itIsDrawnHoweverItEnds() throws Exception {
    Memguard.Result timedOut =
        Memguard.run("run", "--timeout=300ms", "--plot", file("t.svg") + "", "sleep", "100");
    assertThat(timedOut.status()).isEqualTo(124);
    assertThat(Drawing.read(file("t.svg")).title()).endsWith("killed by SIGTERM: timed out");

    Process signalled =
        new Memguard()
            .start("run", "--plot", file("s.svg") + "", "sh", "-c", "echo ready; exec sleep 100");
    assertThat(signalled.inputReader().readLine()).isEqualTo("ready");
    signalled.destroy();
    assertThat(signalled.waitFor()).isEqualTo(128 + 15);
    assertThat(Drawing.read(file("s.svg")).title())
        .isEqualTo("sh -c echo ready; exec sleep 100 — killed by SIGTERM");
  }

  /** Nobody has looked: it is from what the kernel and the witness say at its end. */
  @Test
  void aShortLifeHasItsPeakAndItsEnd() throws Exception {
    Memguard.Result result = Memguard.run("run", "--plot", file("short.svg") + "", "true");
    assertThat(result.status()).isZero();
    Drawing drawing = Drawing.read(file("short.svg"));
    assertThat(drawing.words()).anyMatch(text -> text.matches("\\d: \\d+\\.\\d\\d s, exit 0"));
  }

  @Test
  void aPictureIsOne() throws Exception {
    Memguard.Result result =
        Memguard.run("run", "--memory=1G", "--plot", file("memory.PNG") + "", "sleep", "0.1");
    assertThat(result.status()).as(result.error()).isZero();
    assertThat(ImageIO.read(file("memory.PNG").toFile()).getWidth()).isEqualTo(1000);
  }

  /** As bin/memguard has it. */
  @Test
  void aSmallHeapIsEnough() throws Exception {
    for (String name : new String[] {"small.svg", "small.png"}) {
      Memguard.Result result =
          new Memguard()
              .through("env", "JAVA_TOOL_OPTIONS=-Xmx64m")
              .call("run", "--memory=1G", "--plot", file(name) + "", "sleep", "0.1");
      assertThat(result.status()).as(result.error()).isZero();
      assertThat(file(name)).isNotEmptyFile();
    }
  }

  @Test
  void whatCannotBeStartedHasNone() throws Exception {
    Files.writeString(file("old.svg"), "of another run");
    Memguard.Result result =
        Memguard.run("run", "--plot", file("old.svg") + "", "/no/such/program");
    assertThat(result.status()).isEqualTo(127);
    assertThat(file("old.svg")).doesNotExist();
  }
}
