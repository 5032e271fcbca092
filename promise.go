package wsstream

import "github.com/wsstream/wsstream/stream"

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

// An outcome is what Closed settles with.
type outcome struct {
	info CloseInfo
	err  error
}
