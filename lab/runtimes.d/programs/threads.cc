// Starts 200 threads and catches nothing.
#include <chrono>
#include <cstdlib>
#include <thread>
#include <vector>

int main() {
  std::vector<std::thread> all;
  for (int i = 0; i < 200; i++) all.emplace_back([] { std::this_thread::sleep_for(std::chrono::hours(1)); });
  std::_Exit(0);
}
