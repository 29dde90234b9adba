import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

/** Takes memory of the kind that is named. */
public class Hog {
  private static Object[] last;

  public static void main(String[] args) throws Exception {
    List<Object> held = new ArrayList<>();
    switch (args[0]) {
      case "heap" -> {
        // Smaller than half a region of G1, which would give each two regions of its own.
        for (int i = 0; i < 2400; i++) held.add(new byte[1 << 18]);
      }
      case "large" -> held.add(new byte[600 << 20]);
      case "objects" -> {
        for (int i = 0; i < 20_000_000; i++) held.add(new int[] {i});
      }
      case "full" -> {
        while (true) last = new Object[] {last}; // nothing is left to say it with
      }
      case "direct" -> {
        for (int i = 0; i < 900; i++) held.add(ByteBuffer.allocateDirect(1 << 20));
      }
      case "threads" -> {
        for (int i = 0; i < 500; i++) {
          Thread thread = new Thread(() -> {
            try {
              Thread.sleep(Long.MAX_VALUE);
            } catch (InterruptedException e) {
              throw new IllegalStateException(e);
            }
          });
          thread.setDaemon(true);
          thread.start();
        }
      }
      case "classes" -> {
        byte[] code;
        try (var in = Hog.class.getResourceAsStream("Hog.class")) {
          code = in.readAllBytes();
        }
        for (int i = 0; i < 100_000; i++) held.add(new Loader().define(code));
      }
      default -> {}
    }
  }

  private static class Loader extends ClassLoader {
    Class<?> define(byte[] code) {
      return defineClass("Hog", code, 0, code.length);
    }
  }
}
