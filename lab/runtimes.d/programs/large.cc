// Makes the compiler take much memory.
template <int N> struct Tree { Tree<N - 1> left; Tree<N - 1> right; static constexpr int size() { return Tree<N - 1>::size() + N; } };
template <> struct Tree<0> { char leaf; static constexpr int size() { return 0; } };
constexpr int table[] = {[0 ... 20000000] = 1};
int main() { return table[7] + Tree<20>::size(); }
