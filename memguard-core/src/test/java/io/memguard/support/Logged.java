package io.memguard.support;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.AppenderBase;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;
import org.slf4j.LoggerFactory;

/** Everything that a logger and those below it are given while this is open. */
public final class Logged extends AppenderBase<ILoggingEvent> implements AutoCloseable {
  private final Logger logger;
  private final Level before;
  private final Consumer<ILoggingEvent> first;
  private final List<ILoggingEvent> events = new CopyOnWriteArrayList<>();

  private Logged(Logger logger, LoggerContext context, Consumer<ILoggingEvent> first) {
    this.logger = logger;
    this.first = first;
    this.before = logger.getLevel();
    setContext(context);
  }

  /** Begins to listen, at all levels. */
  public static Logged by(String name) {
    return by(name, event -> {});
  }

  /** Begins to listen, at all levels, and does something first with each event. */
  public static Logged by(String name, Consumer<ILoggingEvent> first) {
    LoggerContext context = (LoggerContext) LoggerFactory.getILoggerFactory();
    Logged logged = new Logged(context.getLogger(name), context, first);
    logged.start();
    logged.logger.setLevel(Level.DEBUG);
    logged.logger.addAppender(logged);
    return logged;
  }

  @Override
  protected void append(ILoggingEvent event) {
    first.accept(event);
    event.prepareForDeferredProcessing(); // the MDC is that of now
    events.add(event);
  }

  /** What there was of one child. */
  public List<ILoggingEvent> of(long pid) {
    return events.stream()
        .filter(event -> Long.toString(pid).equals(event.getMDCPropertyMap().get("memguard.pid")))
        .toList();
  }

  /** All of it. */
  public List<ILoggingEvent> all() {
    return events;
  }

  /** The only line of a child, when it is there. */
  public ILoggingEvent awaitLineOf(long pid) {
    Eventually.await("the end of " + pid + " is logged", () -> !of(pid).isEmpty());
    return of(pid).get(0);
  }

  @Override
  public void close() {
    logger.detachAppender(this);
    logger.setLevel(before);
    stop();
  }
}
