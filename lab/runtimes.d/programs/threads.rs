// Starts 1000 threads.
fn main() {
    for _ in 0..1000 {
        std::thread::spawn(|| std::thread::park());
    }
}
