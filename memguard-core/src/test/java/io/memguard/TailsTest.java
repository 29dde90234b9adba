package io.memguard;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.limits.MemoryLimits;
import io.memguard.limits.Protection;
import io.memguard.limits.Requirement;
import io.memguard.outcome.Confidence;
import io.memguard.outcome.Evidence;
import io.memguard.outcome.Evidence.Tail;
import io.memguard.outcome.Outcome;
import io.memguard.support.Children;
import io.memguard.support.Eventually;
import io.memguard.support.WithGuard;
import java.io.File;
import java.lang.ProcessBuilder.Redirect;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** The last of what a child wrote is evidence, wherever it went; its reader gets all of it. */
@ExtendWith(WithGuard.class)
@Timeout(60)
final class TailsTest {
  private static final MemoryLimits UNWATCHED =
      MemoryLimits.of("512MiB").with(Protection.WITNESS, Requirement.OFF);

  private static final long HELD = 400 << 20;

  /**
   * Most of the limit is in use, which with the words is probable; it goes on when that was seen.
   */
  private static final String FAILS =
      """
      import sys
      held = bytearray(400 << 20)
      sys.stdin.readline()
      print("to stdout", flush=True)
      sys.exit("MemoryError")
      """;

  private static final String WRITES =
      """
      import os, sys
      for i in range(1 << 14):
        os.write(1, b"out %012d" % i * 4)
        os.write(2, b"err %012d" % i * 4)
      sys.exit(3)
      """;

  @TempDir private Path directory;

  @Test
  void whatIsKeptTakesNothingFromTheReader(MemoryGuard guard) throws Exception {
    String waits =
        WRITES.replace("sys.exit(3)", "sys.stdin.read()\nsys.exit(3)"); // when all was read
    GuardedProcess process = guard.start(Children.python(waits), MemoryLimits.none());
    CompletableFuture<byte[]> errors =
        CompletableFuture.supplyAsync(() -> bytes(process.getErrorStream(), written("err").length));
    byte[] output = bytes(process.getInputStream(), written("out").length);
    assertThat(output).isEqualTo(written("out"));
    assertThat(errors.get()).isEqualTo(written("err"));
    process.getOutputStream().close();
    Evidence evidence = process.outcome().get().evidence();
    assertThat(evidence.outputTail()).isEqualTo(lastOf(output, 8 << 10));
    assertThat(evidence.errorTail()).isEqualTo(lastOf(errors.get(), 32 << 10));
  }

  @Test
  void whatWentToFilesIsReadThere(MemoryGuard guard) throws Exception {
    Path out = Files.writeString(directory.resolve("out"), "old");
    Path err = directory.resolve("err");
    ProcessBuilder job = Children.python(WRITES).redirectOutput(out.toFile());
    Evidence evidence =
        guard.run(job.redirectError(Redirect.appendTo(err.toFile())), UNWATCHED).evidence();
    assertThat(Files.readAllBytes(out)).isEqualTo(written("out"));
    assertThat(evidence.outputTail()).isEqualTo(lastOf(written("out"), 8 << 10));
    assertThat(evidence.errorTail()).isEqualTo(lastOf(written("err"), 32 << 10));
    assertThat(evidence.sharedTails()).containsExactly(Tail.ERROR);
  }

  @Test
  void whatOthersMayHaveWrittenIsAtMostPossible() throws Exception {
    String here = runs(List.of("inherit"), FAILS);
    assertThat(here).isEqualTo("[OUTPUT, ERROR] POSSIBLE 'to stdout\n' 'MemoryError\n'");
  }

  @Test
  void whatWasThereBeforeIsNotTheChilds() throws Exception {
    String here = runs(List.of("inherit"), "import sys; sys.exit(5)");
    assertThat(here).isEqualTo("[OUTPUT, ERROR] none '' ''");
  }

  @Test
  void aStreamThatIsTheChildsAloneIsItsWord() throws Exception {
    assertThat(runs(List.of("error-to-a-pipe"), FAILS))
        .isEqualTo("[OUTPUT] PROBABLE 'to stdout\n' 'MemoryError\n'");
    assertThat(runs(List.of("error-to-output"), FAILS))
        .isEqualTo(
            "[OUTPUT, ERROR] POSSIBLE 'to stdout\nMemoryError\n' 'to stdout\nMemoryError\n'");
  }

  /** A JVM whose own streams are files with something in them already. */
  private String runs(List<String> how, String program) throws Exception {
    Path out = Files.writeString(directory.resolve("out"), "MemoryError\n");
    Path err = Files.writeString(directory.resolve("err"), "MemoryError\n");
    File said = directory.resolve("said").toFile();
    ProcessBuilder jvm =
        Children.jvm(List.of(), Inheriting.class, how.get(0), program, said.toString())
            .redirectOutput(Redirect.appendTo(out.toFile()))
            .redirectError(Redirect.appendTo(err.toFile()));
    assertThat(jvm.start().waitFor()).as(Files.readString(err)).isZero();
    return Files.readString(said.toPath());
  }

  /** Runs a child, and says into a file what was known of its tails. */
  static final class Inheriting {
    private Inheriting() {}

    public static void main(String[] args) throws Exception {
      ProcessBuilder job = Children.python(args[1]).inheritIO();
      switch (args[0]) {
        case "error-to-a-pipe" -> job.redirectError(Redirect.PIPE);
        case "error-to-output" -> job.redirectErrorStream(true);
        default -> {}
      }
      try (MemoryGuard guard = MemoryGuard.create()) {
        GuardedProcess process = guard.start(job.redirectInput(Redirect.PIPE), UNWATCHED);
        Eventually.await(
            () -> "a sample of " + process.pid() + ": " + process.sample(),
            () ->
                process.sample().filter(one -> one.dataBytes() >= HELD).isPresent()
                    || !process.isAlive());
        process.getOutputStream().close();
        process.getErrorStream().readAllBytes();
        Outcome outcome = process.outcome().get();
        Evidence evidence = outcome.evidence();
        Files.writeString(
            Path.of(args[2]),
            "%s %s '%s' '%s'"
                .formatted(
                    List.of(Tail.values()).stream()
                        .filter(evidence.sharedTails()::contains)
                        .toList(),
                    confidence(outcome),
                    evidence.outputTail(),
                    evidence.errorTail()));
      }
    }

    private static String confidence(Outcome outcome) {
      Confidence found = outcome instanceof Outcome.OutOfMemory memory ? memory.confidence() : null;
      return found == null ? "none" : found.name();
    }
  }

  private static byte[] bytes(java.io.InputStream stream, int length) {
    try {
      return stream.readNBytes(length);
    } catch (java.io.IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  private static byte[] written(String stream) {
    StringBuilder all = new StringBuilder();
    for (int i = 0; i < 1 << 14; i++) {
      all.append("%s %012d".formatted(stream, i).repeat(4));
    }
    return all.toString().getBytes(StandardCharsets.US_ASCII);
  }

  private static String lastOf(byte[] bytes, int length) {
    return new String(bytes, bytes.length - length, length, StandardCharsets.US_ASCII);
  }
}
