package wsstream_test

import (
	"bytes"
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
)

// A receiving is one of the ways in which a program receives. Each law that is about receiving
// holds for each of them: docs/design.md lists the tests.
type receiving struct {
	name    string
	receive func(t *testing.T, e *end) next // begins to receive
	ahead   int                             // how many messages it takes before next is called
}

// A next returns the next message, or the end. Its context ends that wait alone.
type next func(ctx context.Context) (wsstream.Message, error)

var ways = []receiving{
	{"Pull", byPull, 0},
	{"Pull of what was read", byPullOfWhatWasRead, 0},
	{"Handle", byHandle, 1},
}

// inEveryWay is onEveryPath for each way to receive. Over TCP, the poller watches the socket while
// no call pulls, and calls the handler.
func inEveryWay(t *testing.T, c config, f func(t *testing.T, e *end, w receiving)) {
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			onEveryPath(t, c, func(t *testing.T, e *end) { f(t, e, w) })
		})
	}
}

func byPull(_ *testing.T, e *end) next { return e.conn.Readable().Pull }

// byPullOfWhatWasRead pulls only what a worker of the poller, or a background reader, has read
// before: so the socket rests between the pulls.
func byPullOfWhatWasRead(_ *testing.T, e *end) next {
	return func(ctx context.Context) (m wsstream.Message, err error) {
		for e.conn.Stats().Received.Held == 0 {
			select {
			case <-time.After(time.Millisecond):
				continue
			case <-ctx.Done():
				return m, context.Cause(ctx)
			case <-e.conn.Readable().Done():
			}
			break
		}
		return e.conn.Readable().Pull(ctx)
	}
}

// byHandle returns what a handler is given. The handler blocks with a message until it is taken.
func byHandle(t *testing.T, e *end) next {
	messages, stop := make(chan wsstream.Message), make(chan struct{})
	ended, ends := make(chan error, 1), atomic.Int32{}
	t.Cleanup(func() { close(stop) })
	require.NoError(t, e.conn.Readable().Handle(func(m wsstream.Message) error {
		m.Data = bytes.Clone(m.Data)
		select {
		case messages <- m:
		case <-stop:
		}
		return nil
	}, func(err error) {
		if ends.Add(1) > 1 {
			panic("the end came twice")
		}
		ended <- err
	}))
	return func(ctx context.Context) (m wsstream.Message, err error) {
		select {
		case m = <-messages:
		case err = <-ended:
			ended <- err // it stays
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		return m, err
	}
}

// text returns a message that must come.
func (n next) text(t *testing.T) string {
	t.Helper()
	m, err := n(patient(t))
	require.NoError(t, err)
	return string(m.Data)
}

// end returns the end, which must come now.
func (n next) end(t *testing.T) error {
	t.Helper()
	m, err := n(patient(t))
	require.Error(t, err, "%q", m.Data)
	return err
}

// all receives to the end on a goroutine of its own.
func (n next) all(t *testing.T) <-chan pulled {
	ctx := patient(t)
	all := make(chan pulled, 1)
	go func() {
		var p pulled
		for {
			var m wsstream.Message
			if m, p.err = n(ctx); p.err != nil {
				break
			}
			p.messages = append(p.messages, string(m.Data))
		}
		all <- p
	}()
	return all
}
