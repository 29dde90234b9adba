package io.memguard;

import static io.memguard.support.Children.sh;
import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.limits.MemoryLimits;
import io.memguard.outcome.Evidence;
import io.memguard.outcome.Outcome;
import io.memguard.support.Children;
import io.memguard.support.Engines;
import io.memguard.support.WithGuard;
import java.lang.ProcessBuilder.Redirect;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** An outcome keeps what the child said last, wherever it said it. */
@ExtendWith(WithGuard.class)
final class EvidenceTest {
  private static final int KEPT = 8192;
  private static final String TALKATIVE = "head -c 100000 /dev/zero | tr '\\0' x; echo end; exit 1";

  @TempDir private Path directory;

  @Test
  void theLastOfAPipeNobodyReads(MemoryGuard guard) throws Exception {
    Evidence evidence = evidence(guard, sh(TALKATIVE));
    assertThat(evidence.outputTail()).hasSize(KEPT).endsWith("xxxend\n");
    assertThat(evidence.errorTail()).isEmpty();
  }

  @Test
  void theLastOfAPipeTheCallerReads(MemoryGuard guard) throws Exception {
    GuardedProcess child = guard.start(sh(TALKATIVE), MemoryLimits.none());
    String all = Children.output(child);
    assertThat(all).hasSize(100_004);
    String kept = child.outcome().get().evidence().outputTail();
    if (Engines.isNative()) {
      assertThat(kept).hasSize(KEPT).endsWith("end\n");
    } else {
      assertThat(guard.capabilities().limitations()).anyMatch(text -> text.contains("had read"));
      assertThat(all).contains(kept);
    }
  }

  @Test
  void theChildsOwnPartOfAFileThatWasThereBefore(MemoryGuard guard) throws Exception {
    Path log = Files.writeString(directory.resolve("log"), "MemoryError of last week\n");
    Evidence evidence =
        evidence(guard, sh("echo new >&2; exit 1").redirectError(Redirect.appendTo(log.toFile())));
    assertThat(evidence.errorTail()).isEqualTo("new\n");
    assertThat(Files.readString(log)).isEqualTo("MemoryError of last week\nnew\n");
  }

  @Test
  void theLastOfALongFile(MemoryGuard guard) throws Exception {
    Path log = directory.resolve("log");
    assertThat(evidence(guard, sh(TALKATIVE).redirectOutput(log.toFile())).outputTail())
        .hasSize(KEPT)
        .endsWith("end\n");
  }

  @Test
  void nothingOfWhatIsDiscardedAndNothingOfASuccess(MemoryGuard guard) throws Exception {
    assertThat(evidence(guard, sh(TALKATIVE).redirectOutput(Redirect.DISCARD)).outputTail())
        .isEmpty();
    assertThat(evidence(guard, sh("echo fine")).outputTail()).isEmpty();
  }

  @Test
  void bytesThatAreNoTextAreReplaced(MemoryGuard guard) throws Exception {
    assertThat(evidence(guard, sh("printf 'a\\377b\\303\\274'; exit 1")).outputTail())
        .isEqualTo("a\uFFFDbü");
  }

  @Test
  void theExceptionShowsTheErrorsAndHowLongItTook(MemoryGuard guard) throws Exception {
    Outcome outcome = guard.run(sh("echo broken >&2; exit 4"), MemoryLimits.of("1GiB"));
    assertThat(outcome.toException())
        .hasMessageContaining("It exited with code 4.")
        .hasMessageContaining("pid " + outcome.evidence().pid() + ", limit 1GiB")
        .hasMessageMatching("(?s).*after [0-9]+ ms].*")
        .hasMessageEndingWith("stderr: broken");
  }

  private static Evidence evidence(MemoryGuard guard, ProcessBuilder job) throws Exception {
    return guard.run(job, MemoryLimits.none()).evidence();
  }
}
