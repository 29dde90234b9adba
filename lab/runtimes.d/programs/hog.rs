// Takes a GiB.
fn main() {
    let mut all: Vec<Vec<u8>> = Vec::new();
    for _ in 0..1024 {
        all.push(vec![1u8; 1 << 20]);
    }
    println!("{}", all.len());
}
