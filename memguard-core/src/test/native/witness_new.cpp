/*
 * A C++ child that is refused memory by one of the operators new: new, array, nothrow or aligned, and gets the exception or null
 * pointer that it has a right to; or uncaught, and dies of it.
 *
 *   witness-new ACT
 */
#include <sys/resource.h>

#include <cstdio>
#include <cstring>
#include <new>

namespace {

constexpr std::size_t kBig = std::size_t{256} << 20;
volatile std::size_t big = kBig; /* the compiler must not know */

struct alignas(256) Wide {
  char bytes[256];
};

void *allocate(const char *act) {
  if (std::strcmp(act, "array") == 0) return new char[big];
  if (std::strcmp(act, "nothrow") == 0) return new (std::nothrow) char[big];
  if (std::strcmp(act, "aligned") == 0) return new Wide[big / sizeof(Wide)];
  return ::operator new(big);
}

} // namespace

int main(int argc, char **argv) {
  const rlimit limit = {64 << 20, 64 << 20};
  if (argc < 2 || setrlimit(RLIMIT_DATA, &limit) != 0) return 2;
  if (std::strcmp(argv[1], "uncaught") == 0) return allocate(argv[1]) == nullptr;
  try {
    return allocate(argv[1]) == nullptr ? 0 : 1; /* only nothrow may come here */
  } catch (const std::bad_alloc &refused) {
    return std::strcmp(argv[1], "nothrow") == 0;
  }
}
