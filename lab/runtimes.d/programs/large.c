/* Makes the compiler take much memory. */
#define A(x) x, x, x, x, x, x, x, x, x, x
#define B(x) A(A(A(x)))
int table[] = {B(B(1)), B(B(2)), B(B(3)), B(B(4))};
int main(void) { return table[7]; }
