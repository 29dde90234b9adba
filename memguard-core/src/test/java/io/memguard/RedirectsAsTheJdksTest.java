package io.memguard;

import static io.memguard.support.Children.output;
import static io.memguard.support.Children.sh;
import static io.memguard.support.Children.text;
import static io.memguard.support.Parity.resultOf;
import static io.memguard.support.Parity.sameAsTheJdk;
import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.limits.MemoryLimits;
import io.memguard.support.Children;
import io.memguard.support.Parity.Starter;
import io.memguard.support.WithGuard;
import java.io.File;
import java.io.IOException;
import java.lang.ProcessBuilder.Redirect;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** Every {@link Redirect} does what it does with {@link ProcessBuilder#start}. */
@ExtendWith(WithGuard.class)
final class RedirectsAsTheJdksTest {
  @TempDir private Path directory;

  @Test
  void aFileIsTheInput(MemoryGuard guard) throws Exception {
    Path in = Files.writeString(directory.resolve("in"), "from a file");
    Object seen =
        sameAsTheJdk(
            guard,
            start -> {
              Process cat = start.start(new ProcessBuilder("cat").redirectInput(in.toFile()));
              return List.of(
                  output(cat),
                  cat.waitFor(),
                  resultOf(
                      () -> {
                        cat.getOutputStream().write(1);
                        return "written";
                      }));
            });
    assertThat(seen).isEqualTo(List.of("from a file", 0, IOException.class));
  }

  @Test
  void aFileIsReplacedByTheOutput(MemoryGuard guard) throws Exception {
    Object seen = sameAsTheJdk(guard, start -> played(start, Redirect::to));
    assertThat(seen).isEqualTo(List.of("out\n", "err\n", -1, 0, -1, 0));
  }

  @Test
  void theOutputIsAppendedToAFile(MemoryGuard guard) throws Exception {
    Object seen = sameAsTheJdk(guard, start -> played(start, Redirect::appendTo));
    assertThat(seen)
        .isEqualTo(
            List.of(
                "longer than the output: out\n", "longer than the output: err\n", -1, 0, -1, 0));
  }

  private interface ToFile {
    Redirect of(File file);
  }

  private Object played(Starter start, ToFile redirect) throws Exception {
    Path out = Files.writeString(directory.resolve("out"), "longer than the output: ");
    Path err = Files.writeString(directory.resolve("err"), "longer than the output: ");
    Process child =
        start.start(
            sh("echo out; echo err >&2")
                .redirectOutput(redirect.of(out.toFile()))
                .redirectError(redirect.of(err.toFile())));
    child.waitFor();
    return List.of(
        Files.readString(out),
        Files.readString(err),
        child.getInputStream().read(),
        child.getInputStream().available(),
        child.getErrorStream().read(),
        child.getErrorStream().available());
  }

  @Test
  void bothStreamsGoToOneFileInOrder(MemoryGuard guard) throws Exception {
    Object seen =
        sameAsTheJdk(
            guard,
            start -> {
              File both = directory.resolve("both").toFile();
              Process child =
                  start.start(
                      sh("echo 1; echo 2 >&2; echo 3")
                          .redirectErrorStream(true)
                          .redirectOutput(both));
              child.waitFor();
              return Files.readString(both.toPath());
            });
    assertThat(seen).isEqualTo("1\n2\n3\n");
  }

  @Test
  void newFilesHaveTheModeOfAnyNewFile(MemoryGuard guard) throws Exception {
    sameAsTheJdk(
        guard,
        start -> {
          Path out = directory.resolve("new");
          start.start(sh("echo out").redirectOutput(out.toFile())).waitFor();
          Object mode = Files.getPosixFilePermissions(out);
          Files.delete(out);
          return mode;
        });
  }

  @Test
  void relativeNamesAreTheParentsNotTheChilds(MemoryGuard guard) throws Exception {
    File here = new File("target/relative-" + ProcessHandle.current().pid());
    Files.createDirectories(Path.of("target"));
    try {
      Object seen =
          sameAsTheJdk(
              guard,
              start -> {
                start.start(sh("pwd -P").directory(new File("/")).redirectOutput(here)).waitFor();
                return Files.readString(here.toPath());
              });
      assertThat(seen).isEqualTo("/\n");
    } finally {
      Files.deleteIfExists(here.toPath());
    }
  }

  @Test
  void whatIsDiscardedIsNeitherReadNorWaitedFor(MemoryGuard guard) throws Exception {
    Object seen =
        sameAsTheJdk(
            guard,
            start -> {
              Process child =
                  start.start(
                      sh("head -c 1000000 /dev/zero; head -c 1000000 /dev/zero >&2")
                          .redirectOutput(Redirect.DISCARD)
                          .redirectError(Redirect.DISCARD));
              return List.of(child.waitFor(), output(child), text(child.getErrorStream()));
            });
    assertThat(seen).isEqualTo(List.of(0, "", ""));
  }

  @Test
  void aPipeThatHasANameCanBeBothEnds(MemoryGuard guard) throws Exception {
    Path fifo = directory.resolve("fifo");
    assertThat(new ProcessBuilder("mkfifo", fifo.toString()).start().waitFor()).isZero();
    Object seen =
        sameAsTheJdk(
            guard,
            start -> {
              // opened for reading and writing here, so that neither child's open has to wait
              try (var open = new java.io.RandomAccessFile(fifo.toFile(), "rw")) {
                Process writer = start.start(sh("echo through").redirectOutput(fifo.toFile()));
                Process reader = start.start(sh("read x; echo $x").redirectInput(fifo.toFile()));
                return List.of(
                    output(reader), writer.waitFor(), reader.waitFor(), open.getFD().valid());
              }
            });
    assertThat(seen).isEqualTo(List.of("through\n", 0, 0, true));
  }

  @Test
  void inheritedStreamsAreTheParentsOwn(MemoryGuard guard) throws Exception {
    assertThat(inherited("jdk")).isEqualTo("in;out;err;").isEqualTo(inherited("guard"));
  }

  private String inherited(String how) throws Exception {
    Path in = Files.writeString(directory.resolve("in"), "in;");
    Path out = Files.createTempFile(directory, "out", null);
    Process jvm =
        Children.jvm(List.of(), InheritingParent.class, how)
            .redirectInput(in.toFile())
            .redirectOutput(out.toFile())
            .redirectError(Redirect.appendTo(out.toFile()))
            .start();
    assertThat(jvm.waitFor()).as(Files.readString(out)).isZero();
    return Files.readString(out);
  }

  /** A JVM whose child has its streams. */
  static final class InheritingParent {
    private InheritingParent() {}

    public static void main(String[] how) throws Exception {
      ProcessBuilder job = sh("cat; printf 'out;'; printf 'err;' >&2").inheritIO();
      try (MemoryGuard guard = MemoryGuard.create()) {
        Process child = how[0].equals("jdk") ? job.start() : guard.start(job, MemoryLimits.none());
        int exit = child.waitFor();
        boolean none = child.getInputStream().read() < 0 && child.getErrorStream().read() < 0;
        System.exit(exit == 0 && none ? 0 : 1);
      }
    }
  }
}
