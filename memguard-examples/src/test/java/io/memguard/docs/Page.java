package io.memguard.docs;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * A page of the documentation.
 *
 * @param file where it is
 * @param prose its lines, those of fenced blocks empty
 * @param blocks its fenced blocks, in order
 */
record Page(Path file, List<String> prose, List<Block> blocks) {
  /** The project's folder: tests run in their module's. */
  static final Path ROOT = Path.of("").toAbsolutePath().getParent();

  private static final Pattern FENCE = Pattern.compile("\\s*```+\\s*(\\w*).*");
  private static final Pattern MARK = Pattern.compile("<!-- snippet: (.+) -->");

  /**
   * A fenced block.
   *
   * @param page where it stands, for messages
   * @param line the number of its first line of text, from 1
   * @param language the word after the fence; may be empty
   * @param mark what an invisible comment right before it says: {@code <!-- snippet: MARK -->}
   * @param text its lines
   */
  record Block(Path page, int line, String language, Optional<String> mark, List<String> text) {
    private static final Pattern NAME =
        Pattern.compile("(?:#|//|<!--) *([\\w./-]+\\.(?:java|py|rules|xml))\\b.*");

    /** The file that it is, if its first line is a comment that begins with a file's name. */
    Optional<String> fileName() {
      Matcher first = NAME.matcher(text.isEmpty() ? "" : text.get(0));
      return first.matches() ? Optional.of(first.group(1)) : Optional.empty();
    }

    /** What follows a word in the mark: of {@code throws X} that is X. */
    Optional<String> marked(String word) {
      return mark.filter(m -> m.startsWith(word + " ")).map(m -> m.substring(word.length() + 1));
    }

    /** Only an empty line is between the two, and what is said of the second one. */
    boolean isRightAfter(Block other) {
      return line == other.line + other.text.size() + (mark.isPresent() ? 4 : 3);
    }

    /** It is run here, so that what it prints can be compared. */
    boolean isRun() {
      return switch (language) {
        case "sh" -> mark.isEmpty() || marked("exits").isPresent();
        case "java" -> fileName().isEmpty() && (mark.isEmpty() || marked("throws").isPresent());
        default -> false;
      };
    }

    String joined() {
      return String.join("\n", text) + "\n";
    }

    @Override
    public String toString() {
      return ROOT.relativize(page) + ":" + line;
    }
  }

  /** All pages: those of the project's folder, of docs, and of the examples. */
  static List<Page> all() throws IOException {
    try (Stream<Path> top = Files.list(ROOT);
        Stream<Path> docs = Files.walk(ROOT.resolve("docs"));
        Stream<Path> examples = Files.walk(ROOT.resolve("memguard-examples"), 2)) {
      List<Page> pages = new ArrayList<>();
      for (Path file :
          Stream.of(top, docs, examples)
              .flatMap(files -> files)
              .filter(file -> file.toString().endsWith(".md"))
              .sorted()
              .toList()) {
        pages.add(read(file));
      }
      return pages;
    }
  }

  static Page read(Path file) throws IOException {
    List<String> prose = new ArrayList<>();
    List<Block> blocks = new ArrayList<>();
    Optional<String> mark = Optional.empty();
    Block open = null;
    for (String line : Files.readAllLines(file)) {
      Matcher fence = FENCE.matcher(line);
      prose.add("");
      if (open != null) {
        if (line.strip().equals("```")) {
          blocks.add(open);
          open = null;
        } else {
          open.text.add(line);
        }
      } else if (fence.matches()) {
        open = new Block(file, prose.size() + 1, fence.group(1), mark, new ArrayList<>());
        mark = Optional.empty();
      } else {
        prose.set(prose.size() - 1, line);
        Matcher found = MARK.matcher(line);
        if (found.matches()) {
          mark = Optional.of(found.group(1));
        } else if (!line.isBlank() && mark.isPresent()) {
          throw new IllegalArgumentException(
              file + ":" + prose.size() + ": a mark without a block after it");
        }
      }
    }
    if (open != null) {
      throw new IllegalArgumentException(open + ": a block without an end");
    }
    return new Page(file, prose, blocks);
  }

  @Override
  public String toString() {
    return ROOT.relativize(file).toString();
  }
}
