# The battery's peer for Mojolicious: mojolicious.pl server|client
use v5.36;
use Mojolicious::Lite -signatures;
use Mojo::IOLoop;
use Mojo::JSON qw(encode_json);
use Mojo::Server::Daemon;
use Mojo::UserAgent;
use Mojo::Util qw(decode);
use Mojo::WebSocket qw(WS_CONTINUATION WS_PING WS_PONG WS_TEXT);

use constant SUBPROTOCOL => 'battery.wsstream';

$| = 1;
sub say_event (%event) { print encode_json(\%event), "\n" }

# obey echoes and does as it is told, until the connection ends. $stop and $start are called
# around a pause.
sub obey ($tx, $stop, $start) {
  my ($sunk, $ponged);
  $tx->max_websocket_size(4 << 20);
  $tx->on(
    text => sub ($tx, $text) {
      if ($sunk) {
        $tx->send("!sunk " . ($sunk->{n} // 0));
        undef $sunk;
      }
      elsif ($text =~ /^!close (\d+) (.*)/)  { $tx->finish($1, decode 'UTF-8', $2) }
      elsif ($text =~ /^!ping (.*)/)         { $ponged = $1; $tx->send([1, 0, 0, 0, WS_PING, $1]) }
      elsif ($text =~ /^!flood (\d+) (\d+)/) { flood($tx, $1, $2) }
      elsif ($text =~ /^!sink (\d+)/) {
        $sunk = {n => 0};
        $stop->();
        Mojo::IOLoop->timer($1 / 1000 => $start);
      }
      elsif ($text eq '!fragments') {
        my @parts = ("\xe6\xb0", '', "\xb4\xe6", "\xb0\xb4\xe6\xb0\xb4");
        $tx->send([$_ == 3, 0, 0, 0, $_ ? WS_CONTINUATION : WS_TEXT, $parts[$_]]) for 0 .. 3;
      }
      elsif ($text =~ /^!/) { $tx->send('!no') }
      else                  { $tx->send({text => $text}) }
    }
  );
  $tx->on(
    binary => sub ($tx, $bytes) {
      return $tx->send({binary => $bytes}) unless $sunk;
      $tx->send("!lost $sunk->{n}") if unpack('N', $bytes) != $sunk->{n}++;
    }
  );
  $tx->on(
    frame => sub ($tx, $frame) {
      $tx->send("!pong $ponged") if $frame->[4] == WS_PONG;
    }
  );
  $tx->on(
    finish => sub ($tx, $code, $reason = undef) {
      say_event(closed => {code => $code || 1006, reason => $reason // ''});
    }
  );
}

# flood sends the next message when the socket has taken the one before.
sub flood ($tx, $count, $size, $i = 0) {
  return $tx->send('!flooded') if $i == $count;
  $tx->send(
    {binary => pack('N', $i) . "\0" x ($size - 4)} => sub ($tx, @) {
      say_event(sent => $i + 1) if $i < 8 || $i % 8 == 7;
      flood($tx, $count, $size, $i + 1);
    }
  );
}

sub stream ($tx) { Mojo::IOLoop->stream($tx->connection) }

if ($ARGV[0] eq 'server') {
  app->log->level('warn');
  websocket '/' => sub ($c) {
    my $tx = $c->tx;
    $tx->with_protocols(SUBPROTOCOL);
    $tx->with_compression;
    $c->inactivity_timeout(60);
    obey($tx, sub { stream($tx)->stop }, sub { stream($tx)->start });
    $c->rendered(101);
  };
  my $daemon = Mojo::Server::Daemon->new(app => app, listen => ['http://127.0.0.1'], silent => 1);
  $daemon->start;
  say_event(url => "ws://127.0.0.1:@{$daemon->ports}/");
  Mojo::IOLoop->start;
}
else {
  my $ua    = Mojo::UserAgent->new(inactivity_timeout => 60);
  my $input = Mojo::IOLoop::Stream->new(\*STDIN)->timeout(0);
  my $rest  = '';
  $input->on(
    read => sub ($input, $bytes) {
      $rest .= $bytes;
      while ($rest =~ s/^(.*)\n//) {
        my $headers = {'Sec-WebSocket-Extensions' => 'permessage-deflate'};
        $ua->websocket(
          $1 => $headers => [SUBPROTOCOL] => sub ($ua, $tx) {
            return warn $tx->error->{message} unless $tx->is_websocket;
            obey($tx, sub { stream($tx)->stop }, sub { stream($tx)->start });
          }
        );
      }
    }
  );
  Mojo::IOLoop->stream($input);
  Mojo::IOLoop->start;
}
