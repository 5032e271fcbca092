package stream

import (
	"fmt"
	"io"
)

// A Codec turns values into messages and back, as encoding/json does values and bytes. A nil function is a codec for
// one way only. Both may be called at once.
type Codec[M, T any] struct {
	Encode func(T) (M, error)
	Decode func(M) (T, error)
}

// A DecodeError says that a message could not be decoded, and which.
type DecodeError[M any] struct {
	Message M
	Err     error
}

// Error tells what is wrong, not the message, which may be large or secret.
func (e *DecodeError[M]) Error() string { return fmt.Sprintf("stream: decode: %v", e.Err) }

// Unwrap returns the decoder's error.
func (e *DecodeError[M]) Unwrap() error { return e.Err }

// SkipBad returns c with a Decode that drops a message it can't decode, and reports it; report may be nil. It returns
// errors that wrap Skip. SkipBad panics if c.Decode is nil.
func (c Codec[M, T]) SkipBad(report func(M, error)) Codec[M, T] {
	mustFunc(c.Decode == nil, "SkipBad")
	decode := c.Decode
	c.Decode = func(m M) (T, error) {
		v, err := decode(m)
		if err != nil {
			if report != nil {
				report(m, err)
			}
			err = fmt.Errorf("%w: %w", Skip, err)
		}
		return v, err
	}
	return c
}

// Decode returns the values of the messages of src. A message that can't be decoded ends the stream with a
// *DecodeError, and src is cancelled with it; with c.SkipBad it is dropped. Otherwise it is Map with c.Decode, and
// panics if that is nil.
func Decode[M, T any](src Readable[M], c Codec[M, T]) Readable[T] {
	mustFunc(c.Decode == nil, "Decode")
	return Map(src, func(m M) (T, error) {
		v, err := c.Decode(m)
		switch {
		case err == io.EOF: // of a decoder that found nothing; it is no end
			err = &DecodeError[M]{m, io.ErrUnexpectedEOF}
		case err != nil:
			err = &DecodeError[M]{m, err}
		}
		return v, err
	})
}

// Encode returns a Writable of values, whose messages are written to dst. It is MapWriter with c.Encode, and panics if
// that is nil: a value that can't be encoded is an error of its Write, and nothing is written.
func Encode[M, T any](dst Writable[M], c Codec[M, T]) Writable[T] {
	mustFunc(c.Encode == nil, "Encode")
	return MapWriter(dst, c.Encode)
}
