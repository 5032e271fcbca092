package wire

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"
)

// A deaf transport's Read and Write end with its Close alone, as those of a tls.Conn may whose peer
// asks for a KeyUpdate and does not read.
type deaf struct {
	net.Conn // nil: what is not below is not called
	shut     sync.Once
	closed   chan struct{}
	grave    chan struct{} // Close and CloseWrite return when it is closed; nil: they do not wait
	input    chan []byte
}

func newDeaf(grave chan struct{}) *deaf {
	return &deaf{closed: make(chan struct{}), grave: grave, input: make(chan []byte, 10)}
}

func (d *deaf) Read(p []byte) (int, error) {
	select {
	case b := <-d.input:
		return copy(p, b), nil
	case <-d.closed:
		return 0, net.ErrClosed
	}
}

func (d *deaf) Write([]byte) (int, error) {
	<-d.closed
	return 0, net.ErrClosed
}

func (d *deaf) Close() error {
	d.shut.Do(func() { close(d.closed) })
	return d.CloseWrite()
}

func (d *deaf) CloseWrite() error {
	if d.grave != nil {
		<-d.grave
	}
	return nil
}

func (d *deaf) SetDeadline(time.Time) error      { return nil }
func (d *deaf) SetReadDeadline(time.Time) error  { return nil }
func (d *deaf) SetWriteDeadline(time.Time) error { return nil }

func onDeaf(t *testing.T, d *deaf, input string) *Conn {
	c := New(d, Config{
		ReadWindow: 1 << 10, WriteWindow: 1 << 10, Client: true,
		Errors: &testErrors, Owner: testOwner{}, Ends: new(Ends),
	})
	c.Start([]byte(input))
	t.Cleanup(func() {
		c.CloseNow()
		<-c.Done()
	})
	return c
}

func TestAReadThatDoesNotComeBackIsCutWithinASecondOfTheCallsEnd(t *testing.T) {
	const wait = 300 * time.Millisecond
	for name, test := range map[string]struct {
		input string
		call  func(ctx context.Context, c *Conn) error // which ends with ctx, or of itself
		want  error
	}{
		"Pull": {"", func(ctx context.Context, c *Conn) error {
			_, _, err := c.Pull(ctx, nil)
			return err
		}, context.DeadlineExceeded},
		"Next": {"", func(ctx context.Context, c *Conn) error {
			return c.Next(ctx, new(Reader))
		}, context.DeadlineExceeded},
		"Read": {"\x02\x01a", func(ctx context.Context, c *Conn) error {
			r := new(Reader)
			if err := c.Next(ctx, r); err != nil {
				return err
			}
			_, err := io.ReadAll(r)
			return err
		}, context.DeadlineExceeded},
		"Read behind a Close of its message": {"\x02\x01a", func(ctx context.Context, c *Conn) error {
			r := new(Reader)
			if err := c.Next(context.Background(), r); err != nil {
				return err
			}
			context.AfterFunc(ctx, func() { _ = r.Close() })
			_, err := io.ReadAll(r)
			return err
		}, errClosed},
		"Pull behind a Cancel": {"", func(ctx context.Context, c *Conn) error {
			context.AfterFunc(ctx, func() { c.Cancel(CloseInfo{}) })
			_, _, err := c.Pull(context.Background(), nil)
			return err
		}, io.EOF},
		"Pull behind a Cancel, while the background reader reads": {"", func(ctx context.Context, c *Conn) error {
			<-ctx.Done()
			c.Cancel(CloseInfo{})
			_, _, err := c.Pull(context.Background(), nil)
			return err
		}, io.EOF},
		"Pull behind a breach": {"\x83\x00", func(ctx context.Context, c *Conn) error {
			_, _, err := c.Pull(ctx, nil)
			return err
		}, context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := onDeaf(t, newDeaf(nil), test.input)
				ctx, cancel := context.WithTimeout(t.Context(), wait)
				defer cancel()
				start := time.Now()
				require.ErrorIs(t, test.call(ctx, c), test.want)
				require.Equal(t, wait+time.Second, time.Since(start))
				<-c.Done()
				err := c.End()
				require.Error(t, err)
			})
		})
	}
}

func TestAReadThatComesBackInTimeIsNotCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDeaf(nil)
		c := onDeaf(t, d, "")
		for i := range 5 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			time.AfterFunc(900*time.Millisecond, func() { d.input <- []byte{0x82, 1, byte(i)} })
			_, data, err := c.Pull(ctx, nil)
			if err == nil {
				require.Equal(t, []byte{byte(i)}, data)
			} else {
				require.ErrorIs(t, err, context.DeadlineExceeded)
			}
			cancel()
		}
		<-time.After(10 * time.Second) // of the bubble: no timer is left
		require.False(t, c.end.done.Closed())
	})
}

func TestWhatWaitsForNothingWaitsForNoCallOfTheTransport(t *testing.T) {
	calls := map[string]func(c *Conn, r *Reader){
		"Stats":        func(c *Conn, _ *Reader) { c.Stats() },
		"Credit":       func(c *Conn, _ *Reader) { c.Credit() },
		"TryWrite":     func(c *Conn, _ *Reader) { _, _ = c.TryWrite(ws.OpBinary, nil, false) },
		"Close":        func(c *Conn, _ *Reader) { c.Close(CloseInfo{Code: 1000}) },
		"Cancel":       func(c *Conn, _ *Reader) { c.Cancel(CloseInfo{}) },
		"Abort":        func(c *Conn, _ *Reader) { c.Abort(CloseInfo{}, errClosed) },
		"Discard":      func(c *Conn, _ *Reader) { c.Discard() },
		"CloseNow":     func(c *Conn, _ *Reader) { c.CloseNow() },
		"Reader.Close": func(_ *Conn, r *Reader) { _ = r.Close() },
	}
	states := map[string]func(c *Conn){
		"a Read, and a Write": func(c *Conn) {
			_, _ = c.TryWrite(ws.OpBinary, []byte("x"), false) // the flusher waits
		},
		"a Close": func(c *Conn) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.end.note().cut = true
			c.settleLocked()
		},
		"a CloseWrite": func(c *Conn) {
			c.fail(CodeProtocol, errText)
			c.mu.Lock()
			defer c.mu.Unlock()
			c.closeLeftLocked()
		},
	}
	for state, enter := range states {
		for name, call := range calls {
			t.Run(state+"/"+name, func(t *testing.T) {
				grave := make(chan struct{})
				defer close(grave)
				c := onDeaf(t, newDeaf(grave), "\x02\x01a")
				r := new(Reader)
				require.NoError(t, c.Next(t.Context(), r))
				done := make(chan struct{})
				go func() { // ends with the calls
					defer close(done)
					enter(c)
					call(c, r)
				}()
				select {
				case <-done:
				case <-time.After(10 * time.Second):
					t.Fatal("it waits for the transport")
				}
			})
		}
	}
}
