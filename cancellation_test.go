package wsstream_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/internal/pipes"
	"github.com/wsstream/wsstream/wstest"
	"github.com/wsstream/wsstream/wstest/memnet"
)

// Each test sends this many messages each way, so that there are at least ten thousand Pulls and
// Writes. Under the race detector there are fewer, because pools lose compressors there on purpose.
var perWay = func() int {
	if raceEnabled {
		return 500
	}
	return 5000
}()

// moments makes contexts that end at random moments, and counts those calls that they ended.
type moments struct {
	next  func() (context.Context, context.CancelFunc)
	ended atomic.Int64
}

// do calls f, with a new context each time, until a context does not end it.
func (m *moments) do(f func(ctx context.Context) error) error {
	for {
		ctx, cancel := m.next()
		err := f(ctx)
		cancel()
		if err != errMoment {
			return err
		}
		m.ended.Add(1)
	}
}

// onTheClock ends contexts within most of the bubble's clock.
func onTheClock(t *testing.T, seed uint64, most time.Duration) *moments {
	r := rand.New(rand.NewPCG(seed, 0)) // of one goroutine
	return &moments{next: func() (context.Context, context.CancelFunc) {
		return context.WithTimeoutCause(t.Context(), time.Duration(r.Int64N(int64(most))), errMoment)
	}}
}

// fromAside ends contexts on another goroutine, after some turns of the scheduler.
func fromAside(t *testing.T, seed uint64) *moments {
	r := rand.New(rand.NewPCG(seed, 0))
	cancels := make(chan context.CancelCauseFunc)
	go func() {
		turns := rand.New(rand.NewPCG(seed, 1))
		for cancel := range cancels {
			for range turns.IntN(6) {
				runtime.Gosched()
			}
			cancel(errMoment)
		}
	}()
	t.Cleanup(func() { close(cancels) })
	return &moments{next: func() (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancelCause(t.Context())
		if r.IntN(3) > 0 { // else a call that nothing ends, so that all goes on
			cancels <- cancel
		}
		return ctx, func() { cancel(nil) }
	}}
}

// readNumbered reads the numbered messages in every way that there is.
func readNumbered(r *wsstream.Readable, in *moments) error {
	var buf wsstream.Message
	for i := range perWay {
		err := in.do(func(ctx context.Context) error {
			switch i % 4 {
			case 0:
				if err := r.PullInto(ctx, &buf); err != nil {
					return err
				}
				return same(i, buf)
			case 1:
				return readSome(ctx, r, i)
			}
			m, err := r.Pull(ctx)
			if err != nil {
				return err
			}
			return same(i, m)
		})
		if err != nil {
			return fmt.Errorf("message %d: %w", i, err)
		}
	}
	return nil
}

// readSome reads a message as a stream, as much of it as its context allows, and skips the rest.
func readSome(ctx context.Context, r *wsstream.Readable, i int) error {
	m, err := r.NextMessage(ctx)
	if err != nil {
		return err
	}
	got, err := io.ReadAll(m)
	m.Close()
	want := numbered(i)
	switch {
	case err == errMoment && bytes.HasPrefix(want.Data, got):
		return nil
	case err != nil:
		return err
	}
	return same(i, wsstream.Message{Type: m.Type(), Data: got})
}

// writeNumbered writes the numbered messages in every way that there is.
func writeNumbered(t *testing.T, w *wsstream.Writable, in *moments) error {
	for i := range perWay {
		m := numbered(i)
		err := in.do(func(ctx context.Context) error {
			switch i % 4 {
			case 0:
				ok, err := w.TryWrite(m)
				for ; !ok && err == nil; ok, err = w.TryWrite(m) {
					if err := w.Ready(ctx); err != nil {
						return err
					}
				}
				return err
			case 1:
				return writePieces(t.Context(), w, m, 100)
			}
			return w.Write(ctx, m)
		})
		if err != nil {
			return fmt.Errorf("message %d: %w", i, err)
		}
	}
	return nil
}

func TestCancellationAtAnyMomentLosesNothingToAScriptedPeer(t *testing.T) {
	c := config{ReadWindow: 512, WriteWindow: 512, MaxFrameSize: 100, Limit: 300}
	inBubble(t, c, func(t *testing.T, e *end) {
		e.net.(*memnet.Conn).Drip(90, time.Millisecond)
		e.far.(*memnet.Conn).Drip(90, time.Millisecond)
		e.far.(*memnet.Conn).Chunk(70)
		pulls, writes := onTheClock(t, 1, 6*time.Millisecond), onTheClock(t, 2, 6*time.Millisecond)
		done := make(chan error, 3)
		go func() { done <- readNumbered(e.conn.Readable(), pulls) }()
		go func() { done <- writeNumbered(t, e.conn.Writable(), writes) }()
		go func() { done <- sendNumbered(e.peer) }()
		wantNumbered(t, e.peer)
		for range 3 {
			require.NoError(t, <-done)
		}
		requireEnded(t, pulls, writes)
		e.echo(t)
	})
}

// sendNumbered sends the numbered messages in fragments, with pings between them.
func sendNumbered(p *wstest.Peer) error {
	r := rand.New(rand.NewPCG(3, 0))
	for i := range perWay {
		m := numbered(i)
		first := wstest.Frame{Op: wstest.Op(m.Type)}
		var frames []wstest.Frame
		for f, rest := first, m.Data; !f.Fin; {
			n := r.IntN(len(rest) + 1)
			f.Fin = n == len(rest)
			f.Payload, rest = rest[:n], rest[n:]
			frames = append(frames, f)
			if r.IntN(8) == 0 {
				frames = append(frames, wstest.Ping(fmt.Sprint(i)))
			}
			f = wstest.Frame{Op: wstest.OpContinuation, Fin: f.Fin}
		}
		if err := p.Write(frames...); err != nil {
			return err
		}
	}
	return nil
}

// wantNumbered reads the numbered messages, and the pongs between their frames.
func wantNumbered(t *testing.T, p *wstest.Peer) {
	var m wsstream.Message
	for i := 0; i < perWay; {
		f, err := p.Next()
		require.NoError(t, err)
		switch f.Op {
		case wstest.OpPong:
			continue
		case wstest.OpContinuation:
		default:
			m = wsstream.Message{Type: wsstream.Type(f.Op)}
		}
		m.Data = append(m.Data, f.Payload...)
		if f.Fin {
			require.NoError(t, same(i, m))
			i++
		}
	}
}

// requireEnded says that the contexts have ended calls: else the test has shown nothing.
func requireEnded(t *testing.T, all ...*moments) {
	t.Helper()
	for _, m := range all {
		require.Greater(t, m.ended.Load(), int64(perWay/200)) // few on a busy machine
	}
}

func TestCancellationAtAnyMomentLosesNothingBetweenTwoConns(t *testing.T) {
	for name, o := range map[string]*wsstream.CompressionOptions{
		"plain":                    nil,
		"compressed":               packing.Compression,
		"compressed, own contexts": apart.Compression,
	} {
		t.Run(name, func(t *testing.T) {
			exchangeEverywhere(t,
				config{ReadWindow: 512, WriteWindow: 512, MaxFrameSize: 100, Compression: o})
		})
	}
}

func exchangeEverywhere(t *testing.T, c config) {
	const kernel = 32 << 10
	t.Run("memory", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			near, far := memnet.Pipe(300)
			client, server := conns(t, c, near, far)
			near.Drip(90, time.Millisecond)
			far.Drip(90, time.Millisecond)
			exchange(t, client, server,
				func(seed uint64) *moments { return onTheClock(t, seed, 6*time.Millisecond) })
		})
	})
	t.Run("tcp", func(t *testing.T) {
		near, far := pipes.TCP(t, kernel)
		client, server := conns(t, c, near, far)
		exchange(t, client, server, func(seed uint64) *moments { return fromAside(t, seed) })
	})
	t.Run("tls", func(t *testing.T) {
		near, far := pipes.TLS(t, kernel)
		client, server := conns(t, c, near, far)
		exchange(t, client, server, func(seed uint64) *moments { return fromAside(t, seed) })
	})
}

// exchange sends the numbered messages both ways concurrently, and closes.
func exchange(t *testing.T, a, b *wsstream.Conn, in func(seed uint64) *moments) {
	done := make(chan error, 4)
	var all []*moments
	for i, c := range []*wsstream.Conn{a, b} {
		pulls, writes := in(uint64(2*i)), in(uint64(2*i+1))
		all = append(all, pulls, writes)
		go func() { done <- readNumbered(c.Readable(), pulls) }()
		go func() { done <- writeNumbered(t, c.Writable(), writes) }()
	}
	for range cap(done) {
		require.NoError(t, <-done)
	}
	requireEnded(t, all...)
	require.NoError(t, a.Shutdown(patient(t), wsstream.CloseInfo{Code: 1000, Reason: "done"}))
	info, err := b.Closed().Wait(patient(t))
	require.NoError(t, err)
	require.Equal(t, wsstream.CloseInfo{Code: 1000, Reason: "done"}, info)
}

func TestNewMessageWhoseContextEndedHasSentNothing(t *testing.T) {
	inBubble(t, config{}, func(t *testing.T, e *end) {
		first, err := e.conn.Writable().NewMessage(t.Context(), wsstream.TypeText)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errMoment)
		defer cancel()
		_, err = e.conn.Writable().NewMessage(ctx, wsstream.TypeText)
		require.Equal(t, errMoment, err)
		require.Equal(t, errMoment, e.conn.Writable().Write(ctx, wsstream.Text("no")))
		e.peer.WantIdle("nothing was sent")
		require.NoError(t, first.Close())
		e.peer.Want("the first message alone", wstest.Text(""))
		e.echo(t)
	})
}

func TestPullWhoseContextEndsInAMessageHasConsumedNothing(t *testing.T) {
	next := map[string]func(ctx context.Context, r *wsstream.Readable) (string, error){
		"Pull": func(ctx context.Context, r *wsstream.Readable) (string, error) {
			m, err := r.Pull(ctx)
			return string(m.Data), err
		},
		"NextMessage": func(ctx context.Context, r *wsstream.Readable) (string, error) {
			m, err := r.NextMessage(ctx)
			if err != nil {
				return "", err
			}
			b, err := io.ReadAll(m)
			return string(b), err
		},
		"Handle": func(ctx context.Context, r *wsstream.Readable) (string, error) {
			got := make(chan string, 1)
			err := r.Handle(func(m wsstream.Message) error {
				got <- string(m.Data)
				return nil
			}, nil)
			if err != nil {
				return "", err
			}
			select {
			case text := <-got:
				return text, nil
			case <-ctx.Done():
				return "", context.Cause(ctx)
			}
		},
	}
	for name, next := range next {
		t.Run(name, func(t *testing.T) {
			onEveryPath(t, config{}, func(t *testing.T, e *end) {
				for _, piece := range []string{"h\xc3", "\xa4lf", " an"} {
					f := wstest.Cont([]byte(piece), false)
					if piece[0] == 'h' {
						f.Op = wstest.OpText
					}
					ctx, cancel := withCause(t)
					pulled := goDo(func() (wsstream.Message, error) { return e.conn.Readable().Pull(ctx) })
					e.peer.Send(f, wstest.Ping(piece))
					e.peer.Want("the pull has it", wstest.Pong(piece))
					cancel(errMoment)
					got := <-pulled
					require.Equal(t, errMoment, got.err)
					require.Empty(t, got.msg.Data)
				}
				require.Positive(t, e.conn.Stats().Received.Held, "what it had is held for the next")
				e.peer.Send(wstest.Cont([]byte("d whole"), true))
				got, err := next(patient(t), e.conn.Readable())
				require.NoError(t, err)
				require.Equal(t, "hälf and whole", got)
				until(t, func() bool { return e.conn.Stats().Received.Held == 0 })
			})
		})
	}
}

// TestCancellationBeforeACallFailsItAndChangesNothing: the call fails immediately with the
// cause. It has consumed and sent nothing.
func TestCancellationBeforeACallFailsItAndChangesNothing(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		e.peer.Send(wstest.Text("first"), wstest.Text("second"))
		require.Equal(t, "first", e.pull(t)) // the second is likely to be there by now
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errReason)
		r, w := e.conn.Readable(), e.conn.Writable()
		m := wsstream.Message{Data: []byte("old")}
		for name, call := range map[string]func() error{
			"Opened":         func() error { _, err := e.conn.Opened().Wait(ctx); return err },
			"Closed":         func() error { _, err := e.conn.Closed().Wait(ctx); return err },
			"Pull":           func() error { _, err := r.Pull(ctx); return err },
			"PullInto":       func() error { return r.PullInto(ctx, &m) },
			"NextMessage":    func() error { _, err := r.NextMessage(ctx); return err },
			"Write":          func() error { return w.Write(ctx, wsstream.Text("x")) },
			"Ready":          func() error { return w.Ready(ctx) },
			"Flush":          func() error { return w.Flush(ctx) },
			"NewMessage":     func() error { _, err := w.NewMessage(ctx, wsstream.TypeText); return err },
			"Writable.Close": func() error { return w.Close(ctx) },
		} {
			require.Equal(t, errReason, call(), name)
		}
		for range 3 {
			told := 0
			for _, err := range r.All(ctx) {
				require.Equal(t, errReason, err)
				told++
			}
			for _, err := range r.Messages(ctx) {
				require.Equal(t, errReason, err)
				told++
			}
			require.Equal(t, 2, told, "each loop yields the error, once")
		}
		require.Empty(t, m.Data)
		require.Equal(t, "second", e.pull(t))
		require.NoError(t, w.Write(patient(t), wsstream.Text("after")))
		e.peer.Want("nothing was sent before", wstest.Text("after"))
	})
}

func TestCancellationBeforeACallFailsItAfterTheEndToo(t *testing.T) {
	onEveryPath(t, config{}, func(t *testing.T, e *end) {
		e.conn.CloseNow()
		_, err := e.closed(t)
		require.Error(t, err)
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errReason)
		_, err = e.conn.Closed().Wait(ctx)
		require.Equal(t, errReason, err)
		_, err = e.conn.Readable().Pull(ctx)
		require.Equal(t, errReason, err)
		require.Equal(t, errReason, e.conn.Writable().Write(ctx, wsstream.Text("x")))
	})
}

// TestCancellationOfACallEndsThatCallOnly: the call returns the cause. The connection goes on,
// and closes cleanly.
func TestCancellationOfACallEndsThatCallOnly(t *testing.T) {
	calls := map[string]func(context.Context, *end) error{
		"Pull": func(ctx context.Context, e *end) error {
			_, err := e.conn.Readable().Pull(ctx)
			return err
		},
		"Write": func(ctx context.Context, e *end) error {
			return e.conn.Writable().Write(ctx, wsstream.Text("x"))
		},
		"Wait": func(ctx context.Context, e *end) error {
			_, err := e.conn.Closed().Wait(ctx)
			return err
		},
	}
	for what, call := range calls {
		for _, when := range []string{"before", "meanwhile"} {
			t.Run(what+"/"+when, func(t *testing.T) {
				onEveryPath(t, config{WriteWindow: 256, Limit: 64 << 10}, func(t *testing.T, e *end) {
					size := e.stuff(t, true)
					ctx, cancel := context.WithCancelCause(t.Context())
					if when == "before" {
						cancel(errWhy)
					}
					got := goErr(func() error { return call(ctx, e) })
					e.quiet()
					cancel(errWhy)
					require.Equal(t, errWhy, (<-got).err)

					require.Equal(t, size, e.wantData(t)) // and nothing of the Write
					e.peer.Send(wstest.Text("hello"))
					require.Equal(t, "hello", e.pull(t))
					require.NoError(t, e.conn.Writable().Write(patient(t), wsstream.Text("here")))
					e.peer.Want("the next message", wstest.Text("here"))
					e.peer.Send(wstest.Close(3001, "bye"))
					e.wantClose(t, wstest.Close(3001, ""))
					e.drop(t)
					info, err := e.closed(t)
					require.NoError(t, err)
					require.Equal(t, 3001, info.Code)
				})
			})
		}
	}
}

func TestPullWhoseContextEndedLetsTheBackgroundReaderGoOn(t *testing.T) {
	inBubble(t, config{}, func(t *testing.T, e *end) {
		for i := range 300 {
			<-time.After(time.Second) // the input is read in the background
			ctx, cancel := context.WithCancelCause(t.Context())
			pull := goDo(func() (wsstream.Message, error) { return e.conn.Readable().Pull(ctx) })
			for range i % 10 {
				runtime.Gosched()
			}
			cancel(errWhy)
			require.Equal(t, errWhy, (<-pull).err)
			e.peer.Send(wstest.Ping("is it read?"))
			e.peer.Want("an answer", wstest.Pong("is it read?"))
		}
	})
}
