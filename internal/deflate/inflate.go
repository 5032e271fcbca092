package deflate

import (
	"errors"
	"sync"
)

var (
	// ErrRoom is what Inflate returns where there is more of the message than room for it.
	ErrRoom = errors.New("the message inflates to more than there is room for")

	// ErrCorrupt is what Inflate returns for data that is no DEFLATE stream, or that refers to what is not in the window.
	ErrCorrupt = errors.New("the message is not valid permessage-deflate data")

	// ErrTruncated is what Inflate returns for a message that ends inside a block.
	ErrTruncated = errors.New("the message's permessage-deflate data ends too early")
)

// An Inflater inflates the messages that come on one connection, one after another, as their payload comes: it goes on
// where the input ran dry and where the room was used up.
//
// Between messages it holds the peer's window if its context is taken over, as far as it is filled, and nothing else.
// While a message is under way it borrows 4 KiB for tables from a pool, and without takeover the window, too. Its
// methods may not be called at once.
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

// Held is how many bytes of memory the Inflater holds, beside itself.
func (f *Inflater) Held() int {
	n := cap(f.window.buf)
	if f.state != nil {
		n += inflateSize
	}
	return n
}

// Blocks returns how many blocks have ended since it was called before. A sender may put as many as it likes between two
// bytes: nothing but the caller's patience bounds them.
func (f *Inflater) Blocks() int {
	n := f.blocks
	f.blocks = 0
	return n
}

// Open reports whether a message is under way.
func (f *Inflater) Open() bool { return f.state != nil }

// Inflate appends to dst what the next part of a message's payload inflates to, room bytes at most. dst grows as bytes
// come. fin says that src is the last part.
//
// An error of nil says that all of src was used; with fin, the message has ended, and the next call begins another. With
// ErrRoom the room is used up and there is at least one byte more: the next call goes on with src[used:], which may be
// empty. Any other error is the end of the Inflater; what was appended before it is valid. src and dst are not kept.
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

// Skip inflates as Inflate does, and drops what it inflates to, room bytes at most, so that later messages can refer to
// it. Without takeover nothing need be inflated. Once a part of a message was skipped, all that follow must be.
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

// Close gives back what was borrowed, and forgets what was remembered: an open message cannot be gone on with.
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
