package wsstream

import (
	"errors"
	"runtime/debug"

	"github.com/gobwas/ws"

	"github.com/wsstream/wsstream/internal/wire"
	"github.com/wsstream/wsstream/stream"
)

// errHandlerGone is the error of a message handler that ended its goroutine, as the FailNow of a
// test does.
var errHandlerGone = errors.New("wsstream: the message handler ended its goroutine")

// Handle pipes the Readable to a function: message is called for each message, one after another,
// in order. Handle returns immediately. It is for servers with very many connections, of which most
// are idle. On Linux, a connection over a TCP or unix socket, also under TLS, has a goroutine only
// while it has messages. Pull reads better everywhere else.
//
// The Data is lent: it is valid until message returns, and then used again. A handler that keeps it
// copies it. While message runs, its connection gives no credit back for what follows. So a slow
// handler slows its peer down, exactly as a slow Pull does. It may block, and holds up no other
// connection then. Pings are answered meanwhile, as far as there is read credit.
//
// end is called once, last, on a goroutine of the library. It gets the error of a Pull at the end:
// bare io.EOF if the peer was done. All messages that came whole before that are delivered first.
// end may be nil.
//
// If message returns an error, no message follows. The Readable is cancelled with that error, see
// [Readable.Cancel], and end gets that error. If message panics, end gets a *stream.Panic, and the
// connection closes with 1011. A Logger gets these errors as it gets those of a [Handler].
//
// From Handle on, Pull, PullInto and NextMessage return ErrBusy, also a Pull that waits. Handle
// itself returns ErrBusy if a MessageReader is open, or if there is a handler. Then it changes
// nothing. message may call all methods of the Conn; its Context ends with the connection. Before
// opening, the messages wait for the handshake. If that fails, end gets the error of Opened.
//
// Streams Standard, 4.2.4 (pipeTo).
func (r *Readable) Handle(message func(m Message) error, end func(err error)) error {
	if message == nil {
		panic("wsstream: Handle of a nil function")
	}
	c, h := r.c, &messageHandler{c: r.c, message: message, end: end}
	h.Sink = h
	w, err := c.handleOnceOpen(h)
	if w == nil || err != nil {
		return err
	}
	if err := w.Handle(&h.Handler); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.handler = h
	return nil
}

// handleOnceOpen keeps h for the engine, if there is none yet. Otherwise it returns the engine: its
// methods are not called while c is locked.
func (c *Conn) handleOnceOpen(h *messageHandler) (*wire.Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.engine.Load()
	switch {
	case c.handler != nil:
		return nil, ErrBusy
	case w != nil:
		return w, nil
	case c.end != nil:
		go h.End(c.end.err) // the caller's: it ends with the caller's function
	}
	c.handler = h
	return nil, nil
}

// A messageHandler is the end of a pipe from a Readable. The engine calls it.
type messageHandler struct {
	wire.Handler
	c       *Conn
	message func(Message) error
	end     func(error) // nil for none
}

// Message calls the program's function.
func (h *messageHandler) Message(op ws.OpCode, data []byte) {
	if h.c.seen != nil {
		h.c.seen.messageIn(h.c, Type(op), int64(len(data)))
	}
	err := errHandlerGone
	defer func() {
		if v := recover(); v != nil {
			err = &stream.Panic{Value: v, Stack: debug.Stack()}
		}
		if err != nil {
			h.failed(err)
			_ = h.c.readable.Cancel(err)
		}
	}()
	err = h.message(Message{Type: Type(op), Data: data})
}

// failed makes err, of the program's function, the end.
func (h *messageHandler) failed(err error) {
	end := h.end
	h.end = func(error) {
		h.c.seen.returned(h.c, err)
		if end != nil {
			end(err)
		}
	}
}

// End calls the program's function for the end.
func (h *messageHandler) End(err error) {
	if h.end != nil {
		h.end(err)
	}
}
