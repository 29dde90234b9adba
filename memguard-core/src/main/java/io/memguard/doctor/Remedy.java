package io.memguard.doctor;

/**
 * Something that can be done about it.
 *
 * @param who who can do it
 * @param what what exactly is to be done, for people
 * @param then what the verdict is when this alone was done; the same as before for what helps
 *     without changing it
 */
public record Remedy(Who who, String what, Verdict then) {

  /** Who can do something; the nearest first. */
  public enum Who {
    /** The application that starts the children, or its command line. */
    APPLICATION("application"),
    /** Whoever writes the unit's file, or starts it. */
    UNIT("systemd unit"),
    /** Whoever writes the pod's manifest. */
    POD_SPEC("pod spec"),
    /** Whoever starts the container. */
    CONTAINER("container"),
    /** Whoever administers the machine. */
    NODE_ADMIN("node admin");

    private final String label;

    Who(String label) {
      this.label = label;
    }

    /**
     * Returns the name as the command line and its JSON write it.
     *
     * @return for example {@code "pod spec"}
     */
    public String label() {
      return label;
    }
  }
}
