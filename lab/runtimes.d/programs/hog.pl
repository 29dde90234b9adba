my @held;
for my $i (1 .. 1024) { push @held, "x" x (1 << 20); }
