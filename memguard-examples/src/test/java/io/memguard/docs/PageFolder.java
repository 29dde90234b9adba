package io.memguard.docs;

import io.memguard.docs.Page.Block;
import java.io.File;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Arrays;
import java.util.List;
import java.util.jar.Attributes;
import java.util.jar.JarOutputStream;
import java.util.jar.Manifest;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;

/** What a page's blocks find where they are run: its own files, and what it speaks of. */
final class PageFolder {
  private static final Path SNIPPETS = Path.of("src/test/snippets");

  private PageFolder() {}

  static void fill(Page page, Path folder) throws Exception {
    copy(files(SNIPPETS, ".*\\.py"), folder);
    copy(List.of(Page.ROOT.resolve("memguard-examples/workers/memguard_worker.py")), folder);
    if (speaks(page, "\"render\"")) {
      compile(SNIPPETS.resolve("render.c"), folder.resolve("render"));
    }
    if (speaks(page, "docs/images/")) {
      Path images = Files.createDirectories(folder.resolve("docs/images"));
      copy(files(Page.ROOT.resolve("docs/images"), ".*\\.py"), images);
    }
    if (speaks(page, "memguard-core-*.jar")) {
      Path target = Page.ROOT.resolve("memguard-core/target");
      copy(files(target, "memguard-core-.*(?<!-sources|-javadoc)\\.jar"), folder);
    }
    if (speaks(page, "app.jar")) {
      makeJar(App.class, folder.resolve("app.jar"));
    }
    for (Block block : page.blocks()) {
      if (block.fileName().isPresent()) {
        Path file = folder.resolve(block.fileName().get());
        Files.createDirectories(file.getParent());
        Files.writeString(file, block.joined());
      }
    }
  }

  private static boolean speaks(Page page, String word) {
    return page.blocks().stream().anyMatch(block -> block.joined().contains(word));
  }

  private static List<Path> files(Path folder, String names) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.filter(file -> file.getFileName().toString().matches(names)).toList();
    }
  }

  private static void copy(List<Path> files, Path folder) throws IOException {
    for (Path file : files) {
      Files.copy(file, folder.resolve(file.getFileName()), StandardCopyOption.COPY_ATTRIBUTES);
    }
  }

  private static void compile(Path source, Path program) throws Exception {
    Process compiler =
        new ProcessBuilder("cc", "-static", "-o", program.toString(), source.toString())
            .inheritIO()
            .start();
    if (compiler.waitFor() != 0) {
      throw new AssertionError(source + " could not be compiled");
    }
  }

  /** A program that {@code java -jar} runs, with these tests' class path; it logs to stdout. */
  private static void makeJar(Class<?> main, Path file) throws IOException {
    String paths =
        Arrays.stream(System.getProperty("java.class.path").split(File.pathSeparator, -1))
            .map(path -> Path.of(path).toUri().toString())
            .collect(Collectors.joining(" "));
    Manifest manifest = new Manifest();
    Attributes attributes = manifest.getMainAttributes();
    attributes.put(Attributes.Name.MANIFEST_VERSION, "1.0");
    attributes.put(Attributes.Name.MAIN_CLASS, main.getName());
    attributes.put(Attributes.Name.CLASS_PATH, paths);
    attributes.put(new Attributes.Name("Enable-Native-Access"), "ALL-UNNAMED");
    String log =
        """
        org.slf4j.simpleLogger.logFile=System.out
        org.slf4j.simpleLogger.showThreadName=false
        org.slf4j.simpleLogger.defaultLogLevel=off
        org.slf4j.simpleLogger.log.io.memguard.outcome=info
        """;
    try (OutputStream bytes = Files.newOutputStream(file);
        JarOutputStream jar = new JarOutputStream(bytes, manifest)) {
      jar.putNextEntry(new ZipEntry("simplelogger.properties"));
      jar.write(log.getBytes(StandardCharsets.UTF_8));
    }
  }
}
