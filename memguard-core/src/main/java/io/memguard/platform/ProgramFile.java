package io.memguard.platform;

import java.io.File;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * What a program's file says, before it is started, of whether something can be preloaded into it,
 * and of what it was written in.
 *
 * @param path the file, or the name that was asked for if it was not found; of a script, its
 *     interpreter
 * @param linkage how it is linked
 * @param go whether it was written in Go
 */
public record ProgramFile(String path, Linkage linkage, boolean go) {
  /** How a program is linked. */
  public enum Linkage {
    /** By the dynamic loader of this machine. */
    DYNAMIC(""),
    /** Without one: nothing can be preloaded. */
    STATIC("is statically linked: nothing can be preloaded into it"),
    /** It gets another user's rights, and the loader then preloads nothing. */
    SETUID("is setuid or setgid: nothing is preloaded into it"),
    /** For another CPU, or of 32 bits: its loader complains of what it cannot preload. */
    FOREIGN("is built for another kind of CPU or for 32 bits, which the witness is not"),
    /** Built with a sanitizer that must be the first library, or the program ends at once. */
    SANITIZED("is built with a sanitizer, whose library must come before all others"),
    /** It could not be read. */
    UNKNOWN("");

    private final String words;

    Linkage(String words) {
      this.words = words;
    }
  }

  /** gcc's and clang's for addresses (HWASan too), leaks, uninitialized memory and threads. */
  private static final Pattern SANITIZER = Pattern.compile("lib(hw)?[almt]san\\b|libclang_rt\\.");

  private static final int HOPS = 2; // a script's interpreter may be a script
  private static final int LINE = 256;
  private static final int SETUID = 04000;
  private static final int SETGID = 02000;

  /**
   * Reads the file that would be started.
   *
   * @param program a path, or a name to be looked for in {@code searched}
   * @param directory what a relative path begins at, or null for this process's own directory
   * @param searched as in the variable PATH
   */
  public static ProgramFile of(String program, @Nullable File directory, String searched) {
    return of(program, directory, searched, HOPS);
  }

  private static ProgramFile of(
      String program, @Nullable File directory, String searched, int hops) {
    try {
      Optional<Path> found = find(program, directory, searched);
      return found.isEmpty() ? unknown(program) : read(found.get(), directory, searched, hops);
    } catch (IOException | RuntimeException unreadable) { // or no program that anybody could start
      return unknown(program);
    }
  }

  private static ProgramFile read(Path file, @Nullable File directory, String searched, int hops)
      throws IOException {
    try (RandomAccessFile open = new RandomAccessFile(file.toFile(), "r")) {
      byte[] line = new byte[LINE];
      ByteBuffer start = ByteBuffer.wrap(line, 0, Math.max(0, open.read(line)));
      if (start.remaining() > 2 && start.get(0) == '#' && start.get(1) == '!') {
        Optional<String> interpreter = interpreter(start);
        return hops == 0 || interpreter.isEmpty()
            ? unknown(file.toString())
            : of(interpreter.get(), directory, searched, hops - 1);
      }
      if (!ElfFile.isOne(start)) {
        return unknown(file.toString());
      }
      if (!ElfFile.isOfThisMachine(start)) {
        return new ProgramFile(file.toString(), Linkage.FOREIGN, false);
      }
      ElfFile elf = ElfFile.read(open);
      return new ProgramFile(file.toString(), linkage(file, elf), elf.isGo());
    }
  }

  /** Only regular files: a FIFO would have us wait. */
  private static Optional<Path> find(String program, @Nullable File directory, String searched) {
    if (program.isEmpty()) {
      return Optional.empty();
    }
    Path base = Path.of(Objects.requireNonNullElse(directory, new File("")).getPath());
    Stream<Path> candidates =
        program.contains("/")
            ? Stream.of(base.resolve(program))
            : Stream.of(searched.split(":", -1)).map(each -> base.resolve(each).resolve(program));
    return candidates
        .filter(file -> Files.isRegularFile(file) && Files.isExecutable(file))
        .findFirst();
  }

  /** The program that a script is for; of {@code env NAME}, the one with that name. */
  private static Optional<String> interpreter(ByteBuffer start) {
    byte[] bytes = new byte[start.remaining() - 2];
    start.get(2, bytes);
    String line = new String(bytes, StandardCharsets.UTF_8).lines().findFirst().orElse("");
    List<String> words = Stream.of(line.strip().split("[ \t]+", 0)).toList();
    return words.get(0).endsWith("/env")
        ? words.stream()
            .skip(1)
            .filter(word -> !word.startsWith("-") && !word.contains("="))
            .findFirst()
        : words.stream().filter(word -> !word.isEmpty()).findFirst();
  }

  private static ProgramFile unknown(String path) {
    return new ProgramFile(path, Linkage.UNKNOWN, false);
  }

  private static Linkage linkage(Path file, ElfFile elf) throws IOException {
    if (!elf.hasInterpreter()) {
      return Linkage.STATIC;
    }
    if (elf.needed().stream().anyMatch(ProgramFile::isSanitizer)) {
      return Linkage.SANITIZED;
    }
    return changesUser(file) ? Linkage.SETUID : Linkage.DYNAMIC;
  }

  private static boolean isSanitizer(String library) {
    return SANITIZER.matcher(library).find() && !library.contains("ubsan");
  }

  private static boolean changesUser(Path file) throws IOException {
    int mode = (int) Files.getAttribute(file, "unix:mode");
    Path own = Path.of("/proc/self");
    return ((mode & SETUID) != 0 && differs("unix:uid", file, own))
        || ((mode & SETGID) != 0 && differs("unix:gid", file, own));
  }

  private static boolean differs(String attribute, Path one, Path other) throws IOException {
    return !Files.getAttribute(one, attribute).equals(Files.getAttribute(other, attribute));
  }

  /** Returns the name of a file without its directory. */
  public static String nameOf(String path) {
    return path.substring(path.lastIndexOf('/') + 1);
  }

  /** Tells whether a witness would break it, or have its loader complain. */
  public boolean forbidsPreloading() {
    return linkage == Linkage.FOREIGN || linkage == Linkage.SANITIZED;
  }

  /** Tells whether nothing gets into it, preloaded or not; what it starts is another matter. */
  public boolean ignoresPreloading() {
    return linkage == Linkage.STATIC || linkage == Linkage.SETUID;
  }

  /** Tells whether what is preloaded in an environment has such a sanitizer in it. */
  public static boolean isSanitized(String preloaded) {
    return Stream.of(preloaded.split("[: ]", 0)).anyMatch(ProgramFile::isSanitizer);
  }

  /** Says why no witness got into it. */
  public String whyUnwatched() {
    String words =
        linkage.words.isEmpty()
            ? "did not load it: it has file capabilities, was given an environment without"
                + " LD_PRELOAD, or ended before"
            : linkage.words;
    return path + " " + words;
  }
}
