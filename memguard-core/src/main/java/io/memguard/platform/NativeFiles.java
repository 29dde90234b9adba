package io.memguard.platform;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Set;

/**
 * The two native files on disk. The dynamic loader wants files, the jar has resources: they are
 * extracted once per user and version, into a directory only that user can write, and stay there,
 * since a child may outlive the JVM and its children's loaders still look for the witness.
 */
public final class NativeFiles {
  /** Names a directory that has both files already; nothing is extracted then. */
  public static final String DIRECTORY_PROPERTY = "memguard.native.dir";

  private static final String LIBRARY = "libmemguard.so";
  private static final String WITNESS = "libmemguard_witness.so";

  private static final Set<PosixFilePermission> OWNER_ONLY =
      PosixFilePermissions.fromString("rwx------");

  private final Path directory;

  private NativeFiles(Path directory) {
    this.directory = directory;
  }

  /** Returns the library that launches and reaps. */
  public Path library() {
    return directory.resolve(LIBRARY);
  }

  /** Returns the library that is preloaded into children. */
  public Path witness() {
    return directory.resolve(WITNESS);
  }

  /**
   * Finds the files, extracting them if need be.
   *
   * @throws IOException if that is impossible; the message says why and what to do
   */
  public static NativeFiles locate() throws IOException {
    String preinstalled = System.getProperty(DIRECTORY_PROPERTY);
    if (preinstalled != null) {
      return preinstalled(Path.of(preinstalled).toAbsolutePath());
    }
    byte[] library = resource(LIBRARY);
    byte[] witness = resource(WITNESS);
    Path parent = userDirectory(Path.of(System.getProperty("java.io.tmpdir")).toAbsolutePath());
    Path directory = parent.resolve(HexFormat.of().formatHex(sha256(library, witness), 0, 8));
    try {
      makeDirectory(directory);
      extract(library, directory.resolve(LIBRARY));
      extract(witness, directory.resolve(WITNESS));
    } catch (IOException e) {
      throw new IOException(
          "cannot extract the native files into "
              + directory
              + " ("
              + reason(e, parent)
              + "); "
              + remedy(),
          e);
    }
    return new NativeFiles(directory);
  }

  /** Says what to do where the temp directory cannot be used. */
  static String remedy() {
    return "point -Djava.io.tmpdir to a directory with room, from which programs may be run, or -D"
        + DIRECTORY_PROPERTY
        + " to one that has the native files already";
  }

  private static NativeFiles preinstalled(Path directory) throws IOException {
    NativeFiles files = new NativeFiles(directory);
    for (Path file : new Path[] {files.library(), files.witness()}) {
      if (!Files.isRegularFile(file)) {
        throw new IOException(
            "-D"
                + DIRECTORY_PROPERTY
                + "="
                + directory
                + " has no file "
                + file.getFileName()
                + "; it must hold "
                + LIBRARY
                + " and "
                + WITNESS
                + " of this version of memguard");
      }
    }
    return files;
  }

  private static byte[] resource(String name) throws IOException {
    String path = "/linux-" + architecture() + "/" + name;
    try (InputStream in = NativeFiles.class.getResourceAsStream(path)) {
      if (in == null) {
        throw new IOException(
            "this build of memguard has no native files for this machine (" + path + ")");
      }
      return in.readAllBytes();
    }
  }

  private static String architecture() throws IOException {
    String os = System.getProperty("os.name");
    String arch = System.getProperty("os.arch");
    if (!os.equals("Linux")) {
      throw new IOException("memguard's native files are for Linux; this is " + os);
    }
    return arch.equals("amd64") ? "x86-64" : arch;
  }

  /** {@code /tmp} is everybody's: a directory somebody else prepared there is refused. */
  private static Path userDirectory(Path temp) throws IOException {
    Integer uid = (Integer) Files.getAttribute(Path.of("/proc/self"), "unix:uid");
    Path directory = temp.resolve("memguard-" + uid);
    try {
      makeDirectory(directory);
    } catch (IOException e) {
      throw new IOException(
          "cannot make the directory "
              + directory
              + " for the native files ("
              + reason(e, temp)
              + "); "
              + remedy(),
          e);
    }
    PosixFileAttributes found =
        Files.readAttributes(directory, PosixFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
    Set<PosixFilePermission> permissions = found.permissions();
    boolean othersWrite =
        permissions.contains(PosixFilePermission.GROUP_WRITE)
            || permissions.contains(PosixFilePermission.OTHERS_WRITE);
    boolean own = uid.equals(Files.getAttribute(directory, "unix:uid", LinkOption.NOFOLLOW_LINKS));
    if (!found.isDirectory() || othersWrite || !own) {
      throw new IOException(
          directory
              + " is not a directory that only this user can write ("
              + PosixFilePermissions.toString(permissions)
              + ", owner "
              + found.owner()
              + "); remove it, or "
              + remedy());
    }
    return directory;
  }

  /** Others must be able to read it, whatever the umask: a child may change its user. */
  private static void makeDirectory(Path directory) throws IOException {
    try {
      Files.createDirectory(directory, PosixFilePermissions.asFileAttribute(OWNER_ONLY));
    } catch (FileAlreadyExistsException e) {
      return;
    }
    Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwxr-xr-x"));
  }

  /** Another JVM may do the same at the same time: the file appears whole or not at all. */
  private static void extract(byte[] content, Path file) throws IOException {
    if (Files.isRegularFile(file)
        && Arrays.equals(sha256(Files.readAllBytes(file)), sha256(content))) {
      return;
    }
    Path part =
        Files.createTempFile(
            file.getParent(),
            "part",
            null,
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
    try {
      Files.write(part, content);
      Files.setPosixFilePermissions(part, PosixFilePermissions.fromString("rwxr-xr-x"));
      Files.move(part, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } finally {
      Files.deleteIfExists(part);
    }
  }

  private static String reason(IOException e, Path where) {
    try {
      FileStore store = Files.getFileStore(where);
      if (store.getUsableSpace() == 0) {
        return "no space left on " + store;
      }
      if (store.isReadOnly()) {
        return store + " is read-only";
      }
    } catch (IOException unknown) {
      e.addSuppressed(unknown);
    }
    return e.toString();
  }

  private static byte[] sha256(byte[]... contents) {
    try {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      for (byte[] content : contents) {
        digest.update(content);
      }
      return digest.digest();
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java platform has SHA-256", e);
    }
  }
}
