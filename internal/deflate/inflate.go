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
// where the input ran dry and where the room was used up. The zero value has no window; NewInflater makes one.
//
// Between messages it holds the window if the peer's context is taken over, as far as it is filled, and nothing else. While
// a message is under way it borrows some 6 KiB for tables from a pool, and without takeover the window, too. Its
// methods may not be called at once.
type Inflater struct {
	window window
	keep   bool // the peer's context is taken over
	state  *inflate
}

// NewInflater returns an Inflater for a peer with a window of 1<<bits bytes, 8 ≤ bits ≤ 15. keep says that the peer may
// refer to earlier messages.
func NewInflater(bits int, keep bool) *Inflater {
	return &Inflater{window: window{size: 1 << bits}, keep: keep}
}

// Held is how many bytes of memory the Inflater holds, beside itself.
func (f *Inflater) Held() int {
	n := cap(f.window.buf)
	if f.state != nil {
		n += inflateSize
	}
	return n
}

// Open reports whether a message is under way.
func (f *Inflater) Open() bool { return f.state != nil }

// Inflate appends to dst what the next part of a message's payload inflates to, room bytes at most. dst grows as bytes
// come. fin says that src is the last part.
//
// An error of nil says that all of src was used; with fin, the message has ended, and the next call begins another. With
// ErrRoom the room is used up and there is at least one byte more: the next call goes on with src[used:], which may be
// empty. Any other error is the end of the Inflater; what was appended before is valid. src and dst are not kept.
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
	if err == nil && fin && !s.ended() {
		err = ErrTruncated
	}
	if err == nil && fin || err != nil && err != ErrRoom {
		f.state = nil
		defer s.release()
		if !f.keep {
			s.spare, f.window = f.window.buf, window{size: f.window.size}
			return out, used, err
		}
	}
	f.window.add(out[len(dst):])
	return out, used, err
}

// Skip inflates as Inflate does and drops the output, which counts against room, so that later messages can refer to it.
// Without takeover nothing is inflated.
func (f *Inflater) Skip(src []byte, room int, fin bool) (inflated, used int, err error) {
	if !f.keep {
		if fin && f.state != nil {
			f.Close()
		}
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

// Close gives back what was borrowed. The Inflater may not be used for the rest of an open message.
func (f *Inflater) Close() {
	if s := f.state; s != nil {
		f.state = nil
		s.release()
	}
	f.window = window{size: f.window.size}
}

var scratches = sync.Pool{New: func() any { b := make([]byte, 4<<10); return &b }}
