package io.memguard.examples.images;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.memguard.outcome.Cause;
import io.memguard.outcome.Outcome;
import io.memguard.recover.TaskAttempt;
import io.memguard.recover.TaskQuarantinedException;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.w3c.dom.Element;

/** The batch at a small scale, with real pictures and real workers. */
class ImagesTest {
  private static final String PYTHON = "/usr/bin/python3";

  @TempDir Path directory;

  @BeforeAll
  static void hasPillow() throws Exception {
    boolean has = new File(PYTHON).canExecute() && python("-c", "import PIL") == 0;
    if (!has && "1".equals(System.getenv("MEMGUARD_MUST_WORK"))) {
      throw new AssertionError("MEMGUARD_MUST_WORK is set, and there is no Pillow (python3-pil)");
    }
    assumeTrue(has, "no Pillow");
  }

  @Test
  void makesEveryThumbnailThatCanBeMadeAndSetsTheBombsAside() throws Exception {
    Path pictures = pictures(60, 2, 2);

    Summary summary = Guarded.run(arguments(pictures));

    assertThat(summary.statistics().done()).isEqualTo(58);
    assertThat(summary.errors()).isEmpty();
    assertThat(summary.larger()).as("two large ones and two bombs").isEqualTo(4);
    assertThat(summary.quarantined()).hasSize(2);
    summary.quarantined().forEach((picture, why) -> assertBomb(picture, why));
    for (Path picture : files(pictures)) {
      Path thumbnail = directory.resolve("made/thumbnails/" + picture.getFileName() + ".jpg");
      if (summary.quarantined().containsKey(picture)) {
        assertThat(thumbnail).doesNotExist();
      } else {
        BufferedImage image = ImageIO.read(thumbnail.toFile());
        assertThat(Math.max(image.getWidth(), image.getHeight())).as("%s", picture).isEqualTo(128);
      }
    }
    assertThat(printed(summary))
        .contains("58 thumbnails made of 60 pictures", "4 tried on a larger worker")
        .contains("-bomb.png: ALLOCATION_DENIED at 256MiB");
    assertPlot(directory.resolve("made/memory"));
  }

  private static void assertBomb(Path picture, TaskQuarantinedException why) {
    assertThat(picture.toString()).contains("bomb");
    assertThat(why.attempts())
        .extracting(attempt -> attempt.limits().memory().orElseThrow())
        .containsExactly(64L << 20, 256L << 20);
    assertThat(why.attempts()).extracting(TaskAttempt::outcome).allMatch(ImagesTest::isDenied);
  }

  private static boolean isDenied(Outcome outcome) {
    return outcome instanceof Outcome.OutOfMemory end && end.cause() == Cause.ALLOCATION_DENIED;
  }

  private static void assertPlot(Path name) throws Exception {
    BufferedImage image = ImageIO.read(new File(name + ".png"));
    assertThat(image.getWidth()).isEqualTo(1000);
    DocumentBuilderFactory parsers = DocumentBuilderFactory.newInstance();
    parsers.setFeature("http://apache.org/xml/features/nonvalidating/load-external-dtd", false);
    Element drawing = parsers.newDocumentBuilder().parse(name + ".svg").getDocumentElement();
    assertThat(drawing.getTagName()).isEqualTo("svg");
    assertThat(drawing.getElementsByTagName("line").getLength()).isGreaterThan(10);
  }

  @Test
  void plainWorkersMakeTheSameThumbnails() throws Exception {
    Path pictures = pictures(12, 0, 0);

    Summary summary = Unguarded.run(arguments(pictures));

    assertThat(summary.statistics().done()).isEqualTo(12);
    assertThat(files(directory.resolve("made/thumbnails"))).hasSize(12);
    assertPlot(directory.resolve("made/memory-without"));
  }

  @Test
  void whatIsNoPictureIsAnErrorThatCostsNoWorker() throws Exception {
    Path pictures = pictures(3, 0, 0);
    Path text = Files.writeString(pictures.resolve("notes.jpg"), "no picture");

    Summary summary = Guarded.run(arguments(pictures));

    assertThat(summary.statistics().done()).isEqualTo(3);
    assertThat(summary.errors()).containsOnlyKeys(text);
    assertThat(summary.errors().get(text)).hasMessageContaining("UnidentifiedImageError");
    assertThat(summary.quarantined()).isEmpty();
  }

  private Arguments arguments(Path pictures) throws IOException {
    return Arguments.of("thumbnail.py", pictures.toString(), directory.resolve("made").toString());
  }

  private Path pictures(int count, int bombs, int large) throws Exception {
    Path folder = directory.resolve("pictures");
    String[] numbers = {"" + count, "" + bombs, "" + large};
    assertThat(python("make_images.py", folder.toString(), numbers[0], numbers[1], numbers[2]))
        .isZero();
    return folder;
  }

  private static int python(String... arguments) throws Exception {
    List<String> command = new ArrayList<>(List.of(PYTHON));
    command.addAll(List.of(arguments));
    Process process =
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
            .start();
    try {
      assertThat(process.waitFor(2, TimeUnit.MINUTES)).as("%s ends", command).isTrue();
      return process.exitValue();
    } finally {
      process.destroyForcibly();
    }
  }

  private static List<Path> files(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.toList();
    }
  }

  private static String printed(Summary summary) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    summary.print(new PrintStream(bytes, true, StandardCharsets.UTF_8));
    return bytes.toString(StandardCharsets.UTF_8);
  }
}
