package io.memguard.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code --timeout} ends the whole tree, however stubborn it is. */
class TimeoutTest {
  @ParameterizedTest
  @ValueSource(strings = {"native", "portable"})
  void stubbornTree(String engine) throws Exception {
    // Each ignores SIGTERM, and what a shell ignores its children ignore.
    String job = "trap '' TERM; echo $$; sh -c 'echo $$; sleep 1000' & echo $!; wait";

    Memguard.Result result =
        new Memguard()
            .engine(engine)
            .call("run", "--timeout", "5s", "--grace", "100ms", "sh", "-c", job);

    assertThat(result.status()).isEqualTo(124);
    List<Long> pids = result.text().lines().map(Long::valueOf).toList();
    assertThat(pids).hasSize(3);
    assertThat(pids).allSatisfy(TimeoutTest::assertEnded);
  }

  /** It may still be there as a zombie: who buries orphans is the machine's matter. */
  private static void assertEnded(long pid) {
    try {
      assertThat(Files.readString(Path.of("/proc/" + pid + "/stat"))).contains(") Z ");
    } catch (IOException e) {
      // buried, at the latest while it was read
    }
  }
}
