my $n = 1 << 30;
my $held = "x" x $n;
