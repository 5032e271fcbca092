<?php
// The battery's peer for PHP: a server over PHP's stream sockets, as many programs in PHP have it.
// Each connection has a process of its own, and blocks.

const SUBPROTOCOL = 'battery.wsstream';
const TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10;

function say(array $event): void
{
    fwrite(STDOUT, json_encode($event, JSON_UNESCAPED_UNICODE) . "\n");
}

class Closed extends Exception
{
}

class Connection
{
    public int $code = 1006;
    public string $reason = '';

    public function __construct(private $stream)
    {
        stream_set_write_buffer($stream, 0);
    }

    public function open(): void
    {
        $request = '';
        while (!str_contains($request, "\r\n\r\n")) {
            $request .= $this->bytes(1);
        }
        preg_match('/^Sec-WebSocket-Key: *(\S+)/mi', $request, $key);
        preg_match('/^Sec-WebSocket-Protocol: *(.*?)\r$/mi', $request, $offered);
        $accept = base64_encode(sha1($key[1] . '258EAFA5-E914-47DA-95CA-C5AB0DC85B11', true));
        $answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            . "Sec-WebSocket-Accept: $accept\r\n";
        if (in_array(SUBPROTOCOL, array_map('trim', explode(',', $offered[1] ?? '')))) {
            $answer .= 'Sec-WebSocket-Protocol: ' . SUBPROTOCOL . "\r\n";
        }
        $this->write("$answer\r\n");
    }

    private function bytes(int $n): string
    {
        $data = '';
        while (strlen($data) < $n) {
            $more = fread($this->stream, $n - strlen($data));
            if ($more === false || $more === '') {
                throw new Closed('the connection was cut');
            }
            $data .= $more;
        }
        return $data;
    }

    private function write(string $data): void
    {
        while ($data !== '') {
            $n = @fwrite($this->stream, $data);
            if (!$n) {
                throw new Closed('the connection was cut');
            }
            $data = substr($data, $n);
        }
    }

    /** Returns [fin, opcode, data] of the next frame. */
    private function frame(): array
    {
        [$first, $second] = array_values(unpack('C2', $this->bytes(2)));
        $length = $second & 127;
        if ($length === 126) {
            $length = unpack('n', $this->bytes(2))[1];
        } elseif ($length === 127) {
            $length = unpack('J', $this->bytes(8))[1];
        }
        if ($length > 4 << 20) {
            throw new Closed('the frame is too large');
        }
        $mask = $this->bytes(4);
        $data = $length > 0 ? $this->bytes($length) : '';
        return [$first >> 7, $first & 15, $data ^ str_pad('', $length, $mask)];
    }

    public function send(int $opcode, string $data, bool $fin = true): void
    {
        $n = strlen($data);
        $head = chr(($fin ? 128 : 0) | $opcode);
        if ($n < 126) {
            $head .= chr($n);
        } elseif ($n < 1 << 16) {
            $head .= pack('Cn', 126, $n);
        } else {
            $head .= pack('CJ', 127, $n);
        }
        $this->write($head . $data);
    }

    /** Returns [opcode, data] of the next message, or of the pong that is awaited. */
    public function next(bool $pong = false): array
    {
        $opcode = 0;
        $message = '';
        while (true) {
            [$fin, $frame, $data] = $this->frame();
            if ($frame === PING) {
                $this->send(PONG, $data);
            } elseif ($frame === PONG && $pong) {
                return [PONG, $data];
            } elseif ($frame === CLOSE) {
                $this->code = strlen($data) >= 2 ? unpack('n', $data)[1] : 1005;
                $this->reason = substr($data, 2);
                $this->send(CLOSE, $data);
                throw new Closed('the peer has closed');
            } elseif ($frame < CLOSE) {
                $opcode = $frame ?: $opcode;
                $message .= $data;
                if ($fin) {
                    return [$opcode, $message];
                }
            }
        }
    }

    /** Echoes and does as it is told, until the connection ends. */
    public function obey(): void
    {
        while (true) {
            [$opcode, $data] = $this->next();
            if ($opcode === TEXT && str_starts_with($data, '!')) {
                $this->order(explode(' ', substr($data, 1), 3));
            } else {
                $this->send($opcode, $data);
            }
        }
    }

    private function order(array $args): void
    {
        switch ($args[0]) {
            case 'close':
                $this->send(CLOSE, pack('n', $args[1]) . $args[2]);
                break;
            case 'ping':
                $this->send(PING, $args[1]);
                [, $data] = $this->next(pong: true);
                $this->send(TEXT, "!pong $data");
                break;
            case 'fragments':
                $this->send(TEXT, "\xe6\xb0", false);
                $this->send(0, '', false);
                $this->send(0, "\xb4\xe6", false);
                $this->send(0, "\xb0\xb4\xe6\xb0\xb4");
                break;
            case 'flood':
                for ($i = 0; $i < $args[1]; $i++) {
                    $this->send(BINARY, str_pad(pack('N', $i), $args[2], "\0"));
                    if ($i < 8 || $i % 8 === 7) {
                        say(['sent' => $i + 1]);
                    }
                }
                $this->send(TEXT, '!flooded');
                break;
            case 'sink':
                usleep($args[1] * 1000);
                for ($n = 0; ; $n++) {
                    [$opcode, $data] = $this->next();
                    if ($opcode === TEXT) {
                        $this->send(TEXT, "!sunk $n");
                        break;
                    }
                    if (unpack('N', $data)[1] !== $n) {
                        $this->send(TEXT, "!lost $n");
                        break;
                    }
                }
                break;
            default:
                $this->send(TEXT, '!no');
        }
    }
}

$server = stream_socket_server('tcp://127.0.0.1:0');
say(['url' => 'ws://' . stream_socket_get_name($server, false) . '/']);
pcntl_signal(SIGCHLD, SIG_IGN);
while (true) {
    $stream = @stream_socket_accept($server, -1);
    if ($stream === false || pcntl_fork() > 0) {
        continue;
    }
    $connection = new Connection($stream);
    try {
        $connection->open();
        $connection->obey();
    } catch (Closed $e) {
        fwrite(STDERR, $e->getMessage() . "\n");
    }
    say(['closed' => ['code' => $connection->code, 'reason' => $connection->reason]]);
    exit;
}
