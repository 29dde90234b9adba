/* Makes the compiler take much memory: two million numbers. */
#define A(...) __VA_ARGS__, __VA_ARGS__, __VA_ARGS__, __VA_ARGS__, __VA_ARGS__, __VA_ARGS__, __VA_ARGS__, __VA_ARGS__, __VA_ARGS__, __VA_ARGS__
#define B(...) A(A(A(__VA_ARGS__)))
int table[] = {B(B(1)), B(B(2))};
int main(void) { return table[7]; }
