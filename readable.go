package wsstream

import (
	"context"
	"io"
	"iter"

	"github.com/wsstream/wsstream/stream"
)

// A Readable is the stream of messages from the peer. The socket is read only as far as ReadWindow
// allows, so a slow reader slows the peer down and never fills the memory. It is a
// stream.Readable[Message].
//
// All methods may be called concurrently. Pulls are served in the order they came, each with a
// message of its own. A call that pulls reads on its own goroutine. While no call pulls, a
// background goroutine reads as far as there is credit, so pings are answered and the peer's Close
// is seen. Behind a full window both wait for the next pull.
//
// A call whose context ends returns context.Cause(ctx). It has consumed nothing, and leaves the
// connection as it was.
type Readable struct{ c *Conn }

var _ interface {
	stream.Readable[Message]
	stream.Notifier
	stream.PullerInto[Message]
} = (*Readable)(nil)

// Pull waits for the next message, of at most MaxMessageSize bytes. A larger one fails the
// connection with 1009. The caller owns the Data. Pull allocates the Data and nothing else. While a
// MessageReader is open, Pull returns ErrBusy.
//
// All messages that came whole before the connection's end are delivered first. Then io.EOF, bare,
// says that the peer was done: it closed with 1000 or without a code, or agreed to our Close. Every
// other end is an *Error with the peer's code and reason, or 1006. So a stream that was cut short
// never looks complete.
//
// Streams Standard, 4.4.3.
func (r *Readable) Pull(ctx context.Context) (Message, error) {
	var m Message
	err := r.PullInto(ctx, &m)
	return m, err
}

// PullInto is Pull into *m, and reuses its memory. The payload is appended to m.Data[:0], as append
// does. After an error Data is empty and keeps its capacity. The bytes in that capacity are
// undefined. Concurrent calls need a message each.
//
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

// All ranges over the messages as Pull returns them. An error is yielded once, last. io.EOF ends
// the loop and yields nothing. Leaving the loop leaves the stream as it is: later calls pull the
// next messages. (In JavaScript it would cancel the stream.)
//
// Take both values: a loop with one variable compiles, and gets an empty Message when the stream
// ends with an error.
//
// Streams Standard, 4.2.5.
func (r *Readable) All(ctx context.Context) iter.Seq2[Message, error] {
	// Not stream.All: that ends at the deadline of a context that has ended with the Conn.
	return func(yield func(Message, error) bool) {
		for {
			m, err := r.Pull(ctx)
			if err == io.EOF || !yield(m, err) || err != nil {
				return
			}
		}
	}
}

// NextMessage waits for the start of the next message and returns it as a stream. The message may
// have any length: ReadWindow limits how much of it is buffered. ctx governs the reader's Reads,
// too. When it ends they fail, and the message stays open.
//
// Until the reader has been read to io.EOF or closed, Pull and NextMessage return ErrBusy. At the
// end NextMessage returns the error of Pull. It allocates only the reader, and not even that if the
// reader stays with its caller.
//
// RFC 6455, section 5.4.
func (r *Readable) NextMessage(ctx context.Context) (*MessageReader, error) {
	m := new(MessageReader)
	if err := r.next(ctx, m); err != nil {
		return nil, err
	}
	return m, nil
}

// next is NextMessage without the allocation. The compiler omits that where the reader stays with
// its caller.
func (r *Readable) next(ctx context.Context, m *MessageReader) error {
	w, err := r.c.wait(ctx)
	if err != nil {
		return err
	}
	return w.Next(ctx, &m.r)
}

// Messages ranges over the messages as NextMessage returns them. The part of a message that the
// loop's body has not read is skipped, also when the loop is left. An error is yielded once, last,
// with a nil reader: take both values. io.EOF ends the loop and yields nothing.
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

// Discard drops the unread messages and all that come later. It is for handlers that only write:
// pings are answered and the peer's Close is seen. A Pull waits for the end and returns it.
func (r *Readable) Discard() {
	r.c.mu.Lock()
	r.c.discard = true
	w := r.c.engine.Load()
	r.c.mu.Unlock()
	if w != nil {
		w.Discard()
	}
}

// Cancel says that no messages are wanted. Unread messages are dropped, and later messages are
// dropped when they come. Pulls return io.EOF immediately, also those that wait. The output that
// was accepted is sent, and then the connection closes. A nil cause, io.EOF and ErrClosed close
// without a code. Every other cause closes with the code that [Writable.Abort] lists.
//
// Cancel never waits for the peer, may be called again, and returns nil. During the handshake it
// abandons the handshake.
//
// Streams Standard, 4.2.4.
func (r *Readable) Cancel(cause error) error {
	if w := r.c.orAbandon(orHandshakeClosed(cause)); w != nil {
		w.Cancel(codeFor(cause, CloseInfo{}))
	}
	return nil
}

// Done is closed when the end of the Readable is decided. Messages that came before it can still be
// pulled.
func (r *Readable) Done() <-chan struct{} { return r.c.ends.Read.Done() }
