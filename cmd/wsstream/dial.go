package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/spf13/cobra"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/stream"
)

// A dialer is a run of wsstream dial.
type dialer struct {
	*console
	url   string
	flags dialFlags

	binary       bool
	noClose      bool
	linger       time.Duration
	count        int64
	closeCode    int
	reconnect    bool
	reconnectMax time.Duration
	stats        bool
	record       string
	replay       string
	fast         bool
	control      bool

	in       stream.Readable[wsstream.Message] // what is sent
	closing  atomic.Bool                       // all was sent, or cannot be: no connection follows
	received int64                             // messages, of all connections
	last     atomic.Int64                      // the time of the last of them, in Unix nanoseconds
	notices  chan string                       // control frames that are shown next
	recorder *recorder                         // nil without --record
	prompt   *prompt                           // nil unless a user is at a terminal
}

func newDial(c *console) *cobra.Command {
	d := &dialer{console: c, notices: make(chan string, 64)}
	cmd := &cobra.Command{
		Use:   "dial URL",
		Short: "Connect standard input and output to a WebSocket server",
		Long: `Dial connects standard input and output to a WebSocket server.

Each line of standard input is sent as a text message, and each message that comes is written as a
line. With --binary each piece that is read is sent as a binary message, and messages are written
as they are. Neither side is read faster than the other side takes it.

At the end of standard input dial waits until no answer has come for a second, and closes the
connection. See --linger, --count and --no-close. At a terminal dial is a prompt with history.`,
		Example: `  wsstream dial wss://example.org/feed | slow-program
  tar c folder | wsstream dial --binary wss://example.org/upload
  wsstream dial --show-control --ping 20s ws://localhost:8080`,
		Args: exactArgs("URL"),
		RunE: func(_ *cobra.Command, args []string) error {
			d.url = args[0]
			return d.run()
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.BoolVar(&d.binary, "binary", false, "binary messages and raw bytes, in place of lines")
	fs.DurationVar(&d.linger, "linger", time.Second,
		"after the end of standard input, close when nothing has come for this `duration`")
	fs.BoolVar(&d.noClose, "no-close", false, "do not close at the end of standard input")
	fs.Int64Var(&d.count, "count", 0, "close after this `number` of messages has come, and not before")
	fs.IntVar(&d.closeCode, "close-code", 1000, "the `code` to close with")
	fs.BoolVar(&d.reconnect, "reconnect", false, "connect again when the connection is lost")
	fs.DurationVar(&d.reconnectMax, "reconnect-max", 30*time.Second,
		"the longest `duration` between two attempts")
	fs.BoolVar(&d.stats, "stats", false,
		"show the rates, what is held, stalls and the round trip, each second")
	fs.StringVar(&d.record, "record", "", "write all messages, with their times, to this `file`")
	fs.StringVar(&d.replay, "replay", "",
		"send the client's messages of a recorded `file` at the recorded times")
	fs.BoolVar(&d.fast, "fast", false, "replay as fast as the server takes it")
	fs.BoolVar(&d.control, "show-control", false, "show pings, pongs and the close")
	d.flags.add(fs)
	d.flags.stream.add(fs)
	return cmd
}

// run connects, again if need be, and returns why it has ended.
func (d *dialer) run() error {
	o, err := d.prepare()
	if err != nil {
		return err
	}
	defer d.prompt.close()
	defer d.recorder.close()
	wait := backoff.NewExponentialBackOff() // with jitter
	wait.MaxInterval = d.reconnectMax
	for {
		conn, err := connect(d.stop, d.url, o)
		if err == nil {
			wait.Reset()
			err = d.session(conn)
		}
		if !d.again(err) {
			return err
		}
		pause := wait.NextBackOff().Round(time.Millisecond)
		d.note("%v; connecting again in %v", oneLine(err), pause)
		select {
		case <-time.After(pause):
		case <-d.stop.soft.Done():
			return errCut
		}
	}
}

// prepare checks the flags and opens what they name.
func (d *dialer) prepare() (*wsstream.DialOptions, error) {
	switch {
	case !sendable(d.closeCode):
		return nil, usageError{fmt.Errorf(
			"bad --close-code %d: want 1000 to 1003, 1007 to 1014 or 3000 to 4999", d.closeCode)}
	case d.count < 0:
		return nil, usageError{fmt.Errorf(
			"bad --count %d: want none, or a number of messages", d.count)}
	case d.fast && d.replay == "":
		return nil, usageError{errors.New("--fast needs --replay")}
	case d.record != "" && sameFile(d.record, d.replay):
		return nil, usageError{errors.New("--record would empty the file of --replay")}
	}
	o, err := d.flags.options(d.url)
	if err != nil {
		return nil, err
	}
	if d.control {
		o.OnPing = func(payload []byte) { d.notice(fmt.Sprintf("ping %q", payload)) }
		o.OnPong = func(payload []byte) { d.notice(fmt.Sprintf("pong %q", payload)) }
	}
	if d.record != "" {
		if d.recorder, err = newRecorder(d.record); err != nil {
			return nil, err
		}
	}
	src, err := d.source()
	if err != nil {
		return nil, err
	}
	// The goroutine of the Stage may wait for standard input for ever. It holds one message, which
	// is sent on the next connection if this one is lost.
	d.in = stream.Stage(src, stream.Count(0), func(
		ctx context.Context, src stream.Readable[wsstream.Message],
		dst stream.Writable[wsstream.Message],
	) error {
		return stream.Pipe(ctx, dst, src, nil)
	})
	return o, nil
}

// source returns what is sent.
func (d *dialer) source() (stream.Readable[wsstream.Message], error) {
	if d.replay != "" {
		return replay(d.replay, d.fast)
	}
	if in, out, ok := terminals(d.stdin, d.stdout); ok && !d.binary {
		d.prompt = newPrompt(in, out, d.stop.press)
		return stream.FromSeq2(d.prompt.lines), nil
	}
	bytes := stream.FromReader(struct{ io.Reader }{d.stdin}, 0) // never closed
	if d.binary {
		return stream.Map(bytes, func(b []byte) (wsstream.Message, error) {
			return wsstream.Binary(b), nil
		}), nil
	}
	return textLines(bytes, d.flags.stream.maxMessage), nil
}

// again reports whether a connection that ended with err is made anew.
func (d *dialer) again(err error) bool {
	if !d.reconnect || d.stop.soft.Err() != nil || d.closing.Load() {
		return false
	}
	switch statusOf(err) {
	case statusLost:
		return true
	case statusCode: // the server stops, failed, restarts, is busy, or is a bad gateway
		return slices.Contains([]int{1001, 1011, 1012, 1013, 1014}, wsstream.CloseCode(err))
	case statusNoConn:
		refused, _ := errors.AsType[*wsstream.HandshakeError](err)
		return refused.Status < 400 || refused.Status >= 500 ||
			slices.Contains([]int{408, 425, 429}, refused.Status)
	default:
		return false
	}
}

// sendable reports whether a Close frame may have the code. See wsstream.CloseInfo.
func sendable(code int) bool {
	return 1000 <= code && code <= 1003 || 1007 <= code && code <= 1014 ||
		3000 <= code && code <= 4999
}

// note tells the user something that is not part of the output.
func (d *dialer) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if d.prompt != nil {
		d.prompt.note(text)
		return
	}
	_, _ = fmt.Fprintln(d.stderr, "wsstream:", text)
}
