package io.memguard.platform.procfs;

import io.memguard.platform.Linux;
import java.nio.file.Path;
import java.util.OptionalLong;

/**
 * How much memory the kernel has given out since boot, to whomever and for whatever: the counters
 * {@code pgalloc_*} of {@code /proc/vmstat} ({@code __count_zid_vm_events(PGALLOC, …)} of the
 * kernel's mm/page_alloc.c). They only rise, in containers too, and count huge pages in full. So
 * nobody can have grown by more than they rose by.
 *
 * <p>Not safe to share between threads.
 */
public final class PageAllocations {
  private static final String COUNTER = "\npgalloc_";

  private final ProcFiles files;
  private final byte[] vmstat;

  /** Of this machine. */
  public PageAllocations() {
    this(Path.of("/proc"));
  }

  PageAllocations(Path root) {
    files = new ProcFiles(root, Linux.isLoaded());
    vmstat = files.name("vmstat");
  }

  /**
   * Reads the counters.
   *
   * @return their sum in bytes; empty where the kernel does not tell, as gVisor does not
   */
  public OptionalLong bytes() {
    return files.text(vmstat).map(PageAllocations::sum).orElse(OptionalLong.empty());
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
}
