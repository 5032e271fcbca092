package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/wsstream/wsstream"
)

// A dialer connects a client to one of several gateways, again and again.
type dialer struct {
	urls    []string
	token   string
	options wsstream.DialOptions
	onCut   func(error) // is told why a connection has ended; nil for none
}

// errDone is the end of a talk that wants no other connection.
var errDone = errors.New("done")

// run connects, and calls talk with each connection, until talk returns errDone or an error that
// another connection does not mend. Before the first connection it tries each gateway once.
func (d *dialer) run(ctx context.Context, talk func(context.Context, *wsstream.Conn) error) error {
	options := d.options
	options.Subprotocols = []string{Subprotocol}
	options.MaxMessageSize = -1 // the broker limits a message
	if options.Header = options.Header.Clone(); options.Header == nil {
		options.Header = http.Header{}
	}
	if d.token != "" {
		options.Header.Set("Authorization", "Bearer "+d.token)
	}
	pause := &backoff.ExponentialBackOff{InitialInterval: 50 * time.Millisecond,
		RandomizationFactor: 0.5, Multiplier: 2, MaxInterval: 2 * time.Second}
	reached := false
	for turn := 0; ; turn++ {
		url := d.urls[turn%len(d.urls)]
		opened, err := d.once(ctx, url, &options, talk)
		reached = reached || opened
		switch {
		case errors.Is(err, errDone), ctx.Err() != nil:
			return nil
		case isFinal(err):
			return err
		case !reached && turn+1 >= len(d.urls):
			return fail(statusNoServer, "no gateway at %s: %w", url, err)
		}
		if d.onCut != nil {
			d.onCut(err)
		}
		if opened {
			pause.Reset()
		}
		select {
		case <-time.After(pause.NextBackOff()):
		case <-ctx.Done():
			return nil
		}
	}
}

// once talks on one connection. It reports whether that has opened.
func (d *dialer) once(ctx context.Context, url string, o *wsstream.DialOptions,
	talk func(context.Context, *wsstream.Conn) error,
) (opened bool, err error) {
	conn := wsstream.Dial(ctx, url, o)
	defer conn.CloseNow()
	if _, err := conn.Opened().Wait(ctx); err != nil {
		var h *wsstream.HandshakeError
		if errors.As(err, &h) && h.Status == http.StatusUnauthorized {
			return false, fail(statusToken, "%s refused the token", url)
		}
		if h != nil && h.Status == http.StatusNotFound {
			return false, fmt.Errorf("%w (is the path /ws?)", err)
		}
		return false, err
	}
	if err = talk(ctx, conn); errors.Is(err, errDone) || ctx.Err() != nil {
		late, stop := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer stop()
		_ = conn.Shutdown(late, wsstream.CloseInfo{Code: 1000}) // all was said before
	}
	return true, err
}

// isFinal reports whether another connection does not mend err.
func isFinal(err error) bool {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code != codeUnavailable && e.Code != codeNotPublished
	}
	_, ok := errors.AsType[*failure](err)
	return ok
}

// decode returns a gateway's message: a *Subscribed, a *Message, and so on, or an error that is an
// *Error if the gateway sent one.
func decode(m wsstream.Message) (any, error) {
	var head struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(m.Data, &head); err != nil {
		return nil, err
	}
	var v any
	switch head.Type {
	case typeMessage:
		v = &Message{}
	case typeSubscribed:
		v = &Subscribed{}
	case typeUnsubscribed:
		v = &Unsubscribed{}
	case typeAcked:
		v = &Acked{}
	case typePublished:
		v = &Published{}
	case typeError:
		e := &Error{}
		if err := json.Unmarshal(m.Data, e); err != nil {
			return nil, err
		}
		return nil, e
	default:
		return nil, fmt.Errorf("the gateway sent a message of type %q", head.Type)
	}
	return v, json.Unmarshal(m.Data, v)
}

// A listener gets the messages of a topic, each once and in order. After a cut it goes on
// behind the last message that it got, at any gateway.
type listener struct {
	dialer
	topic string
	after *uint64 // the last message that it has; nil: only new messages
	name  string  // of its position; empty for none
	keys  string  // pattern; empty: all

	began func(Subscribed) // is told of each subscription; nil for none
}

// run calls each for one message after the other. While each runs, the next messages wait: in the
// end on the broker's disk. If each returns errDone, run returns nil.
func (l *listener) run(ctx context.Context, each func(*Message) error) error {
	return l.dialer.run(ctx, func(ctx context.Context, conn *wsstream.Conn) error {
		ask := Subscribe{Type: typeSubscribe, Topic: l.topic, After: l.after, Name: l.name, Keys: l.keys}
		if err := conn.Writable().Write(ctx, frame(ask)); err != nil {
			return err
		}
		for m, err := range conn.Readable().All(ctx) {
			if err != nil {
				return err
			}
			v, err := decode(m)
			if err == nil {
				err = l.got(ctx, conn, v, each)
			}
			if err != nil {
				return err
			}
		}
		return io.EOF
	})
}

// got takes one message of the gateway.
func (l *listener) got(ctx context.Context, conn *wsstream.Conn, v any, each func(*Message) error,
) error {
	switch v := v.(type) {
	case *Subscribed:
		l.after = &v.After
		if l.began != nil {
			l.began(*v)
		}
	case *Message:
		err := each(v)
		if err != nil && !errors.Is(err, errDone) {
			return err
		}
		l.after = &v.Seq
		if l.name == "" {
			return err
		}
		ack := frame(Ack{typeAck, l.topic, v.Seq})
		if errors.Is(err, errDone) { // the last one
			return errors.Join(err, conn.Writable().Write(ctx, ack))
		}
		_, werr := conn.Writable().TryWrite(ack) // without credit: a later message has a later ack
		return cmp.Or(err, werr)
	}
	return nil
}

// A publisher publishes messages. After a cut it repeats those that have no answer. The
// broker drops what it has seen, so each message is in the stream once.
type publisher struct {
	dialer
	published func(*Published) // is told of each answer; nil for none
	answered  chan struct{}    // has a token after an answer

	mu      sync.Mutex
	waiting []Publish // without an answer, in order; guarded by mu
}

// unansweredAtMost is how many messages of a publisher are without an answer.
const unansweredAtMost = 256

// run publishes what comes from source, until that is closed and all has its answer.
func (p *publisher) run(ctx context.Context, source <-chan Publish) error {
	p.answered = make(chan struct{}, 1)
	return p.dialer.run(ctx, func(ctx context.Context, conn *wsstream.Conn) error {
		ctx, stop := context.WithCancelCause(ctx)
		var wg sync.WaitGroup
		defer func() {
			stop(nil)
			wg.Wait()
		}()
		wg.Go(func() { stop(p.answers(ctx, conn)) }) // ends with ctx
		for _, m := range p.unanswered() {
			if err := conn.Writable().Write(ctx, frame(m)); err != nil {
				return cause(ctx, err)
			}
		}
		return p.send(ctx, conn, source)
	})
}

// send writes the messages of source, and waits for the last answer.
func (p *publisher) send(ctx context.Context, conn *wsstream.Conn, source <-chan Publish) error {
	for {
		if err := p.await(ctx, unansweredAtMost-1); err != nil {
			return err
		}
		select {
		case m, ok := <-source:
			if !ok {
				return cmp.Or(p.await(ctx, 0), errDone)
			}
			p.keep(m)
			if err := conn.Writable().Write(ctx, frame(m)); err != nil {
				return cause(ctx, err)
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// await waits until at most so many messages are without an answer.
func (p *publisher) await(ctx context.Context, most int) error {
	for p.count() > most {
		select {
		case <-p.answered:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// answers takes the gateway's answers. It returns why there are no more.
func (p *publisher) answers(ctx context.Context, conn *wsstream.Conn) error {
	for m, err := range conn.Readable().All(ctx) {
		if err != nil {
			return err
		}
		v, err := decode(m)
		if err != nil {
			return err // after "not-published", the next connection repeats what has no answer
		}
		if v, ok := v.(*Published); ok && p.drop(v.ID) && p.published != nil {
			p.published(v)
		}
	}
	return io.EOF
}

func (p *publisher) keep(m Publish) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting = append(p.waiting, m)
}

// drop drops the message that was answered. It reports false if that was answered before.
func (p *publisher) drop(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, m := range p.waiting {
		if m.ID == id {
			p.waiting = slices.Delete(p.waiting, i, i+1)
			select {
			case p.answered <- struct{}{}:
			default:
			}
			return true
		}
	}
	return false
}

func (p *publisher) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.waiting)
}

func (p *publisher) unanswered() []Publish {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.waiting)
}

// cause returns why ctx has ended, or err if it has not.
func cause(ctx context.Context, err error) error {
	if c := context.Cause(ctx); c != nil {
		return c
	}
	return err
}
