held = []
5_000_000.times { |i| held << [i] }
