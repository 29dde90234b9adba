package io.memguard.support;

import io.memguard.MemoryGuard;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ExtensionContext.Namespace;
import org.junit.jupiter.api.extension.ExtensionContext.Store;
import org.junit.jupiter.api.extension.ParameterContext;
import org.junit.jupiter.api.extension.ParameterResolver;

/**
 * Hands a test its guard: one for all tests of a class, closed after the last of them, as an
 * application would have it.
 */
public final class WithGuard implements ParameterResolver {
  private static final Namespace NAMESPACE = Namespace.create(WithGuard.class);

  private record Held(MemoryGuard guard) implements AutoCloseable {
    @Override
    public void close() {
      guard.close();
    }
  }

  @Override
  public boolean supportsParameter(ParameterContext parameter, ExtensionContext context) {
    return parameter.getParameter().getType() == MemoryGuard.class;
  }

  @Override
  public Object resolveParameter(ParameterContext parameter, ExtensionContext context) {
    Store ofClass = context.getStore(NAMESPACE);
    ExtensionContext parent = context.getParent().orElse(context);
    Store store = context.getTestMethod().isPresent() ? parent.getStore(NAMESPACE) : ofClass;
    return store
        .getOrComputeIfAbsent(Held.class, key -> new Held(MemoryGuard.create()), Held.class)
        .guard();
  }
}
