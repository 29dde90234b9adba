package io.memguard;

import static io.memguard.support.Children.output;
import static io.memguard.support.Children.sh;
import static io.memguard.support.Parity.resultOf;
import static io.memguard.support.Parity.sameAsTheJdk;
import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.support.Engines;
import io.memguard.support.WithGuard;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** The program is found, and given what it is given, as {@link ProcessBuilder#start} does it. */
@ExtendWith(WithGuard.class)
final class LookupAsTheJdksTest {
  @TempDir private Path directory;

  @BeforeEach
  void aDirectoryWithPrograms() throws Exception {
    Files.createDirectory(directory.resolve("sub"));
    program("sub/hello", "#!/bin/sh\necho \"hello $*\"\n");
    program("sub/plain", "echo \"plain $*\"\n");
  }

  private void program(String name, String text) throws Exception {
    Files.writeString(directory.resolve(name), text);
    Files.setPosixFilePermissions(
        directory.resolve(name), PosixFilePermissions.fromString("rwxr-xr-x"));
  }

  @Test
  void argumentsArriveWhateverIsInThem(MemoryGuard guard) throws Exception {
    String[] odd = {
      "with space", "", "'single'", "\"double\"", "back\\slash", "new\nline", "tab\t", "$HOME",
      "`id`", "*", "-n", "--", "grüße 😀 日本", "a=b", ";", "\u0001"
    };
    Object seen =
        sameAsTheJdk(guard, start -> output(start.start(sh("printf '<%s>' \"$@\"", odd))));
    assertThat(seen).isEqualTo("<" + String.join("><", odd) + ">");
  }

  @Test
  void programsAreFoundOnThePathOfTheParent(MemoryGuard guard) throws Exception {
    Object seen =
        sameAsTheJdk(
            guard,
            start -> {
              ProcessBuilder echo = new ProcessBuilder("expr", "6", "*", "7");
              echo.environment().put("PATH", "/nowhere");
              return output(start.start(echo));
            });
    assertThat(seen).isEqualTo("42\n");
  }

  @Test
  void aScriptWithoutAFirstLineIsTheShells(MemoryGuard guard) throws Exception {
    Object seen =
        sameAsTheJdk(
            guard,
            start -> {
              Process child =
                  start.start(new ProcessBuilder(directory + "/sub/plain", "a b", "", "c"));
              return List.of(output(child), child.waitFor());
            });
    assertThat(seen).isEqualTo(List.of("plain a b  c\n", 0));
  }

  @Test
  void aRelativeProgramIsTakenFromTheChildsDirectory(MemoryGuard guard) throws Exception {
    Object seen =
        sameAsTheJdk(
            guard,
            start -> {
              ProcessBuilder below =
                  new ProcessBuilder("sub/hello", "1").directory(directory.toFile());
              ProcessBuilder here =
                  new ProcessBuilder("./hello", "2").directory(directory.resolve("sub").toFile());
              ProcessBuilder plain =
                  new ProcessBuilder("../sub/plain", "3")
                      .directory(directory.resolve("sub").toFile());
              return output(start.start(below))
                  + output(start.start(here))
                  + output(start.start(plain));
            });
    assertThat(seen).isEqualTo("hello 1\nhello 2\nplain 3\n");
  }

  @Test
  void aNameWithoutASlashIsNotTakenFromTheDirectory(MemoryGuard guard) throws Exception {
    sameAsTheJdk(
        guard,
        start ->
            resultOf(
                () ->
                    start.start(
                        new ProcessBuilder("hello").directory(directory.resolve("sub").toFile()))));
  }

  @Test
  void theDirectoryIsTheChilds(MemoryGuard guard) throws Exception {
    Path odd = Files.createDirectory(directory.resolve("grüße und leer"));
    Object seen =
        sameAsTheJdk(
            guard,
            start ->
                output(start.start(sh("pwd -P").directory(odd.toFile())))
                    + output(start.start(sh("pwd -P"))));
    assertThat(seen).isEqualTo(odd.toRealPath() + "\n" + Path.of("").toRealPath() + "\n");
  }

  @Test
  void theProgramSeesTheNameItWasCalledBy(MemoryGuard guard) throws Exception {
    if (!Engines.isNative()) {
      assertThat(guard.capabilities().limitations()).anyMatch(text -> text.contains("argv[0]"));
      return;
    }
    Object seen =
        sameAsTheJdk(
            guard, start -> output(start.start(new ProcessBuilder("cat", "/proc/self/cmdline"))));
    assertThat(seen).isEqualTo("cat\0/proc/self/cmdline\0");
  }

  @Test
  void theEnvironmentArrivesWithEmptyAndForeignValues(MemoryGuard guard) throws Exception {
    Map<String, String> added =
        Map.of(
            "EMPTY",
            "",
            "GREETING",
            "grüße 😀",
            "LINES_",
            "a\nb",
            "EQUALS",
            "a=b",
            "QUOTE",
            "it's");
    Object seen =
        sameAsTheJdk(
            guard,
            start -> {
              ProcessBuilder env = new ProcessBuilder("env", "-0");
              env.environment().putAll(added);
              env.environment().remove("HOME");
              return variables(output(start.start(env)));
            });
    assertThat(((Map<?, ?>) seen).entrySet().containsAll(added.entrySet())).isTrue();
    assertThat(((Map<?, ?>) seen).containsKey("HOME")).isFalse();
  }

  @Test
  void anEmptyEnvironmentIsEmpty(MemoryGuard guard) throws Exception {
    if (!Engines.isNative()) {
      assertThat(guard.capabilities().limitations()).anyMatch(text -> text.contains("sets PWD"));
      return;
    }
    Object seen =
        sameAsTheJdk(
            guard,
            start -> {
              ProcessBuilder env = new ProcessBuilder("/usr/bin/env", "-0");
              env.environment().clear();
              return variables(output(start.start(env)));
            });
    assertThat(seen.toString()).isEqualTo("{}");
  }

  @Test
  void namesTheShellCannotHaveArriveToo(MemoryGuard guard) throws Exception {
    ProcessBuilder env = new ProcessBuilder("env", "-0");
    env.environment().put("my.var-x", "1");
    if (!Engines.isNative()) {
      assertThat(guard.capabilities().limitations()).anyMatch(text -> text.contains("my.var"));
      return;
    }
    Object seen = sameAsTheJdk(guard, start -> variables(output(start.start(env))));
    assertThat(seen.toString()).contains("my.var-x=1");
  }

  private static Map<String, String> variables(String zeroTerminated) {
    Map<String, String> variables = new TreeMap<>();
    for (String variable : zeroTerminated.split("\0", 0)) {
      if (variable.contains("=")) {
        int equals = variable.indexOf('=');
        variables.put(variable.substring(0, equals), variable.substring(equals + 1));
      }
    }
    return variables;
  }
}
