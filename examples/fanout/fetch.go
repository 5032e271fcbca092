package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"
)

const (
	fetchAtMost  = 256                    // messages of one fetch
	fetchTimeout = 5 * time.Second        // of one fetch
	fetchAgain   = 200 * time.Millisecond // after a fetch that failed
)

// fetches lets subscribers catch up, by direct gets from the stream. A fixed number of goroutines
// serves them in the order they came. A subscriber that waits is a pointer in the queue.
type fetches struct {
	ctx  context.Context
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu    sync.Mutex
	some  sync.Cond // with mu; queue has an element, or ctx has ended
	queue []*subscriber
}

// newFetches starts the goroutines.
func newFetches(many int) *fetches {
	f := &fetches{}
	f.some.L = &f.mu
	f.ctx, f.stop = context.WithCancel(context.Background())
	for range many {
		f.wg.Go(func() { // ends with close
			for sub := f.first(); sub != nil; sub = f.first() {
				f.serve(sub)
			}
		})
	}
	return f
}

// add lets a subscriber, whose state is fetching, catch up.
func (f *fetches) add(sub *subscriber) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.queue = append(f.queue, sub)
	f.some.Signal()
}

// first waits for a subscriber. It returns nil at the end.
func (f *fetches) first() *subscriber {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.queue) == 0 && f.ctx.Err() == nil {
		f.some.Wait()
	}
	if f.ctx.Err() != nil {
		return nil
	}
	sub := f.queue[0]
	f.queue[0] = nil
	f.queue = f.queue[1:]
	return sub
}

// close ends the goroutines.
func (f *fetches) close() {
	f.stop()
	f.mu.Lock()
	f.some.Broadcast()
	f.mu.Unlock()
	f.wg.Wait()
}

// serve fetches once for a subscriber, and gives it back to its shard. After a failure it does so a
// little later.
func (f *fetches) serve(sub *subscriber) {
	err := f.fetch(sub)
	var e *Error
	switch {
	case err == nil, sub.gone.Load():
	case errors.As(err, &e):
		sub.session.refuse(sub, e)
	default:
		sub.topic.seen.fetchFailures.Inc()
		time.AfterFunc(fetchAgain, func() { sub.shard.fetchDone(sub) })
		return
	}
	sub.shard.fetchDone(sub)
}

// errNothing says that a fetch brought no message, although the stream should have one.
var errNothing = errors.New("the broker has sent nothing")

// fetch gets as many messages as the subscriber's credit allows, and writes them.
func (f *fetches) fetch(sub *subscriber) error {
	credit := sub.session.conn.Writable().DesiredSize()
	if credit <= 0 || sub.gone.Load() {
		return nil // the shard will see that
	}
	ctx, stop := context.WithTimeout(f.ctx, fetchTimeout)
	defer stop()
	t := sub.topic
	low, _ := t.ring.bounds()
	opts := []jetstreamext.GetBatchOpt{
		jetstreamext.GetBatchSeq(sub.next), jetstreamext.GetBatchMaxBytes(credit),
	}
	if sub.keys != "" {
		opts = append(opts, jetstreamext.GetBatchSubject(subjectOf(t.name, sub.keys)))
	}
	batch, err := jetstreamext.GetBatch(ctx, t.js, streamOf(t.name), fetchAtMost, opts...)
	if err != nil {
		return err
	}
	t.seen.fetches.Inc()
	var got []*jetstream.RawStreamMsg // as much as the credit, or one
	next, hole := sub.next, false
	for m, e := range batch {
		if err = e; err != nil {
			break
		}
		hole = hole || m.Sequence > next
		next = m.Sequence + 1
		got = append(got, m)
	}
	t.seen.fetched.Add(float64(len(got)))
	switch {
	case len(got) > 0: // an error ends the next fetch, too
		return f.give(ctx, sub, got, hole)
	case errors.Is(err, jetstreamext.ErrNoMessages):
		return f.skipHole(ctx, sub, low)
	case err != nil:
		return err
	}
	return errNothing
}

// give writes what a fetch brought. If the stream has dropped messages that the subscriber needs,
// give returns an Error. Holes that are not at the stream's beginning were made by an operator, or
// by the policy Latest. The stream may drop messages while a fetch reads it, so give asks for the
// stream's beginning after the fetch.
func (f *fetches) give(
	ctx context.Context, sub *subscriber, got []*jetstream.RawStreamMsg, hole bool,
) error {
	t, first := sub.topic, uint64(0)
	if hole && t.policy == All {
		var err error
		if first, err = t.first(ctx); err != nil {
			return err
		}
	}
	for _, m := range got {
		if m.Sequence > sub.next {
			if gone := goneError(t, sub.next, first); gone != nil {
				return gone
			}
		}
		frame := messageFrame(t.name, m.Sequence, keyOf(t.name, m.Subject), m.Data)
		if ok, err := sub.session.give(sub, frame); err != nil || !ok {
			return nil // the rest stays in the stream
		}
		t.seen.fromStream.Inc()
		sub.next = m.Sequence + 1
	}
	return nil
}

// goneError returns an Error if next is older than the first message of the stream. A subscriber
// that has nothing yet begins with the first message, whatever its number is.
func goneError(t *topic, next, first uint64) *Error {
	if next >= first || next == 1 {
		return nil
	}
	return &Error{Type: typeError, Code: codeGone, Topic: t.name, First: first,
		Text: fmt.Sprintf("message %d is gone; the topic keeps %d and later ones", next, first)}
}

// skipHole moves a subscriber on if the stream has no message for it before low, the beginning of
// the ring. A replica that is behind may have said so too early, so skipHole asks the leader.
func (f *fetches) skipHole(ctx context.Context, sub *subscriber, low uint64) error {
	first, err := sub.topic.first(ctx)
	if err != nil {
		return err
	}
	if sub.topic.policy == All {
		if gone := goneError(sub.topic, sub.next, first); gone != nil {
			return gone
		}
	}
	if sub.next < first {
		sub.next = first
		return nil
	}
	next, err := leaderNext(ctx, sub)
	switch {
	case err != nil:
		return err
	case next == sub.next:
		return errNothing
	case next == 0 || next > low:
		next = low
	}
	sub.next = max(sub.next, next)
	return nil
}

// leaderNext asks the stream's leader for the number of the next message that matches the
// subscriber's keys, or 0 if there is none.
func leaderNext(ctx context.Context, sub *subscriber) (uint64, error) {
	t := sub.topic
	req, err := json.Marshal(map[string]any{
		"seq": sub.next, "next_by_subj": subjectOf(t.name, cmp.Or(sub.keys, ">")),
	})
	if err != nil {
		return 0, err
	}
	reply, err := t.js.Conn().RequestMsgWithContext(ctx, &nats.Msg{
		Subject: "$JS.API.STREAM.MSG.GET." + streamOf(t.name), Data: req,
	})
	if err != nil {
		return 0, err
	}
	var answer struct {
		Error *struct {
			Code        int    `json:"code"`
			Description string `json:"description"`
		} `json:"error"`
		Message struct {
			Seq uint64 `json:"seq"`
		} `json:"message"`
	}
	if err := json.Unmarshal(reply.Data, &answer); err != nil {
		return 0, err
	}
	switch {
	case answer.Error == nil:
		return answer.Message.Seq, nil
	case answer.Error.Code == 404:
		return 0, nil
	}
	return 0, errors.New(answer.Error.Description)
}
