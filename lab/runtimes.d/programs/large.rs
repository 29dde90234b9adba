// Makes the compiler take much memory.
static TABLE: [u64; 1 << 24] = { let mut t = [0u64; 1 << 24]; t[1] = 2; t };
fn main() { println!("{}", TABLE[std::env::args().count()]); }
