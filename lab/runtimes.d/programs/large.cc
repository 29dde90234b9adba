// Makes the compiler take much memory.
#include "large.c"
