package io.memguard.platform;

import com.sun.jna.platform.linux.ErrNo;
import java.lang.reflect.Field;
import java.util.HashMap;
import java.util.Map;

/** Names the kernel's errors. */
public final class Errno {
  public static final int EPERM = ErrNo.EPERM;
  public static final int ENOENT = ErrNo.ENOENT;
  public static final int ESRCH = ErrNo.ESRCH;
  public static final int EINTR = ErrNo.EINTR;
  public static final int E2BIG = ErrNo.E2BIG;
  public static final int EAGAIN = ErrNo.EAGAIN;
  public static final int ENOMEM = ErrNo.ENOMEM;
  public static final int EACCES = ErrNo.EACCES;
  public static final int ENODEV = ErrNo.ENODEV;
  public static final int ENOTDIR = ErrNo.ENOTDIR;
  public static final int EISDIR = ErrNo.EISDIR;
  public static final int EINVAL = ErrNo.EINVAL;
  public static final int EMFILE = ErrNo.EMFILE;
  public static final int ENFILE = ErrNo.ENFILE;
  public static final int EPIPE = ErrNo.EPIPE;
  public static final int ENOSYS = ErrNo.ENOSYS;
  public static final int ELOOP = ErrNo.ELOOP;
  public static final int ENAMETOOLONG = ErrNo.ENAMETOOLONG;
  public static final int ENOEXEC = ErrNo.ENOEXEC;

  private static final Map<Integer, String> NAMES = names();

  private Errno() {}

  /** Returns the name of an errno, for example {@code "ENOENT"}. */
  public static String name(int errno) {
    return NAMES.getOrDefault(errno, "errno " + errno);
  }

  private static Map<Integer, String> names() {
    Map<Integer, String> names = new HashMap<>();
    for (Field field : ErrNo.class.getFields()) {
      try {
        names.putIfAbsent(field.getInt(null), field.getName());
      } catch (IllegalAccessException e) {
        throw new IllegalStateException(
            "the constant ErrNo." + field.getName() + " is not public", e);
      }
    }
    names.put(EAGAIN, "EAGAIN"); // it has EWOULDBLOCK as another name
    return names;
  }
}
