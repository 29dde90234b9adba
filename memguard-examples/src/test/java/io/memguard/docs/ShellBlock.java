package io.memguard.docs;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.docs.Page.Block;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * The commands of a shell block, whether they are run or not: each is there, and has its options.
 */
final class ShellBlock {
  // These change the cgroups of the machine that they are run on: only the lab may.
  private static final Set<String> CHANGES_CGROUPS =
      Set.of("--cgroup", "--prepare-cgroup", "--memory-high", "--pids-max", "--systemd-scope");
  private static final Pattern COMMENT = Pattern.compile("(^|\\s)#.*");
  private static final Pattern ENDS_COMMAND = Pattern.compile("\\n|&&|\\|\\|?|;");
  private static final String RUN_COMMAND = "memguard-cli/src/main/java/io/memguard/cli";

  private final Block block;

  ShellBlock(Block block) {
    this.block = block;
  }

  void checkCommands() throws IOException {
    String text = block.joined().replace("\\\n", " ").replaceAll("'[^']*'|\"[^\"]*\"", "quoted");
    for (String line : ENDS_COMMAND.split(COMMENT.matcher(text).replaceAll(""), -1)) {
      List<String> words = Arrays.asList(line.strip().split("\\s+", -1));
      String command = words.get(0);
      if (command.equals("memguard") || command.equals("bin/memguard")) {
        checkOptions(words.subList(1, words.contains("--") ? words.indexOf("--") : words.size()));
      } else if (command.contains("/") && !command.startsWith("/")) {
        boolean isBeside = command.startsWith("./");
        Path file = isBeside ? block.page().resolveSibling(command) : Page.ROOT.resolve(command);
        assertThat(file).as("%s", block).isExecutable();
        String source = Files.readString(file, StandardCharsets.UTF_8);
        options(words).forEach(option -> assertThat(source).as("%s", block).contains(option));
      }
    }
  }

  private void checkOptions(List<String> words) throws IOException {
    StringBuilder known = new StringBuilder();
    try (var files = Files.list(Page.ROOT.resolve(RUN_COMMAND))) {
      for (Path file : files.toList()) {
        known.append(Files.readString(file));
      }
    }
    for (String option : options(words)) {
      assertThat(known.toString()).as("%s", block).contains('"' + option + '"');
      assertThat(CHANGES_CGROUPS.contains(option) && block.mark().isEmpty())
          .as("%s would change this machine's cgroups", block)
          .isFalse();
    }
  }

  private static List<String> options(List<String> words) {
    return words.stream()
        .filter(word -> word.startsWith("--") && word.length() > 2)
        .map(word -> word.replaceAll("=.*", ""))
        .toList();
  }
}
