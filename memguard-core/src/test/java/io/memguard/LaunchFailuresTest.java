package io.memguard;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.memguard.launch.LaunchException;
import io.memguard.launch.LaunchStep;
import io.memguard.limits.MemoryLimits;
import io.memguard.limits.ResourceLimit;
import io.memguard.limits.Rlimit;
import io.memguard.outcome.Outcome;
import io.memguard.support.Children;
import io.memguard.support.Engines;
import io.memguard.support.Proc;
import io.memguard.support.Traces;
import io.memguard.support.WithGuard;
import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** What cannot be started says why and what to do, and leaves nothing behind. */
@ExtendWith(WithGuard.class)
final class LaunchFailuresTest {
  @TempDir private Path directory;

  @Test
  void aProgramThatIsNotThere(MemoryGuard guard) {
    LaunchException e = refused(guard, new ProcessBuilder("no-such-program"));
    assertIs(e, LaunchStep.EXEC, "ENOENT", "\"no-such-program\" was not found", "PATH");
    LaunchException absolute = refused(guard, new ProcessBuilder("/no/such/program"));
    assertIs(absolute, LaunchStep.EXEC, "ENOENT", "\"/no/such/program\" was not found", "Check");
  }

  @Test
  void aProgramThatIsOnlyInTheDirectoryAndNotOnThePath(MemoryGuard guard) throws Exception {
    Files.writeString(directory.resolve("no-such-program"), "#!/bin/sh\n");
    LaunchException e =
        refused(guard, new ProcessBuilder("no-such-program").directory(directory.toFile()));
    assertIs(e, LaunchStep.EXEC, "ENOENT", "\"no-such-program\" was not found", "PATH");
  }

  @Test
  void aProgramWithoutAName(MemoryGuard guard) {
    assertIs(refused(guard, new ProcessBuilder("")), LaunchStep.EXEC, "ENOENT", "\"\"", "Check");
  }

  @Test
  void aDirectoryThatIsNotThere(MemoryGuard guard) {
    LaunchException e =
        refused(guard, new ProcessBuilder("true").directory(new File("/no/such/directory")));
    assertIs(e, LaunchStep.CHDIR, "ENOENT", "\"/no/such/directory\" does not exist", "Create it");
  }

  @Test
  void aDirectoryThatIsAFile(MemoryGuard guard) {
    LaunchException e =
        refused(guard, new ProcessBuilder("true").directory(new File("/etc/passwd")));
    assertIs(e, LaunchStep.CHDIR, "ENOTDIR", "\"/etc/passwd\" is not a directory", "another");
  }

  @Test
  void aFileThatMayNotBeExecuted(MemoryGuard guard) throws Exception {
    Path file = Files.writeString(directory.resolve("data"), "no program");
    LaunchException e = refused(guard, new ProcessBuilder(file.toString()));
    assertIs(e, LaunchStep.EXEC, "EACCES", "may not be executed", "chmod +x");
  }

  @Test
  void aDirectoryAsProgram(MemoryGuard guard) {
    LaunchException e = refused(guard, new ProcessBuilder(directory.toString()));
    assertIs(e, LaunchStep.EXEC, "EACCES", "is a directory", "Name a program");
  }

  @Test
  void aScriptWhoseInterpreterIsMissing(MemoryGuard guard) throws Exception {
    Path script = Files.writeString(directory.resolve("script"), "#!/no/such/interpreter\n");
    Files.setPosixFilePermissions(script, PosixFilePermissions.fromString("rwxr-xr-x"));
    ProcessBuilder job = new ProcessBuilder(script.toString());
    if (Engines.isNative()) {
      LaunchException e = refused(guard, job);
      assertIs(e, LaunchStep.EXEC, "ENOENT", "interpreter or loader that does not exist", "#!");
    } else {
      assertThat(guard.capabilities().limitations()).anyMatch(text -> text.contains("interpreter"));
      Outcome outcome = guard.run(job, MemoryLimits.none());
      assertThat(outcome).isEqualTo(new Outcome.Exited(127, outcome.evidence()));
    }
  }

  @Test
  void argumentsThatAreTooLong(MemoryGuard guard) {
    LaunchException e = refused(guard, new ProcessBuilder("true", "x".repeat(3_000_000)));
    assertIs(e, LaunchStep.EXEC, "E2BIG", "the 2 arguments", "pass a file, or stdin");
  }

  @Test
  void aHardLimitNobodyMayHave(MemoryGuard guard) {
    long most = Long.parseLong(Proc.read(Path.of("/proc/sys/fs/nr_open")).strip());
    MemoryLimits limits =
        MemoryLimits.none().withRlimit(new ResourceLimit(Rlimit.NOFILE, 64, most + 1));
    LaunchException e = refused(guard, new ProcessBuilder("true"), limits);
    assertIs(e, LaunchStep.RLIMIT, "EPERM", "RLIMIT_NOFILE=64:" + (most + 1), "CAP_SYS_RESOURCE");
    assertThat(e.isRetryable()).isFalse();
  }

  @Test
  void anInputFileThatIsMissing(MemoryGuard guard) {
    LaunchException e =
        refused(guard, new ProcessBuilder("true").redirectInput(new File("/no/such/file")));
    assertIs(e, LaunchStep.OPEN_STDIN, "ENOENT", "/no/such/file", "Check");
  }

  @Test
  void anOutputFileThatCannotBeMade(MemoryGuard guard) {
    LaunchException e =
        refused(guard, new ProcessBuilder("true").redirectOutput(new File("/proc/no/out")));
    assertIs(e, LaunchStep.OPEN_STDOUT, "ENOENT", "/proc/no/out", "Check");
  }

  @Test
  void anErrorFileThatIsADirectory(MemoryGuard guard) {
    LaunchException e =
        refused(guard, new ProcessBuilder("true").redirectError(directory.toFile()));
    assertIs(e, LaunchStep.OPEN_STDERR, "EISDIR", directory.toString(), "Check");
  }

  @Test
  void zeroBytesInTexts(MemoryGuard guard) {
    LaunchException argument = refused(guard, new ProcessBuilder("true", "a\0b"));
    assertIs(
        argument, LaunchStep.PREPARE, "", "\"a\\0b\" has a NUL character at position 1", "NUL");
    LaunchException program = refused(guard, new ProcessBuilder("\0true"));
    assertIs(program, LaunchStep.PREPARE, "", "position 0", "take it out");
    LaunchException folder =
        refused(guard, new ProcessBuilder("true").directory(new File("/tmp\0x")));
    assertIs(folder, LaunchStep.PREPARE, "", "directory \"/tmp\\0x\"", "take it out");
    LaunchException input =
        refused(guard, new ProcessBuilder("true").redirectInput(new File("/dev/null\0x")));
    assertIs(input, LaunchStep.PREPARE, "", "\"/dev/null\\0x\"", "take it out");
  }

  @Test
  void aCommandThatIsEmptyOrHasANull(MemoryGuard guard) {
    LaunchException e = refused(guard, new ProcessBuilder(List.of()));
    assertIs(e, LaunchStep.PREPARE, "", "the command is empty", "Give ProcessBuilder a program");
    ProcessBuilder hole = new ProcessBuilder(Arrays.asList("true", null));
    Traces before = Traces.begin();
    assertThatNullPointerException()
        .isThrownBy(() -> guard.start(hole, MemoryLimits.none()))
        .withMessageContaining("[true, null]");
    before.assertNothingIsLeft();
  }

  @Test
  void nullWhereSomethingIsNeeded(MemoryGuard guard) {
    ProcessBuilder job = new ProcessBuilder("true");
    assertThatNullPointerException()
        .isThrownBy(() -> guard.start(null, MemoryLimits.none()))
        .withMessage("job");
    assertThatNullPointerException().isThrownBy(() -> guard.start(job, null)).withMessage("limits");
    assertThatNullPointerException()
        .isThrownBy(() -> guard.start(job, MemoryLimits.none(), null))
        .withMessage("options");
  }

  @Test
  void aGuardThatIsClosed() {
    MemoryGuard guard = MemoryGuard.create();
    guard.close();
    guard.close();
    LaunchException e = refused(guard, new ProcessBuilder("true"));
    assertIs(e, LaunchStep.PREPARE, "", "the guard is closed", "Keep it open");
  }

  @Test
  void afterAFailureTheNextLaunchWorks(MemoryGuard guard) throws Exception {
    for (int i = 0; i < 50; i++) {
      refused(guard, new ProcessBuilder("no-such-program"));
    }
    assertThat(guard.run(Children.sh("exit 4"), MemoryLimits.none()).evidence().status())
        .hasToString("exit 4");
  }

  private static LaunchException refused(MemoryGuard guard, ProcessBuilder job) {
    return refused(guard, job, MemoryLimits.of("1GiB"));
  }

  private static LaunchException refused(
      MemoryGuard guard, ProcessBuilder job, MemoryLimits limits) {
    Traces before = Traces.begin();
    LaunchException e = catchThrowableOfType(LaunchException.class, () -> guard.start(job, limits));
    before.assertNothingIsLeft();
    return e;
  }

  private static void assertIs(
      LaunchException e, LaunchStep step, String errno, String problem, String remedy) {
    assertThat(e).isNotNull().hasMessageContaining(problem).hasMessageEndingWith(e.remedy());
    assertThat(e.step()).isEqualTo(step);
    assertThat(e.errnoName()).isEqualTo(errno);
    assertThat(e.remedy()).contains(remedy);
  }
}
