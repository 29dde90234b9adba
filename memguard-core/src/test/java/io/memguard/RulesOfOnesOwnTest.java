package io.memguard;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.limits.GuardOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.limits.Protection;
import io.memguard.limits.Requirement;
import io.memguard.outcome.Cause;
import io.memguard.outcome.Confidence;
import io.memguard.outcome.Outcome;
import io.memguard.outcome.RuntimeRule;
import java.lang.ProcessBuilder.Redirect;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What an application knows of its own programs: the example of docs/catalogue.md. */
final class RulesOfOnesOwnTest {
  private static final String RULES =
      """
      [render-memory]
      runtime = the renderer
      program = render
      end     = exit 9
      where   = stderr
      text    = ^render: out of tiles$
      starts  = data 48MiB

      [shell-heap]
      runtime = the shell
      program = sh
      end     = exit 8
      text    = ^sh: my own limit$
      cause   = runtime-heap
      """;
  private static final MemoryLimits UNWATCHED =
      MemoryLimits.of("256MiB").with(Protection.WITNESS, Requirement.OFF);

  @TempDir private Path directory;
  private MemoryGuard guard;
  private ProcessBuilder job;

  @BeforeEach
  void prepare() throws Exception {
    Path rules = Files.writeString(directory.resolve("render.rules"), RULES);
    guard = MemoryGuard.create(GuardOptions.defaults().withRules(RuntimeRule.read(rules)));
    Path program = directory.resolve("render");
    Files.writeString(program, "#!/bin/sh\necho 'render: out of tiles' >&2\nexit 9\n");
    Files.setPosixFilePermissions(program, PosixFilePermissions.fromString("rwxr-xr-x"));
    job = new ProcessBuilder(program.toString());
  }

  @AfterEach
  void close() {
    guard.close();
  }

  @Test
  void areKnownToTheGuard() throws Exception {
    Outcome outcome = guard.run(job, UNWATCHED);
    assertThat(outcome).isInstanceOf(Outcome.OutOfMemory.class);
    Outcome.OutOfMemory memory = (Outcome.OutOfMemory) outcome;
    assertThat(memory.cause()).isEqualTo(Cause.ALLOCATION_DENIED);
    assertThat(memory.confidence()).isEqualTo(Confidence.POSSIBLE);
    assertThat(memory.explanation())
        .isEqualTo(
            "It ended as the renderer does that is refused memory under RLIMIT_DATA 256MiB (exit"
                + " 9); nobody could watch its allocations.");
  }

  @Test
  void fitAlsoWhatWasRedirectedToAFile() throws Exception {
    Path log = directory.resolve("log");
    assertThat(guard.run(job.redirectError(log.toFile()), UNWATCHED))
        .isInstanceOf(Outcome.OutOfMemory.class);
    assertThat(log).hasContent("render: out of tiles");
  }

  @Test
  void doNotFitWhatWasInTheFileBefore() throws Exception {
    Path log = Files.writeString(directory.resolve("log"), "render: out of tiles\n");
    Files.writeString(Path.of(job.command().get(0)), "#!/bin/sh\nexit 9\n");
    job.redirectError(Redirect.appendTo(log.toFile()));
    assertThat(guard.run(job, UNWATCHED)).isInstanceOf(Outcome.Exited.class);
  }

  @Test
  void areNothingWhereTheWitnessSawThatNothingWasRefused() throws Exception {
    assertThat(guard.run(job, MemoryLimits.of("256MiB"))).isInstanceOf(Outcome.Exited.class);
  }

  @Test
  void areOfAScriptsInterpreterToo() throws Exception {
    Files.writeString(
        Path.of(job.command().get(0)), "#!/bin/sh\necho 'sh: my own limit'\nexit 8\n");
    Outcome outcome = guard.run(job, MemoryLimits.of("256MiB"));
    assertThat(outcome.evidence().program()).isEqualTo("render");
    assertThat(outcome.evidence().interpreter()).hasValue("sh");
    assertThat(outcome).isInstanceOf(Outcome.OutOfMemory.class);
    assertThat(((Outcome.OutOfMemory) outcome).cause()).isEqualTo(Cause.RUNTIME_HEAP);
    assertThat(((Outcome.OutOfMemory) outcome).confidence()).isEqualTo(Confidence.PROBABLE);
  }

  @Test
  void areNothingWithoutALimit() throws Exception {
    assertThat(guard.run(job, MemoryLimits.none())).isInstanceOf(Outcome.Exited.class);
  }
}
