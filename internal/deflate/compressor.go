package deflate

import (
	"sync"

	"github.com/klauspost/compress/flate"
)

// A compressor is a Writer of some 800 KB or more, and its output. It keeps no data from one call
// to the next, only memory. So there are as many compressors as there are concurrent calls.
type compressor struct {
	w   *flate.Writer
	out []byte
}

// Write appends p to what was compressed.
func (c *compressor) Write(p []byte) (int, error) {
	c.out = append(c.out, p...)
	return len(p), nil
}

// The kinds of compressors are the levels 1 to 9, and behind them the windows, windowed+bits.
const windowed = 10

var compressors [windowed + MaxBits]sync.Pool

// compress appends blocks that make up src and refer to dict, and an empty block. The output ends
// with 0, 0, 255, 255.
func (c *compressor) compress(dst, src, dict []byte) []byte {
	c.out = dst
	c.w.ResetDict(c, dict)
	_, _ = c.w.Write(src) // it fails only if Write above does
	_ = c.w.Flush()
	dst, c.out = c.out, nil
	return dst
}

func newCompressor(kind int) *compressor {
	c := new(compressor)
	var err error
	if kind < windowed {
		c.w, err = flate.NewWriter(c, kind)
	} else {
		c.w, err = flate.NewWriterWindow(c, 1<<(kind-windowed))
	}
	if err != nil {
		panic(err) // there is no such level
	}
	return c
}
