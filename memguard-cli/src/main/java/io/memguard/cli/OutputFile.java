package io.memguard.cli;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermission;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The file a report or a plot goes to: a reader finds all of it there or nothing; but one that
 * cannot be replaced (a pipe, a mounted file, one in a directory that is not ours) is written in
 * place, and one that is open here already, as {@code /dev/stdout}, gets it after what others have
 * written there. That it can be written is found out before the command runs, so that no work is
 * lost for it.
 */
final class OutputFile {
  /** What ENOSPC and EDQUOT are called: then what is there must not be thrown away. */
  private static final Set<String> FULL = Set.of("No space left on device", "Disk quota exceeded");

  private static final Set<PosixFilePermission> OURS =
      Set.of(PosixFilePermission.OWNER_READ, PosixFilePermission.OWNER_WRITE);
  private static final Path DESCRIPTORS = Path.of("/proc/self/fd");

  /** As many as Linux follows, path_resolution(7). */
  private static final int LINKS = 40;

  private final String name;
  private final Path target;
  private final boolean open;
  private final Optional<Set<PosixFilePermission>> permissions;
  private boolean replaced;

  private OutputFile(String name, Path target, boolean replaced) throws IOException {
    this.name = name;
    this.target = target;
    this.open = isOpen(target);
    this.replaced = replaced && !open;
    this.permissions =
        Files.isRegularFile(target)
            ? Optional.of(Files.getPosixFilePermissions(target))
            : Optional.empty();
  }

  /**
   * Checks that it can be written, and changes nothing.
   *
   * @throws IOException if it cannot; the message says why
   */
  static OutputFile check(String name) throws IOException {
    Path target = follow(path(name));
    if (Files.isDirectory(target)) {
      throw new IOException("\"" + name + "\" is a directory");
    }
    OutputFile file = new OutputFile(name, target, true);
    if (file.open) {
      if (file.standard() == null ? !Files.isWritable(target) : !Files.exists(target)) {
        throw new IOException("\"" + name + "\" is not open for writing");
      }
      return file;
    }
    if (Files.exists(target) && !Files.isRegularFile(target)) { // a device, or a pipe
      if (!Files.isWritable(target)) {
        throw new IOException("\"" + name + "\" may not be written");
      }
      return new OutputFile(name, target, false);
    }
    try {
      file.createPart();
      Files.delete(file.part());
    } catch (IOException e) {
      if (Files.exists(file.part())) {
        Files.delete(file.part());
      }
      if (FULL.contains(reason(e)) || !Files.isWritable(file.target)) {
        throw unwritable(name, e);
      }
      file.replaced = false; // in a directory that is not ours, or without rights that could stay
    }
    return file;
  }

  /**
   * Removes what an earlier run left there: it must not pass for this run's if memguard itself is
   * killed.
   *
   * @throws IOException if that is impossible; the message says why
   */
  void clear() throws IOException {
    try {
      if (replaced) {
        Files.deleteIfExists(target);
      }
    } catch (IOException e) {
      replaced = false; // mounted, or another's in a directory where only they may remove it
    }
    if (!replaced && !open && Files.isRegularFile(target)) {
      try {
        write(new byte[0]);
      } catch (IOException e) {
        throw unwritable(name, e);
      }
    }
  }

  private static IOException unwritable(String name, IOException e) {
    return new IOException("\"" + name + "\" cannot be written: " + reason(e), e);
  }

  private static Path path(String name) throws IOException {
    if (name.isEmpty()) {
      throw new IOException("\"\" has no name");
    }
    try {
      return Path.of(name);
    } catch (InvalidPathException e) {
      throw new IOException(
          "\"" + name + "\" is no file name in this locale; set LC_ALL=C.UTF-8", e);
    }
  }

  /** Where links lead to, also to what is not there; but a descriptor of this process stays one. */
  private static Path follow(Path name) throws IOException {
    Path path = name.toAbsolutePath();
    for (int links = 0; links < LINKS; links++) {
      Path directory = path.getParent();
      if (directory != null && Files.isDirectory(directory)) {
        path = directory.toRealPath().resolve(path.getFileName());
      }
      if (isOpen(path) || !Files.isSymbolicLink(path)) {
        break;
      }
      Path next = path.resolveSibling(Files.readSymbolicLink(path));
      if (Files.exists(path) && !Files.exists(next)) {
        break; // another process' pipe, under /proc: its link is words for people
      }
      path = next;
    }
    return path;
  }

  private static boolean isOpen(Path path) throws IOException {
    return Files.isDirectory(DESCRIPTORS) && DESCRIPTORS.toRealPath().equals(path.getParent());
  }

  private @Nullable FileDescriptor standard() {
    return switch (String.valueOf(target.getFileName())) {
      case "1" -> FileDescriptor.out;
      case "2" -> FileDescriptor.err;
      default -> null;
    };
  }

  private void writeToOpen(byte[] content) throws IOException {
    FileDescriptor standard = standard();
    if (standard == null) { // the end is the best that can be had without the descriptor itself
      Files.write(target, content, StandardOpenOption.APPEND);
    } else {
      new FileOutputStream(standard).write(content); // and never closed: it is not ours alone
    }
  }

  /** Writes all of it, at once: who reads from a pipe may go when he has seen its end. */
  void write(byte[] content) throws IOException {
    if (open) {
      writeToOpen(content);
      return;
    }
    if (!replaced) {
      Files.write(target, content, StandardOpenOption.WRITE, StandardOpenOption.TRUNCATE_EXISTING);
      return;
    }
    try {
      createPart();
      Files.write(part(), content, StandardOpenOption.WRITE);
      if (permissions.isPresent()) {
        Files.setPosixFilePermissions(part(), permissions.get());
      }
      Files.move(part(), target, StandardCopyOption.ATOMIC_MOVE);
    } finally {
      Files.deleteIfExists(part());
    }
  }

  /** Says in words what the exceptions of files say by their types. */
  static String reason(IOException e) {
    if (e instanceof NoSuchFileException) {
      return "its directory does not exist";
    }
    if (e instanceof AccessDeniedException) {
      return "permission denied";
    }
    return e instanceof FileSystemException file && file.getReason() != null
        ? file.getReason()
        : String.valueOf(e.getMessage());
  }

  @Override
  public boolean equals(@Nullable Object other) {
    return other instanceof OutputFile file && target.normalize().equals(file.target.normalize());
  }

  @Override
  public int hashCode() {
    return target.normalize().hashCode();
  }

  /** Returns the name, in quotes. */
  @Override
  public String toString() {
    return "\"" + name + "\"";
  }

  private void createPart() throws IOException {
    Files.createFile(part());
    if (permissions.isPresent()) {
      Files.setPosixFilePermissions(part(), OURS); // until all is there
    }
  }

  private Path part() {
    return target.resolveSibling(".memguard-" + ProcessHandle.current().pid() + ".part");
  }
}
