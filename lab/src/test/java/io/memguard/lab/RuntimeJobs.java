package io.memguard.lab;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** The file of jobs that {@code lab/runtimes} runs; its head says what is in it. */
final class RuntimeJobs {
  private RuntimeJobs() {}

  /** A program, or what else is on a system under one name. */
  record Program(
      String name,
      boolean unwatched,
      List<String> versions,
      List<String> builds,
      List<Job> hellos,
      List<Job> jobs) {
    Job hello() {
      return hellos.get(0);
    }

    /** Makes its programs; false if that fails, which is said. */
    boolean build() throws IOException, InterruptedException {
      for (String command : builds) {
        ProcessBuilder build = new ProcessBuilder("sh", "-c", command).inheritIO();
        if (build.start().waitFor() != 0) {
          System.out.println("  cannot be built: " + command);
          return false;
        }
      }
      return true;
    }

    /** Asks the script of that name which package it comes from, or what made it; and how old. */
    String version(Path script) throws IOException, InterruptedException {
      String command = versions.isEmpty() ? hello().command().get(0) : versions.get(0);
      Process query = new ProcessBuilder("sh", script.toString(), command).start();
      String answer = new String(query.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      query.waitFor();
      return answer.strip();
    }
  }

  /** One command. */
  record Job(
      String name,
      boolean own,
      String text,
      List<String> command,
      Map<String, String> variables,
      Optional<String> stdin) {
    private static Job parse(String name, String text) {
      Map<String, String> variables = new LinkedHashMap<>();
      List<String> command = new ArrayList<>();
      Optional<String> stdin = Optional.empty();
      for (String escaped : text.split("(?<!\\\\) +", -1)) {
        String word = escaped.replace("\\ ", " ");
        if (command.isEmpty() && word.matches("[A-Z_]+=.*")) {
          variables.put(
              word.substring(0, word.indexOf('=')), word.substring(word.indexOf('=') + 1));
        } else if (word.startsWith("<")) {
          stdin = Optional.of(word.substring(1));
        } else {
          command.add(word);
        }
      }
      boolean own = name.startsWith("own ");
      return new Job(own ? name.substring(4) : name, own, text, command, variables, stdin);
    }
  }

  static List<Program> read(Path file) throws IOException {
    List<Program> all = new ArrayList<>();
    for (String line : Files.readAllLines(file)) {
      if (line.startsWith("[")) {
        int end = line.indexOf(']');
        boolean unwatched = line.substring(end + 1).strip().equals("unwatched");
        all.add(
            new Program(
                line.substring(1, end),
                unwatched,
                new ArrayList<>(),
                new ArrayList<>(),
                new ArrayList<>(),
                new ArrayList<>()));
      } else if (!line.startsWith("#") && !line.isBlank()) {
        String name = line.substring(0, line.indexOf(':'));
        String text = line.substring(line.indexOf(':') + 1).strip();
        Program program = all.get(all.size() - 1);
        switch (name) {
          case "version" -> program.versions().add(text);
          case "build" -> program.builds().add(text);
          case "hello" -> program.hellos().add(Job.parse(name, text));
          default -> program.jobs().add(Job.parse(name, text));
        }
      }
    }
    return all;
  }
}
