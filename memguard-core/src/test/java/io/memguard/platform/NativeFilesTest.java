package io.memguard.platform;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.support.Children;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The native files on disk are whole, and only their user's; each JVM here has a temp of its own.
 */
@Tag("engine-independent")
final class NativeFilesTest {
  @TempDir private Path temp;

  @Test
  void areExtractedIntoADirectoryThatOnlyTheUserCanWrite() throws Exception {
    Path library = locate();
    Path directory = library.getParent();
    Path users = directory.getParent();
    assertThat(users.getParent()).isEqualTo(temp);
    assertThat(users.getFileName().toString()).startsWith("memguard-");
    for (Path each : List.of(users, directory, library)) {
      assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(each)))
          .isEqualTo("rwxr-xr-x");
      assertThat(Files.getAttribute(each, "unix:uid"))
          .isEqualTo(Files.getAttribute(Path.of("/proc/self"), "unix:uid"));
    }
    assertThat(names(directory)).containsExactly("libmemguard.so", "libmemguard_witness.so");
  }

  @Test
  void areFoundAgainAndNotWrittenAgain() throws Exception {
    Path library = locate();
    Object inode = Files.getAttribute(library, "unix:ino");
    assertThat(locate()).isEqualTo(library);
    assertThat(Files.getAttribute(library, "unix:ino")).isEqualTo(inode);
  }

  @Test
  void areMendedWhenSomebodyChangedThem() throws Exception {
    Path library = locate();
    Path witness = library.resolveSibling("libmemguard_witness.so");
    byte[] good = Files.readAllBytes(library);
    Files.write(library, Arrays.copyOf(good, good.length / 2));
    Files.writeString(witness, "no library at all");
    locate();
    assertThat(Files.readAllBytes(library)).isEqualTo(good);
    assertThat(Files.size(witness)).isGreaterThan(1000);
    assertThat(names(library.getParent())).hasSize(2);
  }

  @Test
  void areRefusedInADirectoryThatOthersCanWrite() throws Exception {
    Path users = locate().getParent().getParent();
    Files.setPosixFilePermissions(users, PosixFilePermissions.fromString("rwxrwxrwx"));
    assertThat(trouble())
        .contains(users + " is not a directory that only this user can write")
        .contains("rwxrwxrwx")
        .contains("-Djava.io.tmpdir");
  }

  @Test
  void areRefusedBehindALinkThatSomebodyLaid() throws Exception {
    Path users = locate().getParent().getParent();
    Path elsewhere = Files.createDirectory(temp.resolve("elsewhere"));
    Files.move(users, elsewhere.resolve("taken"));
    Files.createSymbolicLink(users, elsewhere);
    assertThat(trouble()).contains(users + " is not a directory that only this user can write");
    assertThat(names(elsewhere)).containsExactly("taken");
  }

  @Test
  void mayBeInstalledBeforehand() throws Exception {
    Path installed = Files.createDirectory(temp.resolve("installed"));
    Path library = locate();
    Files.copy(library, installed.resolve("libmemguard.so"));
    assertThat(run("-Dmemguard.native.dir=" + installed))
        .contains("installed has no file libmemguard_witness.so")
        .contains("must hold libmemguard.so and libmemguard_witness.so");
    Files.copy(
        library.resolveSibling("libmemguard_witness.so"),
        installed.resolve("libmemguard_witness.so"));
    assertThat(run("-Dmemguard.native.dir=" + installed))
        .isEqualTo(installed.resolve("libmemguard.so").toString());
  }

  @Test
  void anInstallationThatIsNotThereIsNamed() throws Exception {
    assertThat(run("-Dmemguard.native.dir=/no/such/place"))
        .contains("-Dmemguard.native.dir=/no/such/place has no file libmemguard.so");
  }

  private Path locate() throws Exception {
    String printed = trouble();
    assertThat(printed).startsWith("/");
    return Path.of(printed);
  }

  private String trouble() throws Exception {
    return run("-Djava.io.tmpdir=" + temp);
  }

  private static String run(String option) throws Exception {
    Process jvm = Children.jvm(List.of(option), Locator.class).redirectErrorStream(true).start();
    String printed = Children.output(jvm).strip();
    assertThat(jvm.waitFor()).as(printed).isZero();
    return printed;
  }

  private static List<String> names(Path directory) throws Exception {
    try (var files = Files.list(directory)) {
      return files.map(file -> file.getFileName().toString()).sorted().toList();
    }
  }

  /** Says where the files are, or why they are not. */
  static final class Locator {
    private Locator() {}

    public static void main(String[] none) {
      try {
        System.out.println(NativeFiles.locate().library());
      } catch (java.io.IOException e) {
        System.out.println(e.getMessage());
      }
    }
  }
}
