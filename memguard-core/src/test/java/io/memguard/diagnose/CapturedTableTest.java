package io.memguard.diagnose;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.diagnose.CapturedTable.Grade;
import io.memguard.diagnose.CapturedTable.Row;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** What is promised of all captured ends together; docs/runtimes.md has them one by one. */
@Tag("engine-independent")
final class CapturedTableTest {
  private static final Path DOCUMENT = Path.of("..", "docs", "runtimes.md");
  private static final String HERE = "<!-- what follows is written by CapturedTableTest -->\n";

  private final CapturedTable table = new CapturedTable();

  @Test
  void noCertainVerdictIsWrong() {
    assertThat(table.ended()).hasSizeGreaterThan(250).noneMatch(Row::isWronglyCertain);
  }

  @Test
  void fewAreUnknownWithTheWitness() {
    assertThat(table.ended())
        .filteredOn(row -> row.grade(true) == Grade.UNKNOWN)
        .hasSizeLessThanOrEqualTo(table.ended().size() / 20);
    assertThat(table.count(true, Grade.WRONG)).isZero();
  }

  @Test
  void withoutItFewAreUnknownOrWrong() {
    assertThat(table.count(false, Grade.UNKNOWN)).isLessThanOrEqualTo(table.ended().size() / 10);
    assertThat(table.count(false, Grade.WRONG)).isLessThanOrEqualTo(table.ended().size() / 50);
  }

  /** Less only by what rounding takes; more where several sizes were refused. */
  @Test
  void whatWasRefusedIsNoLessThanWhatTheProgramNames() {
    assertThat(table.ended())
        .filteredOn(row -> row.said().isPresent() && row.refused().isPresent())
        .hasSizeGreaterThan(30)
        .allMatch(row -> row.refused().getAsLong() >= row.said().getAsLong() * 99 / 100);
  }

  @Test
  void theDocumentIsUpToDate() throws Exception {
    String document = Files.readString(DOCUMENT);
    String head = document.substring(0, document.indexOf(HERE)) + HERE;
    if (Boolean.getBoolean("memguard.document")) {
      Files.writeString(DOCUMENT, head + table.text());
    }
    assertThat(Files.readString(DOCUMENT))
        .as(
            "written anew by: mvn test -pl memguard-core -Dtest=CapturedTableTest -Dmemguard.document")
        .isEqualTo(head + table.text());
  }
}
