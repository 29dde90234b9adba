package io.memguard.examples.queue;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/** Stands between client and server, and cuts the connection where it is told to. */
final class CuttingProxy implements AutoCloseable {
  /** Where it is cut. */
  enum Cut {
    /** The server never sees the command. */
    BEFORE_THE_COMMAND,
    /** The server does it, and the client never sees the answer. */
    BEFORE_THE_ANSWER
  }

  private record Order(String command, Cut cut) {}

  private final ServerSocket listener = new ServerSocket(0, 16, InetAddress.getLoopbackAddress());
  private final URI server;
  private final AtomicReference<@Nullable Order> order = new AtomicReference<>();
  private final AtomicInteger cuts = new AtomicInteger();
  private final Set<Socket> sockets = ConcurrentHashMap.newKeySet();

  CuttingProxy(URI server) throws IOException {
    this.server = server;
    start(this::accept);
  }

  URI uri() {
    return URI.create("redis://127.0.0.1:" + listener.getLocalPort());
  }

  /** Cuts the connection at the next command of that name. */
  void cutAt(String command, Cut cut) {
    order.set(new Order(command, cut));
  }

  int cuts() {
    return cuts.get();
  }

  private void accept() throws IOException {
    while (true) {
      Socket client = listener.accept();
      Socket behind = new Socket(server.getHost(), server.getPort());
      sockets.add(client);
      sockets.add(behind);
      AtomicReference<Boolean> swallows = new AtomicReference<>(false);
      start(() -> forward(client, behind, swallows));
      start(() -> answer(behind, client, swallows));
    }
  }

  private void forward(Socket client, Socket behind, AtomicReference<Boolean> swallows)
      throws IOException {
    try (client;
        behind) {
      InputStream in = client.getInputStream();
      OutputStream out = behind.getOutputStream();
      byte[] buffer = new byte[1 << 16];
      for (int n = in.read(buffer); n > 0; n = in.read(buffer)) {
        Order now = order.get();
        String text = new String(buffer, 0, n, StandardCharsets.ISO_8859_1);
        if (now != null && text.contains("\r\n" + now.command() + "\r\n")) {
          order.set(null);
          cuts.incrementAndGet();
          if (now.cut() == Cut.BEFORE_THE_COMMAND) {
            return;
          }
          swallows.set(true);
        }
        out.write(buffer, 0, n);
      }
    }
  }

  private static void answer(Socket behind, Socket client, AtomicReference<Boolean> swallows)
      throws IOException {
    try (behind;
        client) {
      InputStream in = behind.getInputStream();
      OutputStream out = client.getOutputStream();
      byte[] buffer = new byte[1 << 16];
      for (int n = in.read(buffer); n > 0 && !swallows.get(); n = in.read(buffer)) {
        out.write(buffer, 0, n);
      }
    }
  }

  private interface Work {
    void run() throws IOException;
  }

  private static void start(Work work) {
    Thread thread =
        new Thread(
            () -> {
              try {
                work.run();
              } catch (IOException e) {
                // closed, by either side
              }
            },
            "cutting-proxy");
    thread.setDaemon(true);
    thread.start();
  }

  @Override
  public void close() throws IOException {
    listener.close();
    for (Socket socket : sockets) {
      socket.close();
    }
  }
}
