package io.memguard.benchmarks;

import com.sun.source.util.JavacTask;
import io.memguard.recover.BudgetArithmetic;
import io.memguard.recover.BudgetArithmetic.Item;
import io.memguard.recover.MemoryBudget;
import java.io.IOException;
import java.io.InputStream;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.lang.ProcessBuilder.Redirect;
import java.lang.management.ManagementFactory;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.management.ObjectName;
import javax.tools.JavaCompiler;
import javax.tools.JavaFileManager;
import javax.tools.JavaFileObject;
import javax.tools.SimpleJavaFileObject;
import javax.tools.ToolProvider;

/** What is counted for the JVM itself, beside what it takes; {@code benchmarks/jvm-memory}. */
public final class JvmMemories {
  private static final long MIB = 1 << 20;
  private static final Set<String> NOT_THE_JVMS = Set.of("limit", "others", "reserve");

  /** Heaps are touched from end to end: that they may be is what is counted. */
  private enum Kind {
    IDLE_SERIAL("nothing to do", "-XX:+UseSerialGC", 32, 0, 0, 0),
    IDLE_G1("nothing to do", "-XX:+UseG1GC", 32, 0, 0, 0),
    LARGE_G1("large heap", "-XX:+UseG1GC", 1024, 0, 0, 0),
    LARGE_PARALLEL("large heap", "-XX:+UseParallelGC", 1024, 0, 0, 0),
    THREADS("500 threads", "-XX:+UseG1GC", 64, 500, 0, 0),
    DIRECT("48 MiB of direct buffers", "-XX:+UseG1GC", 64, 0, 48, 0),
    COMPILER("javac, again and again", "-XX:+UseG1GC", 256, 0, 0, 10),
    COMPILER_PARALLEL("javac, again and again", "-XX:+UseParallelGC", 256, 0, 0, 10);

    private final String text;
    private final String collector;
    private final int heap;
    private final int threads;
    private final int direct;
    private final int compilations;

    Kind(String text, String collector, int heap, int threads, int direct, int compilations) {
      this.text = text;
      this.collector = collector;
      this.heap = heap;
      this.threads = threads;
      this.direct = direct;
      this.compilations = compilations;
    }
  }

  private JvmMemories() {}

  /** Measures, and exits with 1 if a JVM came to more than was counted. */
  public static void main(String[] none) throws Exception {
    say(
        "| JVM | collector, heap | counted at the start | counted later | resident | of it anonymous | tracked |");
    say("| --- | --- | ---: | ---: | ---: | ---: | ---: |");
    boolean enough = true;
    for (Kind kind : Kind.values()) {
      List<String> told = subject(kind);
      say("| %s | %s, %d MiB | %s |", kind.text, kind.collector, kind.heap, told.get(0));
      enough &= Boolean.parseBoolean(told.get(1));
      told.subList(2, told.size()).forEach(System.err::println);
    }
    System.exit(enough ? 0 : 1);
  }

  private static List<String> subject(Kind kind) throws Exception {
    Process jvm =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin/java").toString(),
                "-Xms" + kind.heap + "m",
                "-Xmx" + kind.heap + "m",
                "-XX:+AlwaysPreTouch",
                "-XX:NativeMemoryTracking=summary",
                kind.collector,
                "-cp",
                System.getProperty("java.class.path"),
                Subject.class.getName(),
                kind.name())
            .redirectError(Redirect.INHERIT)
            .start();
    try (InputStream said = jvm.getInputStream()) {
      return new String(said.readAllBytes(), StandardCharsets.UTF_8).lines().toList();
    }
  }

  private static void say(String form, Object... values) {
    System.out.println(String.format(Locale.ROOT, form, values));
  }

  /** A JVM that is looked at, by itself. */
  static final class Subject {
    private static final List<Object> KEPT = new ArrayList<>();

    private Subject() {}

    public static void main(String[] arguments) throws Exception {
      Kind kind = Kind.valueOf(arguments[0]);
      compile(Math.min(1, kind.compilations)); // the application has started
      start(kind.threads);
      direct(kind.direct);
      BudgetArithmetic first = MemoryBudget.ofContainer(0).arithmetic();
      compile(kind.compilations);
      BudgetArithmetic later = MemoryBudget.ofContainer(0).arithmetic();
      String rollup = Files.readString(Path.of("/proc/self/smaps_rollup"));
      long resident = number(rollup, "Rss: +(\\d+) kB") << 10;
      String tracked = tracked();
      say(
          "%d | %d | %d | %d | %d",
          jvm(first) / MIB,
          jvm(later) / MIB,
          resident / MIB,
          number(rollup, "Anonymous: +(\\d+) kB") >> 10,
          number(tracked, "Total:.*committed=(\\d+)KB") >> 10);
      say("%b", jvm(first) >= resident);
      say("%s\n%s\n%s\n%s\n%s", kind, first, later, rollup, tracked);
      Runtime.getRuntime().halt(0);
    }

    private static long jvm(BudgetArithmetic arithmetic) {
      return -arithmetic.items().stream()
          .filter(item -> !NOT_THE_JVMS.contains(item.what()))
          .mapToLong(Item::bytes)
          .sum();
    }

    private static void start(int threads) throws InterruptedException {
      CountDownLatch started = new CountDownLatch(threads);
      for (int i = 0; i < threads; i++) {
        Thread thread = new Thread(() -> work(started), "worker " + i);
        thread.setDaemon(true);
        thread.start();
      }
      started.await();
    }

    /** With a stack as deep as a request's in an ordinary framework. */
    private static void work(CountDownLatch started) {
      if (deeper(200) > 0) {
        started.countDown();
      }
      try {
        new CountDownLatch(1).await();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }

    private static int deeper(int frames) {
      return frames == 0 ? 1 : deeper(frames - 1) + 1;
    }

    private static void direct(int mebibytes) {
      for (int i = 0; i < mebibytes; i++) {
        ByteBuffer buffer = ByteBuffer.allocateDirect((int) MIB);
        KEPT.add(buffer.put(0, (byte) 1));
      }
    }

    private static void compile(int times) {
      JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
      for (int i = 0; i < times; i++) {
        List<JavaFileObject> sources = new ArrayList<>();
        for (int unit = 0; unit < 20; unit++) {
          sources.add(new Source("Unit" + unit));
        }
        try (JavaFileManager files = compiler.getStandardFileManager(null, null, null)) {
          StringWriter said = new StringWriter();
          JavacTask task =
              (JavacTask) compiler.getTask(said, files, null, List.of("-proc:none"), null, sources);
          task.analyze(); // and writes nothing
          if (!said.toString().isEmpty()) {
            throw new IllegalStateException(said.toString());
          }
        } catch (IOException e) {
          throw new UncheckedIOException(e);
        }
      }
    }

    private static String tracked() throws Exception {
      return (String)
          ManagementFactory.getPlatformMBeanServer()
              .invoke(
                  new ObjectName("com.sun.management:type=DiagnosticCommand"),
                  "vmNativeMemory",
                  new Object[] {new String[] {"summary"}},
                  new String[] {String[].class.getName()});
    }

    private static long number(String text, String pattern) {
      Matcher matcher = Pattern.compile(pattern).matcher(text);
      return matcher.find() ? Long.parseLong(matcher.group(1)) : 0;
    }
  }

  /** A class that gives a compiler something to do. */
  private static final class Source extends SimpleJavaFileObject {
    private final String name;

    Source(String name) {
      super(URI.create("string:///" + name + ".java"), JavaFileObject.Kind.SOURCE);
      this.name = name;
    }

    @Override
    public CharSequence getCharContent(boolean ignored) {
      StringBuilder text = new StringBuilder("import java.util.*; final class " + name + " {\n");
      for (int method = 0; method < 20; method++) {
        text.append("  static Map<Integer, List<String>> m").append(method);
        text.append("(List<String> all) {\n    var map = new TreeMap<Integer, List<String>>();\n");
        text.append("    for (String one : all) { map.computeIfAbsent(one.length() + ");
        text.append(method).append(", n -> new ArrayList<>()).add(one); }\n");
        text.append("    return map;\n  }\n");
      }
      return text.append("}\n");
    }
  }
}
