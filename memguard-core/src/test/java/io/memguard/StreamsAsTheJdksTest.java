package io.memguard;

import static io.memguard.support.Children.output;
import static io.memguard.support.Children.sh;
import static io.memguard.support.Children.text;
import static io.memguard.support.Parity.resultOf;
import static io.memguard.support.Parity.sameAsTheJdk;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.support.WithGuard;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;

/** A guarded child's pipes behave as those of {@link ProcessBuilder#start}. */
@ExtendWith(WithGuard.class)
@Timeout(60)
final class StreamsAsTheJdksTest {
  private static final int MEGABYTES = 8 << 20;

  @Test
  void outputAndErrorsAreApart(MemoryGuard guard) throws Exception {
    Object seen =
        sameAsTheJdk(
            guard,
            start -> {
              Process child = start.start(sh("echo out; echo err >&2; exit 3"));
              return List.of(output(child), text(child.getErrorStream()), child.waitFor());
            });
    assertThat(seen).isEqualTo(List.of("out\n", "err\n", 3));
  }

  @Test
  void errorsGoWhereTheOutputGoesIfAsked(MemoryGuard guard) throws Exception {
    Object seen =
        sameAsTheJdk(
            guard,
            start -> {
              Process child =
                  start.start(sh("echo 1; echo 2 >&2; echo 3").redirectErrorStream(true));
              return List.of(
                  output(child), child.getErrorStream().read(), child.getErrorStream().available());
            });
    assertThat(seen).isEqualTo(List.of("1\n2\n3\n", -1, 0));
  }

  @Test
  void megabytesComeOut(MemoryGuard guard) throws Exception {
    Object seen =
        sameAsTheJdk(
            guard,
            start -> {
              Process child =
                  start.start(new ProcessBuilder("head", "-c", "" + MEGABYTES, "/dev/zero"));
              byte[] all = child.getInputStream().readAllBytes();
              return List.of(all.length, Arrays.hashCode(all), child.waitFor());
            });
    assertThat(((List<?>) seen).get(0)).isEqualTo(MEGABYTES);
  }

  @Test
  void megabytesGoThroughUnchanged(MemoryGuard guard) throws Exception {
    byte[] data = new byte[MEGABYTES];
    new java.util.Random(42).nextBytes(data);
    sameAsTheJdk(
        guard,
        start -> {
          Process cat = start.start(new ProcessBuilder("cat"));
          CompletableFuture<Void> writing =
              CompletableFuture.runAsync(
                  () -> {
                    try (OutputStream in = cat.getOutputStream()) {
                      in.write(data, 0, data.length);
                    } catch (IOException e) {
                      throw new java.io.UncheckedIOException(e);
                    }
                  });
          boolean same = Arrays.equals(cat.getInputStream().readAllBytes(), data);
          writing.join();
          return List.of(same, cat.waitFor());
        });
  }

  @Test
  void whatWasWrittenCanBeReadAfterTheExit(MemoryGuard guard) throws Exception {
    Object seen =
        sameAsTheJdk(
            guard,
            start -> {
              Process child = start.start(sh("head -c 50000 /dev/zero; echo err >&2"));
              child.waitFor();
              InputStream out = child.getInputStream();
              return List.of(
                  out.available(),
                  out.read(),
                  out.readAllBytes().length,
                  out.read(),
                  out.available(),
                  text(child.getErrorStream()));
            });
    assertThat(seen).isEqualTo(List.of(50_000, 0, 49_999, -1, 0, "err\n"));
  }

  @Test
  void bytesAreNotSignedAndCountsAreChecked(MemoryGuard guard) throws Exception {
    sameAsTheJdk(
        guard,
        start -> {
          Process child = start.start(sh("printf '\\377\\000ab'"));
          InputStream out = child.getInputStream();
          byte[] two = new byte[2];
          return List.of(
              resultOf(() -> out.read(two, 0, 0)),
              resultOf(() -> out.read(two, 1, 2)),
              resultOf(() -> out.read(null, 0, 1)),
              out.read(),
              out.read(),
              out.skip(1),
              out.read(),
              resultOf(() -> out.read(two)),
              resultOf(() -> out.read(two, 0, 0)));
        });
  }

  @Test
  void theChildSeesTheEndOfItsInput(MemoryGuard guard) throws Exception {
    Object seen =
        sameAsTheJdk(
            guard,
            start -> {
              Process cat = start.start(new ProcessBuilder("cat"));
              cat.getOutputStream().write("no line end".getBytes(UTF_8));
              cat.getOutputStream().close();
              cat.getOutputStream().close();
              Object late = resultOf(() -> writeAndFlush(cat));
              return List.of(output(cat), cat.waitFor(), late);
            });
    assertThat(seen).isEqualTo(List.of("no line end", 0, IOException.class));
  }

  @Test
  void whatIsWrittenArrivesWhenItIsFlushed(MemoryGuard guard) throws Exception {
    sameAsTheJdk(
        guard,
        start -> {
          Process cat = start.start(new ProcessBuilder("cat"));
          OutputStream in = cat.getOutputStream();
          in.write('x');
          in.flush();
          int echoed = cat.getInputStream().read();
          in.close();
          return List.of(echoed, cat.waitFor());
        });
  }

  @Test
  void writingToAChildThatHasEndedFails(MemoryGuard guard) throws Exception {
    Object seen =
        sameAsTheJdk(
            guard,
            start -> {
              Process child = start.start(new ProcessBuilder("true"));
              child.waitFor();
              return List.of(
                  resultOf(() -> writeAndFlush(child)),
                  resultOf(() -> writeAndFlush(child)),
                  resultOf(() -> write(child, new byte[100_000])));
            });
    assertThat(seen).isEqualTo(List.of(IOException.class, IOException.class, IOException.class));
  }

  @Test
  void aChildThatClosesItsInputBreaksThePipe(MemoryGuard guard) throws Exception {
    Object seen =
        sameAsTheJdk(
            guard,
            start -> {
              Process child = start.start(sh("exec <&-; echo closed; exec sleep 60"));
              child.getInputStream().read();
              Object result = resultOf(() -> write(child, new byte[100_000]));
              child.destroyForcibly().waitFor();
              return result;
            });
    assertThat(seen).isEqualTo(IOException.class);
  }

  @Test
  void aChildWhoseOutputIsClosedGetsSigpipe(MemoryGuard guard) throws Exception {
    Object seen =
        sameAsTheJdk(
            guard,
            start -> {
              Process yes = start.start(new ProcessBuilder("yes"));
              InputStream out = yes.getInputStream();
              int first = out.read();
              out.close();
              out.close();
              return List.of(
                  first,
                  yes.waitFor(),
                  resultOf(out::read),
                  resultOf(out::available),
                  resultOf(() -> out.read(new byte[5])));
            });
    assertThat(seen)
        .isEqualTo(
            List.of((int) 'y', 128 + 13, IOException.class, IOException.class, IOException.class));
  }

  @Test
  void aPlaceInTheOutputCanBeMarked(MemoryGuard guard) throws Exception {
    sameAsTheJdk(
        guard,
        start -> {
          Process child = start.start(sh("printf abc"));
          InputStream out = child.getInputStream();
          if (!out.markSupported()) {
            return "no marks";
          }
          out.mark(10);
          int first = out.read();
          out.reset();
          return List.of(first, output(child));
        });
  }

  @Test
  void readersAndWritersAreMadeOnce(MemoryGuard guard) throws Exception {
    Object seen =
        sameAsTheJdk(
            guard,
            start -> {
              Process child = start.start(sh("read line; echo \"<$line>\"; echo err >&2"));
              child.outputWriter(UTF_8).append("grüße 😀\n").flush();
              BufferedReader reader = child.inputReader(UTF_8);
              return List.of(
                  reader.lines().collect(Collectors.toList()),
                  child.errorReader().readLine(),
                  reader == child.inputReader(UTF_8),
                  resultOf(() -> child.inputReader(java.nio.charset.StandardCharsets.UTF_16)),
                  child.waitFor());
            });
    assertThat(((List<?>) seen).get(0)).isEqualTo(List.of("<grüße 😀>"));
  }

  @Test
  void eachStreamIsAlwaysTheSameObject(MemoryGuard guard) throws Exception {
    Object seen =
        sameAsTheJdk(
            guard,
            start -> {
              Process child = start.start(new ProcessBuilder("true"));
              InputStream out = child.getInputStream();
              InputStream err = child.getErrorStream();
              OutputStream in = child.getOutputStream();
              int exit = child.waitFor();
              return List.of(
                  child.getInputStream() == out,
                  child.getErrorStream() == err,
                  child.getOutputStream() == in,
                  exit);
            });
    assertThat(seen).isEqualTo(List.of(true, true, true, 0));
  }

  private static Object writeAndFlush(Process child) throws IOException {
    child.getOutputStream().write('x');
    child.getOutputStream().flush();
    return "written";
  }

  private static Object write(Process child, byte[] bytes) throws IOException {
    for (int i = 0; i < 20; i++) {
      child.getOutputStream().write(bytes);
    }
    return "written";
  }
}
