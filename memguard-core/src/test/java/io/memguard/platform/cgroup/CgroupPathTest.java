package io.memguard.platform.cgroup;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Paths are seen from the root of our cgroup namespace, and may lie outside of it. */
@Tag("engine-independent")
class CgroupPathTest {
  @ParameterizedTest
  @CsvSource(
      textBlock =
          """
          # mounted    , process      , nameless levels, and the names below
          /            , /            , 0:
          /            , /a/b c/d:e   , 0:a/b c/d:e
          /a           , /a           , 0:
          /a           , /a/b         , 0:b
          /../..       , /            , 2:
          /../..       , /x           , 2:x
          /../..       , /../x        , 1:x
          /../..       , /../../x/y   , 0:x/y
          /../../x     , /../../x/y   , 0:y
          """)
  void knowsTheWayDown(String mounted, String process, String way) {
    assertThat(CgroupPath.parse(process).from(CgroupPath.parse(mounted)))
        .map(descent -> descent.nameless() + ":" + String.join("/", descent.names()))
        .contains(way);
  }

  @ParameterizedTest
  @CsvSource({
    "/a,/",
    "/a,/ab",
    "/a/b,/a",
    "/,/..",
    "/..,/../../x",
    "/../x,/x",
    "/x,/../x",
    "/../x,/"
  })
  void knowsThatThereIsNone(String mounted, String process) {
    assertThat(CgroupPath.parse(process).from(CgroupPath.parse(mounted))).isEmpty();
  }

  @ParameterizedTest
  @CsvSource({"/a/b,/a", "/a,/", "/,/..", "/..,/../..", "/../x,/.."})
  void goesUpAsTheKernelWritesIt(String path, String parent) {
    assertThat(CgroupPath.parse(path).parent()).hasToString(parent);
    assertThat(CgroupPath.parse(path)).hasToString(path);
  }
}
