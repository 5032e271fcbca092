package resume

import (
	"context"
	"iter"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/stream"
)

// A Readable is the stream of messages from the peer. Its methods do what those of
// wsstream.Readable do, for the session instead of a connection. All may be called concurrently.
// Pulls are served in the order they came.
type Readable Session

var _ interface {
	stream.Readable[wsstream.Message]
	stream.Notifier
	stream.PullerInto[wsstream.Message]
} = (*Readable)(nil)

// Pull waits for the next message, also while the session has no connection. The caller owns its
// Data. If ctx ends, Pull returns context.Cause(ctx), and has consumed nothing.
//
// After all messages that came, it returns the end: io.EOF if the peer was done, or agreed to our
// code. If the peer gave another code, that is a *wsstream.Error. If the session could not be
// continued, it is a *LostError.
func (r *Readable) Pull(ctx context.Context) (m wsstream.Message, err error) {
	if err = r.in.pull(ctx, &m); err != nil {
		return wsstream.Message{}, err
	}
	return m, nil
}

// PullInto is Pull into *m. It reuses the memory of m.Data, and may replace it. After an error the
// content of *m is undefined.
func (r *Readable) PullInto(ctx context.Context, m *wsstream.Message) error {
	return r.in.pull(ctx, m)
}

// All ranges over the messages, as Pull returns them. An error is yielded once, last. io.EOF ends
// the loop and yields nothing. Take both values.
func (r *Readable) All(ctx context.Context) iter.Seq2[wsstream.Message, error] {
	return stream.All(ctx, r)
}

// Cancel says that no messages are wanted. Those that were received are dropped, and so are later
// ones. Pulls return io.EOF. A Pull that waits returns when the peer has answered, or the
// connection is lost. What was accepted to be sent is sent, and then the session ends with the code
// that [wsstream.Writable.Abort] lists for cause. Cancel never waits for the peer, and returns nil.
func (r *Readable) Cancel(cause error) error {
	s := (*Session)(r)
	s.in.cancel()
	s.out.finish(codeFor(cause, wsstream.CloseInfo{}), wsstream.ErrClosed, false)
	s.abandonOpening()
	return nil
}

// Done is closed when the end of the Readable is decided. Messages that came before it can still be
// pulled.
func (r *Readable) Done() <-chan struct{} { return r.in.done }
