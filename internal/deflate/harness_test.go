package deflate

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
)

var inflateSize = int(reflect.TypeFor[inflate]().Size())

// text returns n bytes of JSON, different for each seed.
func text(n, seed int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"items":[`)
	for i := seed; b.Len() < n; i++ {
		fmt.Fprintf(&b, `{"id":%d,"user":"user%d","price":%d.%02d,"active":%v,"note":"order number %d shipped to %s"},`,
			1000+i*7919%100000, i*31%977, i*17%500, i*13%100, i%3 == 0, i*101%9973,
			[]string{"Berlin", "Paris", "Oslo", "Tokyo"}[i%4])
	}
	return b.Bytes()[:n]
}

// A stdPeer compresses messages with the standard library.
type stdPeer struct {
	buf bytes.Buffer
	w   *flate.Writer
}

func newStdPeer(level int) *stdPeer {
	p := &stdPeer{}
	p.w, _ = flate.NewWriter(&p.buf, level)
	return p
}

func (p *stdPeer) message(data []byte) []byte {
	p.buf.Reset()
	p.w.Write(data)
	p.w.Flush()
	return bytes.Clone(bytes.TrimSuffix(p.buf.Bytes(), []byte{0, 0, 0xff, 0xff}))
}

// stdInflate inflates a message with the standard library.
func stdInflate(message, dict []byte) ([]byte, error) {
	ended := append(bytes.Clone(message), 0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff)
	r := flate.NewReaderDict(bytes.NewReader(ended), dict)
	return io.ReadAll(r)
}

// noise returns n bytes that cannot be compressed.
func noise(n int) []byte {
	p := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(p)
	return p
}

// both returns two Senders with a window of 1<<bits bytes: with context takeover, and without.
func both(bits int) []Sender { return []Sender{{Bits: bits}, {bits, true}} }

// held returns how many bytes of memory the Deflater keeps, beside itself.
func (d *Deflater) held() int {
	if d.history == nil {
		return 0
	}
	return cap(d.history.buf)
}

// held returns how many bytes of memory the Inflater keeps, beside itself.
func (f *Inflater) held() int {
	n := cap(f.window.buf)
	if f.state != nil {
		n += inflateSize
	}
	return n
}
