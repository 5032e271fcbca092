package wsstream

import (
	"context"
	"io"
	"iter"

	"github.com/wsstream/wsstream/stream"
)

// A Readable is the stream of messages that come from the peer. The socket is read only for what ReadWindow
// allows, so that a slow reader slows the peer down and never fills memory. It is a stream.Readable[Message].
//
// All methods may be called at once; pulls are served in the order they came, each with a message of its own.
// Whoever pulls reads, on its own goroutine. When nobody pulls, what there is credit for is read in the background,
// so that pings are answered and the peer's Close is seen; behind a full window both wait for the next pull.
//
// A call whose context ends returns context.Cause(ctx) and has consumed nothing: the connection is as it was.
type Readable struct{ c *Conn }

var _ interface {
	stream.Readable[Message]
	stream.PullerInto[Message]
	Done() <-chan struct{} // which stream.Pipe looks for
} = (*Readable)(nil)

// Pull waits for the next message, at most MaxMessageSize bytes; a larger one fails the connection with 1009.
// Its Data is the caller's to keep. All messages that came whole before the connection's end are delivered first.
// Then io.EOF, bare, says that the peer was done: it closed with 1000 or without a code, or agreed to our Close. Every
// other end is an *Error: the peer's code and reason, or 1006. So a stream that was cut short never looks whole. While
// a MessageReader is open Pull returns ErrBusy. It allocates the Data, and nothing else.
// Streams Standard, 4.4.3.
func (r *Readable) Pull(ctx context.Context) (Message, error) {
	var m Message
	err := r.PullInto(ctx, &m)
	return m, err
}

// PullInto is Pull into a message of the caller's: the payload is appended to m.Data[:0], which grows as append
// grows it. After an error Data is empty, its capacity is kept, and the bytes behind it are undefined. Two calls at
// once need two messages.
// Streams Standard, 4.5.3.
func (r *Readable) PullInto(ctx context.Context, m *Message) error {
	w, err := r.c.wait(ctx)
	if err != nil {
		*m = Message{Type: m.Type, Data: m.Data[:0]}
		return err
	}
	op, data, err := w.Pull(ctx, m.Data)
	m.Type, m.Data, m.NoCompress, m.ready = Type(op), data, false, nil
	if r.c.seen != nil && err == nil {
		r.c.seen.messageIn(r.c, m.Type, int64(len(data)))
	}
	return err
}

// All ranges over the messages as Pull returns them. An error is yielded once, last; io.EOF ends the loop and yields
// nothing. Leaving the loop leaves the stream as it is, to be pulled on; in JavaScript it would cancel.
//
// Take both values: a loop over the message alone compiles, and its last turn is an empty Message where the end is an
// error.
// Streams Standard, 4.2.5.
func (r *Readable) All(ctx context.Context) iter.Seq2[Message, error] {
	return stream.All(ctx, r)
}

// NextMessage waits for the start of the next message and returns it as a stream, of whatever length: what is held
// of it is bounded by ReadWindow alone. ctx governs the reader's Reads too; when it ends they fail and the message
// stays open. Until the reader has been read to io.EOF or closed, Pull and NextMessage return ErrBusy. At the end it
// returns what Pull does. It allocates the reader alone, and not even that where the reader stays with its caller.
// RFC 6455, section 5.4.
func (r *Readable) NextMessage(ctx context.Context) (*MessageReader, error) {
	m := new(MessageReader)
	if err := r.next(ctx, m); err != nil {
		return nil, err
	}
	return m, nil
}

// next is NextMessage without the allocation, which the compiler leaves out where it can see the reader's whole life.
func (r *Readable) next(ctx context.Context, m *MessageReader) error {
	w, err := r.c.wait(ctx)
	if err != nil {
		return err
	}
	return w.Next(ctx, &m.r)
}

// Messages ranges over the messages as NextMessage returns them, and skips what the loop's body has not read;
// leaving the loop skips the rest of the message. An error is yielded once, last, with a nil reader: take both values.
// io.EOF ends the loop and yields nothing.
func (r *Readable) Messages(ctx context.Context) iter.Seq2[*MessageReader, error] {
	return func(yield func(*MessageReader, error) bool) {
		for {
			m, err := r.NextMessage(ctx)
			if err == io.EOF {
				return
			}
			more := yield(m, err)
			if err != nil {
				return
			}
			_ = m.Close()
			if !more {
				return
			}
		}
	}
}

// Discard says that nobody will pull: what is unread is dropped, and so is all that comes, for handlers that only
// write and want pings answered and the peer's Close seen. A Pull waits for the end and returns it.
func (r *Readable) Discard() {
	r.c.mu.Lock()
	r.c.discard = true
	w := r.c.engine.Load()
	r.c.mu.Unlock()
	if w != nil {
		w.Discard()
	}
}

// Cancel says that no messages are wanted: unread ones are dropped, and later ones as they come; pulls return io.EOF
// immediately, those that wait too. The connection closes after what was accepted is sent. A nil cause, io.EOF and
// ErrClosed close without a code; every other closes with the code that Writable.Abort tells. Cancel never waits for
// the peer, may be called again, and returns nil. During the handshake it abandons it.
// Streams Standard, 4.2.4.
func (r *Readable) Cancel(cause error) error {
	if w := r.c.orAbandon(orHandshakeClosed(cause)); w != nil {
		w.Cancel(codeFor(cause, CloseInfo{}))
	}
	return nil
}

// Done is closed when the end of the Readable is decided. Messages that came before it may still be pulled.
func (r *Readable) Done() <-chan struct{} { return r.c.ends.Read.Done() }
