package wsstream

import "github.com/wsstream/wsstream/stream"

// A promise is a Future that is made for the first who asks for it, as few do for most connections.
type promise[T any] struct {
	future *stream.Future[T] // nil until somebody asks
	settle func(T, error) bool
}

// made reports whether somebody has asked, and makes the Future if not.
func (p *promise[T]) made() bool {
	if p.future != nil {
		return true
	}
	p.future, p.settle = stream.NewFuture[T]()
	return false
}

// settled settles the Future, if there is one.
func (p *promise[T]) settled(v T, err error) {
	if p.future != nil {
		p.settle(v, err)
	}
}

// An outcome is what Closed settles with.
type outcome struct {
	info CloseInfo
	err  error
}
