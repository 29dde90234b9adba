package io.memguard.platform.procfs;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Whatever anybody is given is counted, once it was given. */
@Tag("engine-independent")
final class PageAllocationsTest {
  private static final int MIB = 1 << 20;

  @TempDir private Path root;

  @Test
  void whatIsWrittenToIsCounted() {
    PageAllocations allocations = new PageAllocations();
    long before = allocations.bytes().orElseThrow();
    ByteBuffer memory = ByteBuffer.allocateDirect(64 * MIB); // it is zeroed, so it is written to
    long after = allocations.bytes().orElseThrow();
    assertThat(after - before).isGreaterThanOrEqualTo(memory.capacity());
  }

  @Test
  void everyZoneCounts() throws Exception {
    Files.writeString(
        root.resolve("vmstat"),
        "nr_free_pages 7\npgalloc_dma 1\npgalloc_normal 20\npgalloc_movable 300\npgfree 5\n");
    assertThat(new PageAllocations(root).bytes()).hasValue(321 * PageSize.BYTES);
  }

  /** One read gives a page. */
  @Test
  void alsoWhereTheyAreNotOnTheFirstPage() throws Exception {
    String before = "nr_more 7\n".repeat(409); // the second counter is cut
    Files.writeString(
        root.resolve("vmstat"), before + "pgalloc_dma 1\npgalloc_normal 20\npgfree 5\n");
    assertThat(new PageAllocations(root).bytes()).hasValue(21 * PageSize.BYTES);
  }

  /** The file is kept open. */
  @Test
  void whatChangesIsReadAgain() throws Exception {
    Path vmstat = Files.writeString(root.resolve("vmstat"), "nr_free 7\npgalloc_dma 1\npgfree 5\n");
    try (PageAllocations allocations = new PageAllocations(root)) {
      assertThat(allocations.bytes()).hasValue(PageSize.BYTES);
      Files.writeString(vmstat, "nr_free 7\npgalloc_dma 3\npgfree 5\n");
      assertThat(allocations.bytes()).hasValue(3 * PageSize.BYTES);
    }
  }

  @Test
  void whereTheKernelDoesNotTellItIsUnknown() throws Exception {
    assertThat(new PageAllocations(root).bytes()).isEmpty();
    Files.writeString(root.resolve("vmstat"), "nr_free_pages 7\n");
    assertThat(new PageAllocations(root).bytes()).isEmpty();
  }
}
