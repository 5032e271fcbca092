package conn

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"sync"
)

// A presser compresses the messages of the peer.
//
// RFC 7692, section 7.2.1.
type presser struct {
	takeover bool
	w        *flate.Writer
	out      bytes.Buffer
}

var pressers = sync.Pool{New: func() any {
	w, _ := flate.NewWriter(nil, 1) // no error for a good level
	return w
}}

func (p *presser) press(b []byte) []byte {
	p.out.Reset()
	if p.w == nil {
		p.w = pressers.Get().(*flate.Writer)
		p.w.Reset(&p.out)
	} else if !p.takeover {
		p.w.Reset(&p.out)
	}
	_, _ = p.w.Write(b) // to memory
	_ = p.w.Flush()
	return bytes.TrimSuffix(bytes.Clone(p.out.Bytes()), []byte{0, 0, 0xff, 0xff})
}

func (p *presser) free() {
	if p.w != nil {
		pressers.Put(p.w)
		p.w = nil
	}
}

// An inflater inflates the messages of one direction.
//
// RFC 7692, section 7.2.2.
type inflater struct {
	takeover bool
	bits     int
	dict     []byte
}

var inflaters = sync.Pool{New: func() any { return flate.NewReader(bytes.NewReader(nil)) }}

// inflate returns what b inflates to. If b is not a whole message, it returns what there is of it.
func (i *inflater) inflate(b []byte, whole bool) ([]byte, error) {
	r := inflaters.Get().(io.ReadCloser)
	defer inflaters.Put(r)
	if whole {
		b = append(bytes.Clone(b), 0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff)
	}
	if err := r.(flate.Resetter).Reset(bytes.NewReader(b), i.dict); err != nil {
		return nil, err
	}
	out, err := io.ReadAll(r)
	if !whole && errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	if i.takeover && whole && err == nil {
		i.dict = append(i.dict, out...)
		if n := len(i.dict) - 1<<i.bits; n > 0 {
			i.dict = bytes.Clone(i.dict[n:])
		}
	}
	return out, err
}
