package wire

import (
	"context"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestReadThatDoesNotReturnIsCutAfterASecond(t *testing.T) {
	const wait = 300 * time.Millisecond
	for name, test := range map[string]struct {
		input string
		call  func(ctx context.Context, c *Conn) error // ends when ctx does
		want  error
	}{
		"Pull": {
			input: "",
			call: func(ctx context.Context, c *Conn) error {
				_, _, err := c.Pull(ctx, nil)
				return err
			},
			want: context.DeadlineExceeded,
		},
		"Next": {
			input: "",
			call: func(ctx context.Context, c *Conn) error {
				return c.Next(ctx, new(Reader))
			},
			want: context.DeadlineExceeded,
		},
		"Read": {
			input: "\x02\x01a",
			call: func(ctx context.Context, c *Conn) error {
				r := new(Reader)
				if err := c.Next(ctx, r); err != nil {
					return err
				}
				_, err := io.ReadAll(r)
				return err
			},
			want: context.DeadlineExceeded,
		},
		"Read, ended by Reader.Close": {
			input: "\x02\x01a",
			call: func(ctx context.Context, c *Conn) error {
				r := new(Reader)
				if err := c.Next(context.Background(), r); err != nil {
					return err
				}
				context.AfterFunc(ctx, func() { _ = r.Close() })
				_, err := io.ReadAll(r)
				return err
			},
			want: errClosed,
		},
		"Pull, ended by Cancel": {
			input: "",
			call: func(ctx context.Context, c *Conn) error {
				context.AfterFunc(ctx, func() { c.Cancel(CloseInfo{}) })
				_, _, err := c.Pull(context.Background(), nil)
				return err
			},
			want: io.EOF,
		},
		"Pull after Cancel, while the background reader reads": {
			input: "",
			call: func(ctx context.Context, c *Conn) error {
				<-ctx.Done()
				c.Cancel(CloseInfo{})
				_, _, err := c.Pull(context.Background(), nil)
				return err
			},
			want: io.EOF,
		},
		"Pull after a breach": {
			input: "\x83\x00",
			call: func(ctx context.Context, c *Conn) error {
				_, _, err := c.Pull(ctx, nil)
				return err
			},
			want: context.DeadlineExceeded,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := onDeaf(t, newDeaf(nil), test.input)
				ctx, cancel := context.WithTimeout(t.Context(), wait)
				defer cancel()
				start := time.Now()
				require.ErrorIs(t, test.call(ctx, c), test.want)
				require.Equal(t, wait+time.Second, time.Since(start))
				<-c.end.done.Done()
				require.Error(t, c.End())
			})
		})
	}
}

func TestReadThatReturnsInTimeIsNotCut(t *testing.T) {
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
		<-time.After(10 * time.Second) // no timer is left
		require.False(t, c.end.done.Closed())
	})
}

func TestReadIsCheckedOnceMoreAfterTheMachineStoodStill(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, c *Conn, _ net.Conn) {
		go func() { _, _, _ = c.Pull(t.Context(), nil) }() // ends with the connection
		synctest.Wait()
		c.mu.Lock()
		c.wait.recalled = true // the Pull is not back yet
		c.wait.recalls++
		nth := c.wait.recalls
		c.mu.Unlock()
		c.checkBack(nth, 1) // the timer fires before the Pull is back
		require.False(t, c.end.done.Closed())
		c.checkBack(nth, 0)
		<-c.end.done.Done()
	})
}

func TestPullThatDoesNotReturnIsCutASecondAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := onDeaf(t, newDeaf(nil), "")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		pulled := make(chan error, 1)
		go func() {
			_, _, err := c.Pull(ctx, nil)
			pulled <- err
		}()
		synctest.Wait()
		begin := time.Now()
		c.Cancel(CloseInfo{})
		require.Equal(t, io.EOF, <-pulled)
		<-c.end.done.Done()
		require.Equal(t, backWait, time.Since(begin))
		require.Equal(t, errNotBack, c.End())
	})
}
