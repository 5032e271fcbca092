package stream

import (
	"context"
	"fmt"
	"io"
)

// A Codec turns values into messages and back, as encoding/json turns values into bytes and back.
// If one function is nil, the codec is for the other direction only. Both functions may be called
// concurrently.
type Codec[M, T any] struct {
	Encode func(T) (M, error) // makes a message of a value
	Decode func(M) (T, error) // makes a value of a message

	// Borrows is set if neither function keeps its argument, nor returns a result that refers to
	// it. Then [Decode] pulls each message into the memory of the last, and what Encode returns is
	// a [Borrower].
	Borrows bool
}

// A DecodeError says which message could not be decoded, and why.
type DecodeError[M any] struct {
	Message M     // that could not be decoded
	Err     error // the decoder's
}

// Error returns the decoder's error. It leaves out the message, which may be large or secret.
func (e *DecodeError[M]) Error() string { return fmt.Sprintf("stream: decode: %v", e.Err) }

// Unwrap returns the decoder's error.
func (e *DecodeError[M]) Unwrap() error { return e.Err }

// SkipBad returns a copy of c whose Decode drops a message that it cannot decode. It passes the
// message and the error to report, which may be nil. Its Decode then returns an error that wraps
// [Skip]. SkipBad panics if c.Decode is nil.
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

// Decode returns the values of the messages of src. A message that cannot be decoded ends the
// stream with a [*DecodeError], and cancels src with it. With [Codec.SkipBad] such a message is
// dropped. For everything else Decode is [Map] with c.Decode. It panics if c.Decode is nil.
func Decode[M, T any](src Readable[M], c Codec[M, T]) Readable[T] {
	mustFunc(c.Decode == nil, "Decode")
	decode := func(m M) (T, error) {
		v, err := c.Decode(m)
		switch {
		case err == io.EOF: // of a decoder that found nothing: no end
			err = &DecodeError[M]{m, io.ErrUnexpectedEOF}
		case err != nil:
			err = &DecodeError[M]{m, err}
		}
		return v, err
	}
	if _, into := src.(PullerInto[M]); !into || !c.Borrows {
		return Map(src, decode)
	}
	r := &reusing[M]{source: newSource(src)}
	return Map(r, func(m M) (T, error) {
		v, err := decode(m)
		if err != nil {
			r.forget() // the error, or report, has the message
		}
		return v, err
	})
}

// A reusing is a source whose Pull pulls into the memory of the last chunk.
type reusing[T any] struct {
	*source[T]
	last T
}

func (r *reusing[T]) Pull(ctx context.Context) (T, error) {
	err := r.PullInto(ctx, &r.last)
	return r.last, err
}

// forget makes the next Pull use other memory.
func (r *reusing[T]) forget() {
	var none T
	r.last = none
}

// Encode returns a [Writable] of values, which writes their messages to dst. It is [MapWriter] with
// c.Encode: a value that cannot be encoded is an error of its Write, and nothing is written. Encode
// panics if c.Encode is nil.
func Encode[M, T any](dst Writable[M], c Codec[M, T]) Writable[T] {
	mustFunc(c.Encode == nil, "Encode")
	return mapWriterOf(dst, c.Encode, c.Borrows)
}
