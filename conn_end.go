package wsstream

import (
	"io"

	"github.com/wsstream/wsstream/stream"
)

// A promise is a Future and what settles it. It is made for the first who asks for it: for most connections nobody does.
type promise[T any] struct {
	future *stream.Future[T]
	settle func(T, error) bool
}

func newPromise[T any]() *promise[T] {
	f, settle := stream.NewFuture[T]()
	return &promise[T]{f, settle}
}

// settled settles the promise, if there is one.
func (p *promise[T]) settled(v T, err error) {
	if p != nil {
		p.settle(v, err)
	}
}

// An outcome is how a connection has ended.
type outcome struct {
	info CloseInfo // of Closed, as the next one
	err  error
	end  error // what pulls end with: io.EOF, or an error
}

// cause returns the end as the cause of a context.
func (o *outcome) cause() error {
	if o.end == io.EOF {
		return &Error{CloseInfo: o.info, Err: ErrClosed}
	}
	return o.end
}
