# A worker of memguard's WorkerPool, in Perl, for the lab: works, or takes memory without end, at once or bit by bit.
use strict;
use warnings;
binmode STDIN;
open my $answers, '>&', \*STDOUT or die "stdout: $!";
binmode $answers;
open STDOUT, '>&', \*STDERR or die "stderr: $!";

sub say_frame {
    my ($type, $task, $payload) = @_;
    syswrite $answers, pack('N a Q> a*', 9 + length $payload, $type, $task, $payload) or die "answer: $!";
}

say_frame('H', 1, '');
while (read(STDIN, my $head, 13) == 13) {
    my ($length, $type, $task) = unpack 'N a Q>', $head;
    read STDIN, my $word, $length - 9;
    my ($all, $bit, @held) = (2_000_000_000, 1_000_000); # as numbers, perl would make the texts when it compiles this
    if ($word eq 'huge') { push @held, 'x' x $all; }
    while ($word eq 'grow') { push @held, 'x' x $bit; }
    my $sum = 0;
    $sum = ($sum * 31 + ord) % 65521 for split //, $word x 200;
    say_frame('R', $task, $sum);
}
