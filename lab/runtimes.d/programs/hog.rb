held = []
1024.times { held << "x" * (1 << 20) }
