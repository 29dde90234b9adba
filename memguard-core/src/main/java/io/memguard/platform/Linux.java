package io.memguard.platform;

import com.sun.jna.Native;
import com.sun.jna.NativeLibrary;
import com.sun.jna.Pointer;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The native library's functions, declared as {@code guard.h} has them: each answers a value, or
 * {@code -errno}.
 *
 * <p>The library is loaded once per JVM by {@link #load}; before that, no other method may be
 * called.
 */
public final class Linux {
  public static final int EPOLLIN = 0x1;
  public static final int EPOLLOUT = 0x4;
  public static final int EPOLLPRI = 0x2;
  public static final int EPOLLET = 1 << 31;
  public static final int EPOLLONESHOT = 1 << 30;
  public static final int EPOLL_CTL_ADD = 1;
  public static final int EPOLL_CTL_DEL = 2;
  public static final int EPOLL_CTL_MOD = 3;

  private static final Object LOADING = new Object();
  private static @Nullable NativeFiles loaded;

  private Linux() {}

  /**
   * Loads the native library.
   *
   * @return the files it was loaded from
   * @throws IOException if that is impossible here; the message says why and what to do
   */
  public static NativeFiles load() throws IOException {
    synchronized (LOADING) {
      if (loaded == null) {
        NativeFiles files = NativeFiles.locate();
        register(files);
        int answer = guard_keep_zombies();
        if (answer < 0) {
          throw new IOException(
              "cannot keep the exit status of children: sigaction answers " + Errno.name(-answer));
        }
        requirePidfd();
        loaded = files;
      }
      return loaded;
    }
  }

  /** Tells whether the other methods may be called. */
  public static boolean isLoaded() {
    synchronized (LOADING) {
      return loaded != null;
    }
  }

  private static void register(NativeFiles files) throws IOException {
    try {
      Native.register(Linux.class, NativeLibrary.getInstance(files.library().toString()));
    } catch (LinkageError | RuntimeException e) {
      throw new IOException(
          "cannot load the native library "
              + files.library()
              + " through JNA ("
              + e
              + noexec(files.library())
              + "); "
              + NativeFiles.remedy()
              + ", or, on JDK 24 and later, allow native access: --enable-native-access=ALL-UNNAMED",
          e);
    }
  }

  private static void requirePidfd() throws IOException {
    int pidfd = guard_pidfd_open((int) ProcessHandle.current().pid());
    if (pidfd < 0) {
      throw new IOException(
          "this kernel has no usable pidfd (pidfd_open answers "
              + Errno.name(-pidfd)
              + "); Linux 5.4 or later has");
    }
    guard_close(pidfd);
  }

  /** The dynamic loader only says "failed to map segment": the reason is nearly always this. */
  private static String noexec(Path file) {
    Path temp = Path.of(System.getProperty("java.io.tmpdir")).toAbsolutePath();
    return Stream.of(file, temp).anyMatch(Linux::isMountedNoexec)
        ? "; the file system it lies on is mounted noexec"
        : "";
  }

  private static boolean isMountedNoexec(Path file) {
    try (Stream<String> mounts = Files.lines(Path.of("/proc/self/mounts"))) {
      return mounts
          .map(line -> line.split(" ", -1))
          .filter(fields -> fields.length > 3 && file.startsWith(fields[1]))
          .reduce((outer, inner) -> inner[1].length() >= outer[1].length() ? inner : outer)
          .filter(fields -> ("," + fields[3] + ",").contains(",noexec,"))
          .isPresent();
    } catch (IOException e) {
      return false;
    }
  }

  /**
   * Returns where a direct buffer begins. JNA takes buffers too, but asks each for its position at
   * every call, through the interpreter.
   */
  public static long address(ByteBuffer buffer) {
    return Pointer.nativeValue(Native.getDirectBufferPointer(buffer));
  }

  public static native int guard_spawn(byte[] request, byte[] result);

  public static native int guard_clone3();

  public static native int guard_epoll_create();

  public static native int guard_eventfd();

  public static native int guard_epoll_ctl(int epoll, int operation, int fd, int events, long key);

  public static native int guard_epoll_wait(int epoll, long events, int capacity, int millis);

  public static native void guard_await(int epoll, int pidfd, long nanos, long key);

  public static native int guard_reap(int epoll, int pidfd, byte[] exit);

  public static native void guard_abandon(int pidfd);

  public static native int guard_read(int fd, ByteBuffer to, int bytes);

  public static native int guard_read(int fd, byte[] to, int bytes);

  public static native int guard_write(int fd, ByteBuffer from, int bytes);

  public static native int guard_available(int fd);

  public static native int guard_open_log(byte[] file);

  public static native int guard_open(byte[] file, int writable);

  public static native int guard_inotify();

  public static native int guard_inotify_add(int inotify, byte[] file);

  public static native int guard_inotify_remove(int inotify, int watch);

  public static native int guard_close(int fd);

  public static native int guard_pidfd_open(int pid);

  public static native int guard_pidfd_signal(int pidfd, int signal);

  public static native int guard_has_ended(int pidfd);

  public static native int guard_zombie();

  public static native int guard_bury(int pid);

  public static native int guard_forward(int signal);

  public static native void guard_forward_keep(long signals);

  public static native void guard_forward_to(int pidfd, long born);

  public static native void guard_forward_end();

  public static native long guard_forwarded();

  public static native int guard_read_file(long file, long to, int bytes);

  public static native int guard_numbers(long directory, long numbers, int capacity);

  public static native int guard_same_memory(int pid, int other);

  public static native int guard_held_files(long directory, long files, int capacity);

  public static native int guard_terminal_size(int fd);

  public static native int guard_terminal_is_ours(int fd);

  public static native int guard_terminal_at_stop(byte[] text, int length);

  private static native int guard_keep_zombies();
}
