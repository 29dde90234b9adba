package io.memguard.platform.kernellog;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The form is the kernel's Documentation/ABI/testing/dev-kmsg. */
@Tag("engine-independent")
class LogRecordTest {
  @Test
  void readsPrefixTextAndLeavesOutWhatFollows() {
    LogRecord record =
        LogRecord.parse(
                "7,160,424069,-;pci_root PNP0A03:00: host\\x5cbridge\n SUBSYSTEM=acpi\n DEVICE=+acpi:PNP0A03:00\n")
            .orElseThrow();

    assertThat(record)
        .isEqualTo(new LogRecord(0, 160, 424_069, "pci_root PNP0A03:00: host\\bridge"));
    assertThat(record.isFromKernel()).isTrue();
  }

  @Test
  void newerKernelsHaveMoreFields() {
    assertThat(LogRecord.parse("6,339,5140900,c,caller=T1;text; more").orElseThrow().text())
        .isEqualTo("text; more");
  }

  @Test
  void whatAnybodyWroteIntoTheLogIsNotTheKernels() {
    LogRecord record =
        LogRecord.parse("12,400,99,-;Out of memory: Killed process 1 (x)").orElseThrow();

    assertThat(record.facility()).isEqualTo(1);
    assertThat(record.isFromKernel()).isFalse();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "text",
        "6,1;text",
        "x,1,2,-;text",
        " SUBSYSTEM=acpi",
        "6,99999999999999999999,1,-;text"
      })
  void otherThingsAreNoRecords(String text) {
    assertThat(LogRecord.parse(text)).isEmpty();
  }
}
