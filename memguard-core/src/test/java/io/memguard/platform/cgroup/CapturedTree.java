package io.memguard.platform.cgroup;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Files of a real machine, put below a directory. The captures come from {@code lab/capture}: one
 * text each, where {@code == path} begins a file and {@code == path/} is a directory.
 */
final class CapturedTree {
  private static final String SECTION = "== ";
  private final Path root;

  private CapturedTree(Path root) {
    this.root = root;
  }

  /** Writes a capture below {@code root}, over what is there. */
  static CapturedTree unpack(String name, Path root) {
    CapturedTree tree = new CapturedTree(root);
    String path = "";
    StringBuilder content = new StringBuilder();
    for (String line : resource(name).lines().toList()) {
      if (line.startsWith(SECTION)) {
        tree.with(path, content.toString());
        path = "/" + line.substring(SECTION.length());
        content.setLength(0);
      } else {
        content.append(line).append('\n');
      }
    }
    return tree.with(path, content.toString());
  }

  private static String resource(String name) {
    try (InputStream stream = CapturedTree.class.getResourceAsStream(name + ".txt")) {
      return new String(stream.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Changes or adds a file, or a directory if the path ends with a slash. */
  CapturedTree with(String path, String content) {
    try {
      if (path.endsWith("/")) {
        Files.createDirectories(at(path));
      } else if (!path.isEmpty()) {
        Files.createDirectories(at(path).getParent());
        Files.writeString(at(path), content);
      }
      return this;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  CapturedTree without(String path) {
    try {
      Files.deleteIfExists(at(path));
      return this;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Replaces text in a file. */
  CapturedTree edit(String path, String from, String to) {
    try {
      return with(path, Files.readString(at(path)).replace(from, to));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  Path at(String path) {
    return root.resolve(path.substring(1));
  }

  Machine machine() {
    return new Machine(root);
  }

  CgroupSearch search() {
    return CgroupFinder.findOwn(machine());
  }

  Ancestry ancestry() {
    return ((CgroupSearch.Found) search()).ancestry();
  }
}
