/*
 * A C++ program that does hardly anything but new and delete: nodes of a few sizes, strings, a vector that grows.
 *
 *   new-heavy ROUNDS
 */
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

int main(int argc, char **argv) {
  constexpr std::size_t kLive = 4096;
  std::vector<std::unique_ptr<std::string>> live(kLive);
  std::uint64_t random = 88172645463325252ULL;
  const unsigned long rounds = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 3000000;
  for (unsigned long i = 0; i < rounds; i++) {
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    live[random % kLive] = std::make_unique<std::string>((random >> 32) % 100, 'x');
  }
  return live[0] == nullptr ? 1 : 0;
}
