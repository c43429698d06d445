# server.pl ADDRESS PORT FILE: see app_languages.py. A process for each connection.
use strict;
use warnings;
use Digest::SHA;
use IO::Socket::IP;

my ($address, $port, $file) = @ARGV;
$SIG{CHLD} = 'IGNORE';
my $listener = IO::Socket::IP->new(LocalHost => $address, LocalPort => $port,
	Listen => 20, ReuseAddr => 1) or die $@;
while (1) {
	my $s = $listener->accept or next;
	if (fork) {
		close $s;
		next;
	}
	close $listener;
	answer($s);
	exit 0;
}

sub answer {
	my ($s) = @_;
	my ($method) = split ' ', scalar <$s>;
	my $length = 0;
	while (defined(my $line = <$s>)) {
		last if $line =~ /^\r?\n$/;
		$length = $1 if $line =~ /^content-length: *(\d+)/i;
		print $s "HTTP/1.1 100 Continue\r\n\r\n" if $line =~ /^expect: *100-continue/i;
		$s->flush;
	}
	my $body;
	if ($method eq 'GET') {
		open my $f, '<:raw', $file or die $!;
		local $/;
		$body = <$f>;
	} else {
		read $s, my $sent, $length;
		$body = Digest::SHA::sha256_hex($sent);
	}
	print $s "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ", length $body,
		"\r\n\r\n", $body;
	close $s;
}
