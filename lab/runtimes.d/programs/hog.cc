// Takes a GiB and catches nothing.
#include <vector>

int main() {
  std::vector<std::vector<char>> all;
  for (int i = 0; i < 1024; i++) all.emplace_back(1 << 20, 'x');
}
