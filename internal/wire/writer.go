package wire

import (
	"context"
	"errors"

	"github.com/gobwas/ws"

	"github.com/wsstream/wsstream/internal/gate"
)

// A Writer writes one message as it is made. It has the turn to write until it is closed.
type Writer struct {
	c    *Conn
	ctx  context.Context // of all Writes: io.Writer has no place for one
	turn *gate.Gate      // its holder owns what follows
	op   ws.OpCode       // of the next frame
	text bool
	utf8 textCheck
	n    int64 // payload bytes written
	over bool
}

// NewWriter waits for the turn to write a message.
func (c *Conn) NewWriter(ctx context.Context, op ws.OpCode) (*Writer, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if !c.writeGate.Lock(ctx) {
		return nil, c.notWritten(ctx)
	}
	c.mu.Lock()
	stopped := c.stopped()
	c.mu.Unlock()
	if stopped {
		c.writeGate.Unlock()
		return nil, c.notWritten(ctx)
	}
	return &Writer{c: c, ctx: ctx, turn: gate.New(nil), op: op, text: op == ws.OpText}, nil
}

// ErrText is the error of a write that would make a text message that is not UTF-8.
var ErrText = errors.New("text is not UTF-8")

// Write sends p in frames. It returns when p is encoded, which may have to wait for credit. p may end inside a
// character.
func (w *Writer) Write(p []byte) (n int, err error) {
	if err := w.lock(); err != nil {
		return 0, err
	}
	defer w.turn.Unlock()
	utf8 := w.utf8
	if w.text && !utf8.push(p) {
		return 0, ErrText
	}
	for n < len(p) && err == nil {
		part := p[n:min(len(p), n+w.limit())]
		if err = w.put(part); err == nil {
			n += len(part)
		}
	}
	if w.text {
		w.utf8.push(p[:n])
	}
	w.n += int64(n)
	return n, err
}

// Close ends the message, whether ctx has ended or not: its frame is a few bytes, and waits for no credit. Text that
// ends inside a character is an error, and the message stays open.
func (w *Writer) Close() error {
	w.turn.Lock(context.Background()) // who has it waits for no longer than ctx
	defer w.turn.Unlock()
	if err := w.ended(); err != nil {
		if !w.over {
			w.finish()
		}
		return err
	}
	if w.text && !w.utf8.whole() {
		return ErrText
	}
	p := piece{op: w.op, fin: true, length: w.n}
	n := w.c.framer.size(&p)
	w.c.writeWindow.Force(n)
	sent := w.c.admit(&p, n)
	w.finish()
	if !sent {
		return w.c.notWritten(context.Background())
	}
	return nil
}

// Written is how many bytes of payload were written, once the message is closed.
func (w *Writer) Written() int64 { return w.n }

func (w *Writer) lock() error {
	if w.ctx.Err() != nil || !w.turn.Lock(w.ctx) {
		return context.Cause(w.ctx)
	}
	if err := w.ended(); err != nil {
		w.turn.Unlock()
		return err
	}
	return nil
}

// ended returns the writable's end, or that the message was closed before.
func (w *Writer) ended() error {
	if err := w.c.writeEnd(); err != nil || !w.over {
		return err
	}
	return w.c.cfg.Closed
}

func (w *Writer) finish() {
	w.over = true
	w.c.writeGate.Unlock()
}

// limit is the most payload that one frame takes: no more than a piece, and what the window holds.
func (w *Writer) limit() int {
	limit := maxPiece
	if n := w.c.cfg.MaxFrame; n > 0 {
		limit = min(limit, n)
	}
	if n := w.c.cfg.WriteWindow; n > 0 {
		limit = min(limit, max(1, n-maxHeader))
	}
	return limit
}

// put sends one frame, not the last.
func (w *Writer) put(part []byte) error {
	c := w.c
	p := piece{op: w.op, rest: part}
	n := c.framer.size(&p)
	if c.writeWindow.TakeWithin(w.ctx, n) != nil || !c.admit(&p, n) {
		return c.notWritten(w.ctx)
	}
	w.op = ws.OpContinuation
	return nil
}
