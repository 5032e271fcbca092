package stream

import (
	"context"

	"github.com/wsstream/wsstream/internal/closed"
)

// ErrClosed is what a call on a stream fails with once the stream was closed in order: a Write
// after Close, or after an Abort without a cause. Compare with errors.Is: to it, wsstream.ErrClosed
// is the same error.
var ErrClosed = closed.New("stream: closed")

// A Readable is the side of a stream that chunks are pulled from.
//
// Pull waits for the next chunk. A clean end is a bare io.EOF; every other end is the stream's own error, the
// same for each later call. A Pull whose context ends returns context.Cause(ctx) and has consumed nothing.
// Pulls may run at once: they are served in the order they came, and each gets a chunk of its own.
//
// Cancel says that nobody wants the rest: what is held is dropped, pending and later Pulls return io.EOF, and
// the source is told the cause. It is idempotent and never waits for a peer.
// Streams Standard, 4.2.
type Readable[T any] interface {
	Pull(ctx context.Context) (T, error)
	Cancel(cause error) error
}

// A Writable is the side of a stream that chunks are written to.
//
// Write waits until there is room for v, and returns when v is accepted: backpressure is the waiting. A Write
// whose context ends before v is accepted returns context.Cause(ctx) and has written nothing. Writes may run at
// once: they are served in the order they came.
//
// Close waits for all that was accepted before it, then ends the stream well. Abort drops what is held and
// fails pending and later Writes with the cause, ErrClosed if it is nil; it never waits for a peer.
// Streams Standard, 5.2.
type Writable[T any] interface {
	Write(ctx context.Context, v T) error
	Close(ctx context.Context) error
	Abort(cause error) error
}

// A Duplex is the two halves of a connection, taken together.
type Duplex[In, Out any] struct {
	Readable Readable[In]
	Writable Writable[Out]
}
