package io.memguard.platform.procfs;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.platform.Linux;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.LongStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The numbers in a directory are the same with the native library and without. */
@Tag("engine-independent")
final class ProcFilesTest {
  /** More than are answered in one call. */
  private static final int MANY = 9000;

  @TempDir private Path root;

  @BeforeAll
  static void load() throws Exception {
    Linux.load();
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void onlyNumbersAreListed(boolean nativeCalls) throws Exception {
    for (String name : new String[] {"1", "22", "4194304", "self", "key-users", ".5"}) {
      Files.createDirectory(root.resolve(name));
    }
    ProcFiles files = new ProcFiles(root, nativeCalls);
    assertThat(files.numbers("").toArray()).containsExactlyInAnyOrder(1, 22, 4194304);
    assertThat(files.numbers("22").toArray()).isEmpty();
    assertThat(files.numbers("gone").toArray()).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void howeverManyThereAre(boolean nativeCalls) throws Exception {
    for (int i = 1; i <= MANY; i++) {
      Files.createFile(root.resolve(Integer.toString(i)));
    }
    assertThat(new ProcFiles(root, nativeCalls).numbers("").sorted().toArray())
        .isEqualTo(LongStream.rangeClosed(1, MANY).toArray());
  }
}
