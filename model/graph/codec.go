package graph

import (
	"bytes"
	"errors"
	"io"

	"github.com/wsstream/wsstream/stream"
)

// codec is the codec of an item and its line.
var codec = stream.Codec[[]byte, item]{
	Encode:  func(v item) ([]byte, error) { return []byte(line(v)), nil },
	Decode:  func(p []byte) (item, error) { return parse(string(bytes.TrimSuffix(p, []byte("\n")))) },
	Borrows: true,
}

// decoded decodes the lines of src. The Decode of the codec fails as f says. With s.Sized the codec
// skips what is bad.
func (b *builder) decoded(
	name string, s Step, in *rlog, src stream.Readable[[]byte], f function,
) port {
	c := codec
	c.Decode = func(p []byte) (item, error) {
		v, err := codec.Decode(p)
		if err == nil {
			_, err = f.call(v)
		}
		return v, err
	}
	var bad [][]byte // as reported, with their memory
	var causes []error
	if s.Sized {
		c = c.SkipBad(func(p []byte, err error) {
			b.mu.Lock()
			defer b.mu.Unlock()
			bad, causes = append(bad, p), append(causes, err)
		})
	}
	out := b.probe(name, stream.Decode(src, c))
	decode := func(v any) (item, any, error) {
		got, err := codec.Decode([]byte(v.(string)))
		if err != nil {
			return got, nil, err
		}
		_, panicked, err := f.of(got)
		return got, panicked, err
	}
	b.inline(name, []*rlog{in}, out.log, func() promise {
		return elementwise(in, func(v any, emit func(any)) (any, error) {
			got, panicked, err := decode(v)
			switch {
			case panicked != nil:
				return panicked, nil
			case err == nil:
				emit(got)
				return nil, nil
			case s.Sized:
				return nil, stream.Skip
			case err == io.EOF:
				err = io.ErrUnexpectedEOF
			}
			return nil, &stream.DecodeError[[]byte]{Err: err}
		})
	})
	b.add(law{quiet: func() {
		n := 0
		for _, v := range in.values {
			_, panicked, err := decode(v)
			if panicked != nil {
				break
			}
			if !s.Sized || err == nil {
				continue
			}
			if n == len(bad) {
				b.faultLocked("%s: does not report %q", name, v)
				return
			}
			if string(bad[n]) != v || !same(causes[n], err) && !errors.Is(err, stream.Skip) {
				b.faultLocked("%s: reports %q, %v; the model says %q, %v",
					name, bad[n], causes[n], v, err)
			}
			n++
		}
		if n < len(bad) {
			b.faultLocked("%s: reports %q, which was not bad", name, bad[n])
		}
	}})
	return out
}
