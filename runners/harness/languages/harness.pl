# Runs the program; only where it comes to its end, neither dying nor exiting, is the ticket handed in.
my $program = shift @ARGV;
$0 = $program;
package main;
die "$program cannot be read\n" if !-r $program;
do $program;
die $@ if $@;
{
    local $/;
    open(my $from, '<', '/tmp/ticket') or exit 96;
    open(my $to, '>', '/tmp/handed-in') or exit 96;
    print {$to} scalar <$from>;
    close $to;
}
