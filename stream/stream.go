package stream

import (
	"context"

	"github.com/wsstream/wsstream/internal/closed"
)

// ErrClosed is the error of a call on a stream that was closed in order. A Write returns it after
// Close, or after an Abort without a cause. Compare with errors.Is. wsstream.ErrClosed matches it.
var ErrClosed = closed.New("stream: closed")

// A Readable is the side of a stream that chunks are pulled from.
//
// Pull waits for the next chunk. A clean end is a bare io.EOF. Every other end is the stream's own
// error, and every later call returns it, too. A Pull whose context ends returns
// context.Cause(ctx), and has consumed nothing. Pulls may run concurrently. They are served in the
// order they came, and each gets a chunk of its own.
//
// Cancel says that no more chunks are wanted. The chunks that are held are dropped. Pending and
// later Pulls return io.EOF. The source gets the cause. Cancel may be called again, and never waits
// for a peer.
//
// A Readable may have more methods: see Capabilities in the package documentation.
//
// Streams Standard, 4.2.
type Readable[T any] interface {
	// Pull waits for the next chunk.
	Pull(ctx context.Context) (T, error)

	// Cancel says that no more chunks are wanted.
	Cancel(cause error) error
}

// A Writable is the side of a stream that chunks are written to.
//
// Write waits until there is room for v, and returns when v is accepted. That wait is the
// backpressure. A Write whose context ends before v is accepted returns context.Cause(ctx), and has
// written nothing. Writes may run concurrently, and are served in the order they came.
//
// Close waits for the chunks that were accepted before it, then ends the stream well. Abort drops
// the chunks that are held. Pending and later Writes fail with the cause, or with [ErrClosed] if it
// is nil. Abort never waits for a peer.
//
// A Writable may have more methods: see Capabilities in the package documentation.
//
// Streams Standard, 5.2.
type Writable[T any] interface {
	// Write waits until there is room for v, and returns when v is accepted.
	Write(ctx context.Context, v T) error

	// Close ends the stream well, behind the chunks that were accepted.
	Close(ctx context.Context) error

	// Abort ends the stream with an error, and drops the chunks that are held.
	Abort(cause error) error
}

// A Duplex is the two halves of a connection, taken together.
type Duplex[In, Out any] struct {
	Readable Readable[In]  // what the other side writes
	Writable Writable[Out] // what the other side reads
}
