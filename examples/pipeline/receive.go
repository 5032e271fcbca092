package main

import (
	"cmp"
	"context"

	"golang.org/x/time/rate"

	"github.com/wsstream/wsstream"
)

// receive takes what a sender sends, through the transform and on to a slow consumer, until the
// sender says what it has sent. It answers with what has come, and returns both.
//
// The next message is pulled when the consumer is done with the last: nothing else keeps the sender
// from being faster than the consumer. Each message is pulled into the memory of the one before.
func receive(
	ctx context.Context, conn *wsstream.Conn, limit rate.Limit,
) (sent, received total, err error) {
	sum, slow := newTally(), newConsumer(limit)
	var m wsstream.Message
	for {
		if err := conn.Readable().PullInto(ctx, &m); err != nil {
			return sent, received, hungUp(ctx, conn, "sender", err)
		}
		if m.Type == wsstream.TypeText {
			break
		}
		if _, err := sum.Write(m.Data); err != nil {
			return sent, received, err
		}
		if err := slow.consume(ctx, m.Data); err != nil {
			return sent, received, err
		}
	}
	if sent, err = parseTotal(m); err != nil {
		return sent, received, err
	}
	received = sum.total()
	if m, err = received.message(); err != nil {
		return sent, received, err
	}
	return sent, received, hungUp(ctx, conn, "sender", conn.Writable().Write(ctx, m))
}

// A consumer takes bytes at a rate of its own: it stands for a disk, a database or another
// service.
type consumer struct{ limiter *rate.Limiter }

func newConsumer(limit rate.Limit) consumer {
	return consumer{rate.NewLimiter(limit, chunk)}
}

func (c consumer) consume(ctx context.Context, p []byte) error {
	for n := len(p); n > 0; n -= chunk {
		if err := c.limiter.WaitN(ctx, min(n, chunk)); err != nil {
			return cmp.Or(context.Cause(ctx), err)
		}
	}
	return nil
}
