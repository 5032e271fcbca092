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
	turn gate.Gate       // its holder owns what follows

	op         ws.OpCode // of the next frame
	rsv        byte      // of the next frame
	text       bool
	compressed bool
	utf8       textCheck
	n          int64 // payload bytes written
	over       bool
}

// NewWriter waits for the turn to write a message.
func (c *Conn) NewWriter(ctx context.Context, op ws.OpCode) (*Writer, error) {
	if err := c.causeOf(ctx); err != nil {
		return nil, err
	}
	if !c.writeGate.LockUntil(ctx, &c.end.streams.Write) {
		return nil, c.whyNotWritten(ctx)
	}
	c.mu.Lock()
	stopped := c.stoppedLocked()
	c.send.writerOpen = !stopped
	c.mu.Unlock()
	if stopped {
		c.unlockWrite()
		return nil, c.whyNotWritten(ctx)
	}
	w := &Writer{c: c, ctx: ctx, op: op, text: op == ws.OpText}
	if c.compression != nil {
		w.compressed, w.rsv = true, rsv1
	}
	return w, nil
}

// NoCompress prevents the compression of the message. It has no effect once some of it was written.
func (w *Writer) NoCompress() {
	w.turn.Lock(context.Background()) // its holder waits until ctx ends at most
	defer w.turn.Unlock()
	if w.op != ws.OpContinuation {
		w.compressed, w.rsv = false, 0
	}
}

// ErrText is the error of a write that would make a text message that is not UTF-8.
var ErrText = errors.New("text is not UTF-8")

// Write sends p in frames. It returns when p is encoded, for which it may wait for credit. p may
// end inside a character.
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
		if err = w.writeFrame(part); err == nil {
			n += len(part)
		}
	}
	if w.text {
		w.utf8.push(p[:n])
	}
	w.n += int64(n)
	return n, err
}

// Close ends the message, whether ctx has ended or not. If its last frame has not left, that
// becomes the end. If it has, a frame of a few bytes follows, without waiting for credit. Text that
// ends inside a character has no valid end. Then Close ends the writable in order: with cut, and
// with info on the wire. So the turn to write is always given back. If the writable ends by
// something else, Close returns that end.
func (w *Writer) Close(info CloseInfo, cut error) error {
	w.turn.Lock(context.Background()) // its holder waits until ctx ends at most
	defer w.turn.Unlock()
	if err := w.ended(); err != nil {
		if !w.over {
			w.finish()
		}
		return err
	}
	if w.text && !w.utf8.whole() {
		mine := w.c.closeWrite(info, cut)
		w.finish()
		if !mine { // another end came first, and may still be decided
			return w.c.whyNotWritten(w.ctx)
		}
		return cut
	}
	if w.c.endInPlace(w) {
		w.finish()
		return nil
	}
	p := piece{op: w.op, fin: true, length: w.n}
	if w.compressed {
		p.rsv, p.toCompress = w.rsv, true
	}
	n := w.c.send.framer.size(&p)
	w.c.writeWindow.Force(n)
	sent := w.encode(&p, n)
	w.finish()
	if !sent {
		return w.c.whyNotWritten(w.ctx)
	}
	return nil
}

// endInPlace makes the last frame of w's message its end, and sends it. It reports false if that
// frame may have left. The end of a compressed message needs other bytes, too.
//
// RFC 7692, section 7.2.1.
func (c *Conn) endInPlace(w *Writer) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if w.compressed || w.op != ws.OpContinuation || c.stoppedLocked() || !c.send.out.endLast() {
		return false
	}
	c.send.writerOpen = false
	c.send.total.add(w.n)
	if c.nonblocking != nil && !c.send.baton && !c.gathersLocked() {
		c.sendNowRelocks()
	}
	c.startFlusherLocked()
	return true
}

// encode puts all of p into the outbox, for whose first step n bytes of credit were taken.
// Compressed, p can be longer than a frame. It never waits.
func (w *Writer) encode(p *piece, n int) bool {
	defer p.returnBuffer()
	_, whole := w.c.encodeAll(p, n)
	return whole
}

// Written returns how many bytes of payload were written, once the message is closed.
func (w *Writer) Written() int64 { return w.n }

func (w *Writer) lock() error {
	if err := w.c.causeOf(w.ctx); err != nil {
		return err
	}
	if !w.turn.Lock(w.ctx) {
		return w.c.whyNotWritten(w.ctx)
	}
	if err := w.ended(); err != nil {
		w.turn.Unlock()
		return err
	}
	return nil
}

// ended returns the writable's end, or the error of a message that is closed already.
func (w *Writer) ended() error {
	if err := w.c.writeEnd(); err != nil || !w.over {
		return err
	}
	return w.c.owner.Errors().Closed
}

// finish ends the turn to write.
func (w *Writer) finish() {
	w.over = true
	w.c.mu.Lock()
	w.c.send.writerOpen = false
	w.c.mu.Unlock()
	w.c.unlockWrite()
}

// limit returns how many payload bytes one frame takes at most: a piece, and what the window takes.
// A compressed frame takes fewer: it may come out longer, and one step leaves while the next is
// compressed.
func (w *Writer) limit() int {
	limit := maxPiece
	if n := w.c.send.framer.limit; n > 0 {
		limit = min(limit, n)
	}
	if n := w.c.writeWindow.Size(); n > 0 {
		limit = min(limit, max(1, n-maxHeader))
	}
	if w.compressed {
		return max(1, min(limit, maxCompressStep)-compressOverhead)
	}
	return limit
}

// writeFrame sends one frame, not the last.
func (w *Writer) writeFrame(part []byte) error {
	c := w.c
	p := piece{op: w.op, rest: part}
	var n int
	var err error
	if w.compressed {
		p = piece{op: w.op, rsv: w.rsv, plain: part, toCompress: true}
		err = c.writeWindow.Room(w.ctx, len(part)+compressOverhead+maxHeader)
	} else {
		n = c.send.framer.size(&p)
		err = c.writeWindow.TakeWithin(w.ctx, n)
	}
	if err != nil || !w.encode(&p, n) {
		return c.whyNotWritten(w.ctx)
	}
	w.op, w.rsv = ws.OpContinuation, 0
	return nil
}
