package io.memguard.platform;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.platform.ProgramFile.Linkage;
import io.memguard.support.Compiler;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What a program's file says is what happens when something is preloaded into it. */
@Tag("engine-independent")
final class ProgramFileTest {
  private static final String MAIN = "int main(void) { return 0; }";

  @TempDir Path scratch;
  private Path program;

  @BeforeEach
  void nameOne() {
    program = scratch.resolve("program");
  }

  @ParameterizedTest
  @CsvSource({
    "'', DYNAMIC",
    "-no-pie, DYNAMIC",
    "-static, STATIC",
    "-static-pie, STATIC",
    "-fsanitize=address, SANITIZED",
    "-fsanitize=thread, SANITIZED",
    "-fsanitize=leak, SANITIZED",
    "-fsanitize=undefined, DYNAMIC",
    "-fsanitize=address -static-libasan, DYNAMIC"
  })
  void aProgramIsWhatItWasLinkedAs(String flags, Linkage linkage) throws Exception {
    Compiler.compile(MAIN, program, flags.split(" ", 0));
    assertThat(ProgramFile.of(program.toString(), null, ""))
        .isEqualTo(new ProgramFile(program.toString(), linkage, false));
  }

  @ParameterizedTest
  @ValueSource(ints = {4, 18})
  void anotherClassOrCpuIsForeign(int place) throws Exception {
    byte[] bytes = Files.readAllBytes(Path.of("/bin/true"));
    bytes[place] ^= 3;
    write(bytes);
    ProgramFile file = ProgramFile.of(program.toString(), null, "");
    assertThat(file.linkage()).isEqualTo(Linkage.FOREIGN);
    assertThat(file.forbidsPreloading()).isTrue();
  }

  @Test
  void anotherUsersRightsAreSeen() throws Exception {
    write(Files.readAllBytes(Path.of("/bin/true")));
    Files.setAttribute(program, "unix:mode", 04755);
    assertThat(ProgramFile.of(program.toString(), null, "").linkage()).isEqualTo(Linkage.DYNAMIC);
    Assumptions.assumeTrue(Files.getAttribute(program, "unix:uid").equals(0), "not root");
    Files.setAttribute(program, "unix:uid", 65534);
    Files.setAttribute(program, "unix:mode", 04755);
    assertThat(ProgramFile.of(program.toString(), null, "").linkage()).isEqualTo(Linkage.SETUID);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "#!%s\n",
        "#! %s -x\n",
        "#!/usr/bin/env %s\n",
        "#!/usr/bin/env -S A=b %s -v\n",
        "#!%s"
      })
  void ofAScriptItsInterpreterCounts(String line) throws Exception {
    Path interpreter = scratch.resolve("interpreter");
    Compiler.compile(MAIN, interpreter, "-static");
    write(String.format(line, interpreter).getBytes(StandardCharsets.UTF_8));
    assertThat(ProgramFile.of(program.toString(), null, ""))
        .isEqualTo(new ProgramFile(interpreter.toString(), Linkage.STATIC, false));
  }

  @Test
  void whatGosLinkerNotesIsSeen() throws Exception {
    assertThat(ProgramFile.of(noted("Go", 4).toString(), null, "").go()).isTrue();
    assertThat(ProgramFile.of(noted("Go", 3).toString(), null, "").go()).isFalse();
    assertThat(ProgramFile.of(noted("Gn", 4).toString(), null, "").go()).isFalse();
    assertThat(ProgramFile.of("true", null, "/bin").go()).isFalse();
  }

  /** A program with a note behind that of the C compiler. */
  private Path noted(String owner, int kind) throws Exception {
    String note =
        """
        __attribute__((section(".note.go.buildid"), used, aligned(4)))
        static const struct { int name, size, kind; char owner[4]; char id[8]; } note =
            {4, 8, KIND, "OWNER\\0", "built"};
        """;
    String text = note.replace("KIND", "" + kind).replace("OWNER", owner);
    Compiler.compile(text + MAIN, program);
    return program;
  }

  @Test
  void itIsLookedForAsTheLauncherDoes() throws Exception {
    Compiler.compile(MAIN, program, "-static");
    String searched = "/nonexistent:" + scratch + ":/bin";
    assertThat(ProgramFile.of("program", null, searched).linkage()).isEqualTo(Linkage.STATIC);
    assertThat(ProgramFile.of("./program", scratch.toFile(), "").linkage())
        .isEqualTo(Linkage.STATIC);
    assertThat(ProgramFile.of("program", null, "/bin").linkage()).isEqualTo(Linkage.UNKNOWN);
    assertThat(ProgramFile.of("true", null, "/bin").linkage()).isEqualTo(Linkage.DYNAMIC);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"", "\u007fELF", "#!", "#!\n", "#! \t\n", "not a program", "#!/nonexistent\n"})
  void whatIsNoProgramIsUnknown(String text) throws Exception {
    write(text.getBytes(StandardCharsets.ISO_8859_1));
    assertThat(ProgramFile.of(program.toString(), null, "").linkage()).isEqualTo(Linkage.UNKNOWN);
  }

  @Test
  void aProgramCutShortAnywhereIsReadWithoutHarm() throws Exception {
    byte[] bytes = Files.readAllBytes(Path.of("/bin/true"));
    for (int length = 0; length < 4096; length += 61) {
      write(Arrays.copyOf(bytes, length));
      ProgramFile.of(program.toString(), null, "");
    }
    for (int place = 16; place < 1024; place++) {
      byte[] broken = bytes.clone();
      broken[place] ^= (byte) 0xff;
      write(broken);
      ProgramFile.of(program.toString(), null, "");
    }
  }

  @Test
  void aFifoIsNotWaitedFor() throws Exception {
    assertThat(new ProcessBuilder("mkfifo", "-m", "755", program.toString()).start().waitFor())
        .isZero();
    assertThat(ProgramFile.of(program.toString(), null, "").linkage()).isEqualTo(Linkage.UNKNOWN);
  }

  @ParameterizedTest
  @CsvSource({
    "libasan.so.8, true",
    "/usr/lib/libtsan.so.2:/lib/x.so, true",
    "/lib/x.so /usr/lib/liblsan.so.0, true",
    "/usr/lib/clang/14/lib/linux/libclang_rt.asan-x86_64.so, true",
    "libubsan.so.1, false",
    "/opt/libsan.so, false",
    "/usr/lib/libjemalloc.so.2, false",
    "'', false"
  })
  void whatIsPreloadedAlreadyMayBeASanitizer(String preloaded, boolean sanitizer) {
    assertThat(ProgramFile.isSanitized(preloaded)).isEqualTo(sanitizer);
  }

  private void write(byte[] bytes) throws Exception {
    Files.write(program, bytes);
    Files.setPosixFilePermissions(program, PosixFilePermissions.fromString("rwxr-xr-x"));
  }
}
