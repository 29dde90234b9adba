package io.memguard.docs;

import io.memguard.docs.Page.Block;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import javax.tools.Diagnostic;
import javax.tools.DiagnosticCollector;
import javax.tools.JavaCompiler;
import javax.tools.JavaFileObject;
import javax.tools.SimpleJavaFileObject;
import javax.tools.ToolProvider;

/** The Java blocks of a page, compiled together. Errors are told with the page's lines. */
final class JavaSnippets {
  private static final JavaCompiler COMPILER = ToolProvider.getSystemJavaCompiler();

  // What an application imports by itself; a block of its own imports has those besides.
  private static final String HEAD =
      "package snippets; import io.memguard.*; import io.memguard.events.*; import"
          + " io.memguard.launch.*; import io.memguard.limits.*; import io.memguard.micrometer.*;"
          + " import io.memguard.outcome.*; import"
          + " io.memguard.recover.*; import java.io.*; import java.nio.file.*; import java.nio.charset.*; import"
          + " java.time.*; import java.util.*; import java.util.concurrent.*; ";

  private final Map<String, Block> toRun = new TreeMap<>();

  /** Compiles the blocks of a page into a folder. */
  JavaSnippets(Page page, Path classes) throws IOException {
    List<Source> sources = new ArrayList<>();
    for (Block block : page.blocks()) {
      boolean isElsewhere = block.fileName().isEmpty() && block.marked("tested by").isPresent();
      if (block.language().equals("java") && !isElsewhere) {
        Source source = Source.of(block);
        sources.add(source);
        if (block.isRun()) {
          toRun.put(source.name, block);
        }
      }
    }
    if (!sources.isEmpty()) {
      compile(sources, classes);
    }
  }

  private static void compile(List<Source> sources, Path classes) throws IOException {
    Files.createDirectories(classes);
    DiagnosticCollector<JavaFileObject> said = new DiagnosticCollector<>();
    List<String> options =
        List.of(
            "-d",
            classes.toString(),
            "-cp",
            System.getProperty("java.class.path"),
            "-proc:none",
            "--release",
            "17");
    COMPILER.getTask(null, null, said, options, null, sources).call();
    String wrong =
        said.getDiagnostics().stream()
            .map(JavaSnippets::inThePage)
            .collect(Collectors.joining("\n"));
    if (!wrong.isEmpty()) {
      throw new AssertionError(wrong);
    }
  }

  private static String inThePage(Diagnostic<? extends JavaFileObject> diagnostic) {
    String message = diagnostic.getMessage(Locale.ROOT);
    if (!(diagnostic.getSource() instanceof Source source)) {
      return message;
    }
    long line = source.block.line() + diagnostic.getLineNumber() - 1;
    return Page.ROOT.relativize(source.block.page()) + ":" + line + ": " + message;
  }

  /** Those to be run, by the name of their class. */
  Map<String, Block> toRun() {
    return toRun;
  }

  /**
   * A block as a class whose lines are the block's: what is added is added to its first and last.
   */
  private static final class Source extends SimpleJavaFileObject {
    private final Block block;
    private final String name;
    private final String text;

    private Source(Block block, String name, String text) {
      super(URI.create("string:///" + name.replace('.', '/') + ".java"), Kind.SOURCE);
      this.block = block;
      this.name = name;
      this.text = text;
    }

    static Source of(Block block) {
      if (block.fileName().isPresent()) {
        String file = Path.of(block.fileName().get()).getFileName().toString();
        return new Source(block, file.replace(".java", ""), block.joined());
      }
      List<String> imports = new ArrayList<>();
      List<String> statements = new ArrayList<>();
      for (String line : block.text()) {
        boolean isImport = line.startsWith("import ");
        (isImport ? imports : statements).add(line);
        if (isImport) {
          statements.add("");
        }
      }
      // Numbers with leading zeros, so that they are run in the page's order.
      String name = String.format(Locale.ROOT, "Line%04d", block.line());
      String begin =
          HEAD
              + String.join(" ", imports)
              + " public final class "
              + name
              + " extends io.memguard.docs.Surroundings { public "
              + name
              + "(MemoryGuard guard) { super(guard); }"
              + " @Override protected void snippet() throws Exception { ";
      return new Source(block, "snippets." + name, begin + String.join("\n", statements) + "\n} }");
    }

    @Override
    public CharSequence getCharContent(boolean ignoreEncodingErrors) {
      return text;
    }
  }
}
