package wire

import (
	"context"
	"io"
	"net"
	"testing"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"
)

// An idler is a transport whose Read often returns neither bytes nor an error.
type idler struct {
	net.Conn
	empty int // that many in front of each byte
	n     int
}

func (i *idler) Read(p []byte) (int, error) {
	if i.n++; i.n <= i.empty {
		return 0, nil
	}
	i.n = 0
	return i.Conn.Read(p[:1])
}

// receivers are the ways in which a Conn's end is received. Each returns the end.
func receivers() map[string]func(c *Conn, got func(string)) error {
	return map[string]func(c *Conn, got func(string)) error{
		"Pull": func(c *Conn, got func(string)) error {
			for {
				_, data, err := c.Pull(context.Background(), nil)
				if err != nil {
					return err
				}
				got(string(data))
			}
		},
		"the background reader": func(c *Conn, got func(string)) error {
			<-c.end.done.Done()
			_, data, err := c.Pull(context.Background(), nil)
			if err == nil {
				got(string(data))
				_, _, err = c.Pull(context.Background(), nil)
			}
			return err
		},
		"a handler": func(c *Conn, got func(string)) error {
			h := &gotSink{got, make(chan error, 1)}
			if err := c.Handle(&Handler{Sink: h}); err != nil {
				return err
			}
			return <-h.end
		},
	}
}

// A gotSink gives messages to a function.
type gotSink struct {
	got func(string)
	end chan error
}

func (s *gotSink) Message(_ ws.OpCode, data []byte) { s.got(string(data)) }

func (s *gotSink) End(err error) { s.end <- err }

func TestReadThatReturnsNothingForEverEndsTheConn(t *testing.T) {
	for name, receive := range receivers() {
		t.Run(name, func(t *testing.T) {
			near, far := net.Pipe()
			nc := &idler{Conn: near, empty: 1 << 30}
			c := started(t, Config{}, nc, far)
			require.ErrorIs(t, receive(c, func(string) {}), io.ErrNoProgress)
			require.Equal(t, maxEmptyReads, nc.n)
		})
	}
}

func TestReadMayReturnNothingNowAndThen(t *testing.T) {
	for name, receive := range receivers() {
		t.Run(name, func(t *testing.T) {
			near, far := net.Pipe()
			c := started(t, Config{}, &idler{Conn: near, empty: maxEmptyReads - 1}, far)
			sent := make(chan error, 1)
			go func() {
				_, err := far.Write(ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte("x")))))
				_ = far.Close()
				sent <- err
			}()
			var all []string
			err := receive(c, func(text string) { all = append(all, text) })
			require.NoError(t, <-sent)
			require.NotErrorIs(t, err, io.ErrNoProgress)
			require.Equal(t, []string{"x"}, all)
		})
	}
}
