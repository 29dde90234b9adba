package io.memguard.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;

/** The table right below a heading of a page, without its head. */
final class PageTable {
  private static final Pattern CODE = Pattern.compile("`([^`]+)`");

  private PageTable() {}

  /** Returns its rows, each with its cells. */
  static List<List<String>> of(String page, String heading) throws IOException {
    List<String> lines = Files.readAllLines(Path.of("..", "docs", page));
    int begin = lines.indexOf(heading);
    assertThat(begin).as("%s in %s", heading, page).isNotNegative();
    List<List<String>> rows =
        lines.stream()
            .skip(begin + 1)
            .dropWhile(line -> !line.startsWith("|"))
            .takeWhile(line -> line.startsWith("|"))
            .skip(2)
            .map(line -> List.of(line.replaceAll("^\\| *| *\\|$", "").split(" *\\| *", -1)))
            .toList();
    assertThat(rows).as("the table of %s", page).isNotEmpty();
    return rows;
  }

  /** Returns what stands in a cell as code. */
  static List<String> code(String cell) {
    return CODE.matcher(cell).results().map((MatchResult found) -> found.group(1)).toList();
  }
}
