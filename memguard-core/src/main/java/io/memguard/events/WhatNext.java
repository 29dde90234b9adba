package io.memguard.events;

import java.util.Locale;

/** Says what memguard does after a child has ended, or could not be started. */
public enum WhatNext {
  /** Nothing: it is the caller's matter. */
  NOTHING,
  /** It is tried again, or the task that it had is, by a {@code RetryPolicy}. */
  RETRY,
  /**
   * A {@code RetryPolicy} was asked and does not try again: no attempts are left, or none would
   * help. A success is {@link #NOTHING}.
   */
  GIVE_UP,
  /** The task that it had, a worker of a pool, is set aside. */
  QUARANTINE,
  /** It was a worker of a pool, and another one is started when one is needed. */
  REPLACE;

  /**
   * Returns the name in kebab-case, as logs, recordings and meters have it.
   *
   * @return for example {@code "give-up"}
   */
  public String label() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }
}
