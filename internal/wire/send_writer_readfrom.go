package wire

import "io"

// ReadFrom sends the bytes of r until r ends, in a frame or more for each Read. It reads once half
// of the window is free, and no more than there is credit for. So bytes that were read do not wait,
// and a stalled message holds no buffer. Other Writes may come between two frames.
func (w *Writer) ReadFrom(r io.Reader) (n int64, err error) {
	for empty := 0; err == nil && empty < maxEmptyReads; empty++ {
		var size, sent int
		if size, err = w.room(); err == nil {
			sent, err = w.readOne(r, size)
		}
		if n += int64(sent); sent > 0 {
			empty = -1
		}
	}
	if err == nil {
		return n, io.ErrNoProgress
	}
	if err == io.EOF {
		return n, nil
	}
	return n, err
}

// room waits until half of the window is free, and returns how many bytes to read. That is as many
// as there is credit for, however short the frames are.
func (w *Writer) room() (int, error) {
	if err := w.lock(); err != nil {
		return 0, err
	}
	defer w.turn.Unlock()
	window, need := &w.c.writeWindow, maxPiece
	if size := window.Size(); size > 0 {
		need = min(need, size/2)
	}
	if window.Room(w.ctx, need) != nil {
		return 0, w.c.whyNotWritten(w.ctx)
	}
	overhead := maxHeader
	if w.compressed {
		overhead += compressOverhead
	}
	return max(1, min(maxPiece, payloadWithin(window.Credit(), w.limit(), overhead))), nil
}

// payloadWithin returns how many payload bytes there are in so many bytes of frames. limit and
// overhead are of each frame.
func payloadWithin(bytes, limit, overhead int) int {
	frame := limit + overhead
	return bytes/frame*limit + max(0, bytes%frame-overhead)
}

// readOne sends the bytes of one Read of at most size bytes, and returns how many it sent. The
// error of the Read comes after its bytes.
func (w *Writer) readOne(r io.Reader, size int) (sent int, err error) {
	c := borrow(size)
	defer c.release()
	n, end := r.Read(c.buf[:size])
	if n > 0 {
		if sent, err = w.Write(c.buf[:n]); err != nil {
			return sent, err
		}
	}
	return sent, end
}
