package deflate

import (
	"errors"
	"sync"
)

var (
	// ErrRoom is the error of Inflate where the message needs more room than there is.
	ErrRoom = errors.New("the message inflates to more than there is room for")

	// ErrCorrupt is the error of Inflate for data that is no DEFLATE stream, or that refers to
	// bytes outside the window.
	ErrCorrupt = errors.New("the message is not valid permessage-deflate data")

	// ErrTruncated is the error of Inflate for a message that ends inside a block.
	ErrTruncated = errors.New("the message's permessage-deflate data ends too early")
)

// An Inflater inflates the messages that come on one connection, one after another, as their
// payload comes. It continues where the input ended, or where the room was used up.
//
// Between messages it keeps nothing, unless the peer's context is taken over. Then it keeps the
// bytes in the peer's window. While a message is under way, it borrows 4 KiB for tables from a
// pool. Without takeover it borrows the window, too. Its methods must not be called concurrently.
type Inflater struct {
	window window
	keep   bool // the peer's context is taken over
	state  *inflate
	blocks int
}

// NewInflater returns an Inflater for what was agreed about the peer's side.
func NewInflater(peer Sender) *Inflater {
	return &Inflater{window: window{size: 1 << peer.Bits}, keep: !peer.NoTakeover}
}

// Blocks returns how many blocks have ended since the last call. A sender may put any number of
// blocks between two bytes, so the caller has to limit them.
func (f *Inflater) Blocks() int {
	n := f.blocks
	f.blocks = 0
	return n
}

// Inflate inflates src, the next part of a message's payload, and appends at most room bytes to
// dst. dst grows as bytes come. fin says that src is the last part. src and dst are not kept.
//
// If the error is nil, all of src was used. With fin the message has ended then, and the next call
// begins another. If it is ErrRoom, the room is used up and there is at least one byte more. The
// next call continues with src[used:], which may be empty. Any other error is the end of the
// Inflater. The bytes that were appended before it are valid.
//
// RFC 7692, section 7.2.2.
func (f *Inflater) Inflate(dst, src []byte, room int, fin bool) (out []byte, used int, err error) {
	s := f.state
	if s == nil {
		s = inflates.Get().(*inflate)
		f.state = s
		if !f.keep {
			f.window.buf, s.spare = s.spare[:0], nil
		}
	}
	out, used, err = s.run(&f.window, dst, src, room)
	f.blocks += s.ends
	if err == nil && fin && !s.ended() {
		err = ErrTruncated
	}
	if open := err == ErrRoom || err == nil && !fin; open || f.keep {
		f.window.add(out[len(dst):])
		if open {
			return out, used, err
		}
	}
	f.release()
	return out, used, err
}

// Skip inflates at most room bytes as Inflate does, and drops them, so that later messages can
// refer to them. Without takeover it inflates nothing. Once a part of a message was skipped, all
// later parts of it must be.
func (f *Inflater) Skip(src []byte, room int, fin bool) (inflated, used int, err error) {
	if !f.keep {
		f.release()
		return 0, len(src), nil
	}
	scratch := scratches.Get().(*[]byte)
	defer scratches.Put(scratch)
	for {
		out, n, err := f.Inflate((*scratch)[:0], src[used:], min(room-inflated, cap(*scratch)), fin)
		used += n
		inflated += len(out)
		if err != ErrRoom || inflated == room {
			return inflated, used, err
		}
	}
}

// Close gives back what was borrowed, and forgets the window. An open message cannot be continued.
func (f *Inflater) Close() {
	f.release()
	f.window = window{size: f.window.size}
}

// release ends a message.
func (f *Inflater) release() {
	s := f.state
	if s == nil {
		return
	}
	if !f.keep {
		s.spare, f.window = f.window.buf, window{size: f.window.size}
	}
	f.state = nil
	s.release()
}

var scratches = sync.Pool{New: func() any { b := make([]byte, 4<<10); return &b }}
