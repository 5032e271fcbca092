package stream

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
)

// Tee returns two streams. Each delivers all chunks of src, in order. The chunks are shared:
// neither branch may change what they refer to. Each branch holds what its limit allows. A branch
// that is not pulled holds back the other when it is full. With limits of zero, a chunk is pulled
// from src only when both branches are pulled. (In the Standard a branch grows without a limit. A
// [Broadcast] has policies that drop chunks instead.)
//
// The first Pull of either branch starts one goroutine, which pulls from src while both branches
// have room. It ends when src does, or when both branches are cancelled. So pull to the end, or
// Cancel. It notices the end of src when both branches have room.
//
// Cancel of one branch leaves the other as it is, and returns nil. Cancel of the second branch
// cancels src, with both causes joined. When src fails, both branches fail, behind the chunks that
// they hold. A negative size fails its branch alone. Both branches pass a panic of src on: see
// [Panic].
//
// Streams Standard, 4.9.2 (ReadableStreamTee).
func Tee[T any, A, B Limit[T]](src Readable[T], a A, b B) (Readable[T], Readable[T]) {
	t := &teed[T]{src: newSource(src)}
	t.branches = [2]*Queue[T]{NewQueueOf(strategyOf[T](a)), NewQueueOf(strategyOf[T](b))}
	t.ctx, t.stop = context.WithCancelCause(context.Background())
	branch := func(q *Queue[T]) Readable[T] {
		// The goroutine is owned by the two branches; it ends with src, or when both are cancelled.
		return &output[T]{
			q:      q,
			begin:  &t.begin,
			start:  func() { go t.run() },
			cancel: func(cause error) error { return t.cancel(q, cause) },
		}
	}
	return branch(t.branches[0]), branch(t.branches[1])
}

type teed[T any] struct {
	src      *source[T]
	branches [2]*Queue[T]
	begin    sync.Once
	ctx      context.Context // the goroutine's, which belongs to no call
	stop     context.CancelCauseFunc

	mu     sync.Mutex
	causes []error // of the branches that were cancelled
}

func (t *teed[T]) run() {
	catch(t.move, func(err error) {
		if err == io.EOF {
			err = nil
		}
		for _, q := range t.branches {
			_ = q.finish(context.Background(), err)
		}
		_ = t.src.Cancel(err)
		t.stop(nil)
	})
}

// move moves chunks until the source or both branches have ended.
func (t *teed[T]) move() error {
	for {
		var ends []error
		for _, q := range t.branches {
			if err := q.Ready(t.ctx); err != nil { // it holds back the other no more
				ends = append(ends, err)
			}
		}
		if len(ends) == len(t.branches) {
			return errors.Join(ends...)
		}
		if slices.ContainsFunc(t.branches[:], func(q *Queue[T]) bool { return !q.hasRoom() }) {
			continue // a Pull that waited has left
		}
		v, err := t.src.Pull(t.ctx)
		if err != nil {
			return err
		}
		for _, q := range t.branches {
			_ = q.Write(t.ctx, v)
		}
	}
}

// cancel cancels one branch, and cancels the source after the second branch. It cancels the source
// first, so that the goroutine sees the end of the source.
func (t *teed[T]) cancel(q *Queue[T], cause error) (err error) {
	t.mu.Lock()
	t.causes = append(t.causes, cause)
	both, causes := len(t.causes) == len(t.branches), errors.Join(t.causes...)
	t.mu.Unlock()
	if both {
		err = t.src.Cancel(causes)
	}
	_ = q.Cancel(cause)
	if both {
		t.stop(causes)
	}
	return err
}
