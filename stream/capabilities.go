package stream

import "context"

// The optional capabilities of a stream. Pipe, Join and the adapters look for them by a type
// assertion, and each capability has a fallback. The package documentation says which stream has
// which, and which adapter passes which on. TestCapabilities… checks that.

// A Notifier is a stream that tells when its end is decided. Then Done is closed: no Pull waits any
// more, and a Write fails. Chunks that came before may still be pulled. Done returns nil where the
// stream cannot tell.
//
// [Pipe] notices the end of such a destination while its source is idle. It notices the end of such
// a source while its destination has no room.
type Notifier interface {
	// Done returns a channel that is closed when the end is decided, or nil.
	Done() <-chan struct{}
}

// A Readier is a [Writable] that tells when it has room. Ready waits its turn until there is room
// for a chunk. It takes none of the room, so another writer may take it first. After the end Ready
// returns what Write does. If ctx ends, Ready returns its cause.
//
// [Pipe] pulls a chunk only once such a destination is ready.
type Readier interface {
	// Ready waits its turn until there is room for a chunk.
	Ready(ctx context.Context) error
}

// A TryWriter is a [Writable] that can write without waiting. TryWrite reports whether it has
// accepted v: it returns false while a Write would wait. After the end it fails as Write does.
//
// When its context ends, [Pipe] tries to write the chunk that it holds to such a destination.
type TryWriter[T any] interface {
	// TryWrite writes v if that needs no waiting, and reports whether it did.
	TryWrite(v T) (bool, error)
}

// A Failer is a [Writable] that can end with an error in order. Fail takes its turn behind the
// Writes that wait, as Close does. What was accepted is delivered before cause is. Writes behind
// Fail fail with cause, or with [ErrClosed] if cause is nil. If ctx ends before the turn, Fail
// returns its cause, and has changed nothing.
//
// [Pipe] and [Join] fail such a destination when the source has failed, and abort any other. Each
// Writable that this package makes is a Failer. An adapter of a Writable without a Fail takes its
// turn, and then aborts that Writable.
type Failer interface {
	// Fail ends the stream with cause, behind what was accepted.
	Fail(ctx context.Context, cause error) error
}

// A Flusher is a [Writable] that tells when the other side has taken what was written. Flush waits
// for that.
//
// [Join] flushes such a destination before it passes the source's end on.
type Flusher interface {
	// Flush waits until the other side has taken what was written.
	Flush(ctx context.Context) error
}

// A Borrower is a [Writable] that says whether its Write keeps nothing of a chunk. If Borrows
// returns true, the caller may reuse the memory of a chunk once Write has returned. The result must
// not change.
//
// [Pipe] pulls into one chunk over and over, if the destination borrows and the source is a
// [PullerInto].
type Borrower interface {
	// Borrows reports whether Write keeps nothing of a chunk.
	Borrows() bool
}

// A PullerInto is a [Readable] that can reuse the memory of a chunk. PullInto is Pull into *v. It
// reuses the memory that *v refers to. When it returns, *v may refer to other memory. After an
// error the content of *v is undefined.
type PullerInto[T any] interface {
	// PullInto waits for the next chunk, and stores it in *v.
	PullInto(ctx context.Context, v *T) error
}

// doneOf returns the Done channel of a stream, or nil if the stream has none.
func doneOf(stream any) <-chan struct{} {
	if d, ok := stream.(Notifier); ok {
		return d.Done()
	}
	return nil
}

// isDone reports whether done is closed.
func isDone(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// readyOf returns the Ready of dst, or a function that never waits.
func readyOf(dst any) func(context.Context) error {
	if r, ok := dst.(Readier); ok {
		return r.Ready
	}
	return func(context.Context) error { return nil }
}

// failIn fails dst in order, or aborts it if it has no Fail.
func failIn(ctx context.Context, dst interface{ Abort(cause error) error }, cause error) error {
	if f, ok := dst.(Failer); ok {
		return f.Fail(ctx, cause)
	}
	return dst.Abort(cause)
}

// flush flushes dst if it has a Flush.
func flush(ctx context.Context, dst any) error {
	if f, ok := dst.(Flusher); ok {
		return f.Flush(ctx)
	}
	return nil
}

// borrows reports whether the Write of dst keeps nothing of a chunk.
func borrows(dst any) bool {
	b, ok := dst.(Borrower)
	return ok && b.Borrows()
}
