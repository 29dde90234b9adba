package io.memguard.docs;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.yaml.snakeyaml.Yaml;

/**
 * The commands of docs/doctor.md's probes, with what the doctor says here and could say elsewhere.
 */
class ProbesTest {
  private static final String CONTAINERS_LOG = "/proc/1/fd/1"; // here it is somebody else's

  @TempDir Path directory;
  private List<String> scripts;

  @BeforeEach
  void read() throws IOException {
    scripts = new ArrayList<>();
    for (Page.Block block : Page.read(Page.ROOT.resolve("docs/doctor.md")).blocks()) {
      if (block.language().equals("yaml")) {
        addScripts(new Yaml().load(block.joined()));
      }
    }
    assertThat(scripts).hasSize(2);
  }

  private void addScripts(Object node) {
    if (node instanceof Map<?, ?> map) {
      map.values().forEach(this::addScripts);
    } else if (node instanceof List<?> list && list.size() == 3 && list.get(0).equals("sh")) {
      assertThat(list.get(1)).isEqualTo("-c");
      scripts.add(list.get(2).toString());
    } else if (node instanceof List<?> list) {
      list.forEach(this::addScripts);
    }
  }

  @Test
  void areDecidedByTheVerdict() throws Exception {
    Path said = directory.resolve("said");
    List<String> verdicts = List.of("protected", "partly", "exposed");
    Path memguard = Page.ROOT.resolve("bin/memguard");
    String here = verdicts.get(status(memguard + " doctor --json >" + said));
    assertThat(Files.readString(said)).contains("\"" + here + "\"");

    for (String verdict : verdicts) {
      String json = Files.readString(said).replace("\"" + here + "\"", "\"" + verdict + "\"");
      Path elsewhere = Files.writeString(directory.resolve(verdict), json);
      doctor("cat " + elsewhere + "; exit " + verdicts.indexOf(verdict));
      assertProbes(verdict.equals("exposed") ? 1 : 0, json);
    }
  }

  @Test
  void failWhereNoJvmCanStart() throws Exception {
    doctor("echo 'Could not reserve enough space for object heap' >&2; exit 1");
    assertProbes(1, "");
  }

  private void assertProbes(int status, String logged) throws Exception {
    Path log = directory.resolve("log");
    for (String script : scripts) {
      assertThat(status(script.replace(CONTAINERS_LOG, log.toString())))
          .as(script)
          .isEqualTo(status);
      if (script.contains(CONTAINERS_LOG)) {
        assertThat(log).hasContent(logged);
      }
    }
  }

  private void doctor(String does) throws IOException {
    String script = "#!/bin/sh\n[ \"$*\" = 'doctor --json' ] || exit 125\n" + does + "\n";
    Path memguard = Files.writeString(directory.resolve("memguard"), script);
    assertThat(memguard.toFile().setExecutable(true)).isTrue();
  }

  private int status(String script) throws Exception {
    ProcessBuilder sh = new ProcessBuilder("sh", "-c", script).inheritIO();
    sh.environment().put("JAVA_HOME", System.getProperty("java.home"));
    sh.environment().merge("PATH", directory.toString(), (path, own) -> own + ":" + path);
    Process process = sh.redirectOutput(directory.resolve("output").toFile()).start();
    try {
      assertThat(process.waitFor(5, TimeUnit.MINUTES)).as("%s ends", script).isTrue();
      return process.exitValue();
    } finally {
      process.destroyForcibly();
    }
  }
}
