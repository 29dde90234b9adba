package io.memguard;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.memguard.launch.LaunchException;
import io.memguard.limits.MemoryLimits;
import io.memguard.limits.Protection;
import io.memguard.limits.Requirement;
import io.memguard.limits.ResourceLimit;
import io.memguard.outcome.Outcome;
import io.memguard.support.Children;
import io.memguard.support.Compiler;
import io.memguard.support.WithGuard;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Where a witness would break a program, or cannot be, there is none; the evidence says why. */
@ExtendWith(WithGuard.class)
final class WitnessStepsAsideTest {
  /** More than the shadow memory of a sanitizer. */
  private static final MemoryLimits WIDE =
      MemoryLimits.none().withRlimit(ResourceLimit.parse("data=100TiB"));

  private static final String SPEAKS =
      "#include <stdio.h>\nint main(void) { puts(\"out\"); fputs(\"err\", stderr); return 3; }";

  @TempDir Path scratch;

  @ParameterizedTest
  @CsvSource({
    "-fsanitize=address, 'is built with a sanitizer'",
    "-fsanitize=thread, 'is built with a sanitizer'",
    "-m32, 'is built for another kind of CPU or for 32 bits'",
    "-static, 'is statically linked'"
  })
  void theProgramRunsAsWithoutIt(String flags, String reason, MemoryGuard guard) throws Exception {
    Path program = scratch.resolve("program");
    Compiler.compile(SPEAKS, program, flags);
    Assumptions.assumeTrue(runsByItself(program), "it does not run here at all");
    Outcome outcome = guard.run(speaking(program), WIDE);
    assertThat(outcome).isEqualTo(new Outcome.Exited(3, outcome.evidence()));
    assertThat(outcome.evidence().outputTail()).isEqualTo("out\n");
    assertThat(outcome.evidence().errorTail()).isEqualTo("err");
    assertThat(outcome.evidence().protections().get(Protection.WITNESS).toString())
        .startsWith(program + " ")
        .contains(reason);
  }

  @Test
  void whereItIsRequiredThatIsSaidBeforehand(MemoryGuard guard) throws Exception {
    Path program = scratch.resolve("program");
    Compiler.compile(SPEAKS, program, "-fsanitize=address");
    MemoryLimits required = WIDE.with(Protection.WITNESS, Requirement.REQUIRE);
    assertThatExceptionOfType(LaunchException.class)
        .isThrownBy(() -> guard.run(speaking(program), required))
        .withMessageContaining("the witness is required")
        .withMessageContaining("built with a sanitizer");
  }

  @Test
  void undefinedBehaviourIsWatchedByBoth(MemoryGuard guard) throws Exception {
    Path program = scratch.resolve("program");
    Compiler.compile(SPEAKS, program, "-fsanitize=undefined");
    Outcome outcome = guard.run(speaking(program), WIDE);
    assertThat(outcome.evidence().errorTail()).isEqualTo("err");
    assertThat(outcome.evidence().witness().orElseThrow().attached()).isTrue();
    assertThat(outcome.evidence().protections().get(Protection.WITNESS)).hasToString("active");
  }

  @Test
  void aSanitizerThatIsPreloadedComesFirst(MemoryGuard guard) throws Exception {
    Path library = scratch.resolve("libtsan.so.0");
    Compiler.compile("int unused;", library, "-shared", "-fPIC");
    ProcessBuilder job = new ProcessBuilder("sh", "-c", "echo $LD_PRELOAD");
    job.environment().put("LD_PRELOAD", library.toString());
    assertThat(Children.output(guard.start(job, WIDE))).isEqualTo(library + "\n");
  }

  /** Not all sanitizers know all kernels' ways to choose addresses. */
  private static boolean runsByItself(Path program) throws InterruptedException {
    try {
      return speaking(program).start().waitFor() == 3;
    } catch (IOException e) { // of 32 bits, where the kernel has none
      return false;
    }
  }

  private static ProcessBuilder speaking(Path program) {
    return new ProcessBuilder(program.toString());
  }
}
