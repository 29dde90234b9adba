package io.memguard.platform.procfs;

import io.memguard.platform.Linux;
import io.memguard.platform.OpenFile;
import java.nio.file.Path;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * How much memory the kernel has given out since boot, to whomever and for whatever: the counters
 * {@code pgalloc_*} of {@code /proc/vmstat} ({@code __count_zid_vm_events(PGALLOC, …)} of the
 * kernel's mm/page_alloc.c). They only rise, in containers too, and count huge pages in full. So
 * nobody can have grown by more than they rose by.
 *
 * <p>The file is kept open until {@link #close}, and only its first page is read, where the
 * counters nearly always are: for each read, the kernel adds up all that is in the file, of all
 * CPUs.
 *
 * <p>Not safe to share between threads.
 */
public final class PageAllocations implements AutoCloseable {
  private static final String COUNTER = "\npgalloc_";

  /** In the file it comes after all of them. */
  private static final String AFTER = "\npgfree ";

  private final Optional<OpenFile> open;
  private final ProcFiles files;
  private final byte[] vmstat;

  /** Of this machine. */
  public PageAllocations() {
    this(Path.of("/proc"));
  }

  PageAllocations(Path root) {
    open = OpenFile.open(root.resolve("vmstat"));
    files = new ProcFiles(root, Linux.isLoaded());
    vmstat = files.name("vmstat");
  }

  /**
   * Reads the counters.
   *
   * @return their sum in bytes; empty where the kernel does not tell, as gVisor does not
   */
  public OptionalLong bytes() {
    return open.map(OpenFile::text)
        .filter(page -> page.contains(AFTER))
        .or(() -> files.text(vmstat))
        .map(PageAllocations::sum)
        .orElse(OptionalLong.empty());
  }

  private static OptionalLong sum(String text) {
    long pages = 0;
    boolean any = false;
    for (int at = text.indexOf(COUNTER); at >= 0; at = text.indexOf(COUNTER, at + 1)) {
      int value = text.indexOf(' ', at) + 1;
      int end = text.indexOf('\n', value);
      pages += Long.parseLong(text.substring(value, end < 0 ? text.length() : end));
      any = true;
    }
    return any ? OptionalLong.of(pages * PageSize.BYTES) : OptionalLong.empty();
  }

  @Override
  public void close() {
    open.ifPresent(OpenFile::close);
  }
}
