package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/wsstream/wsstream"
)

// A person is one of the program's own. Its messages come to hear, and it has no goroutine.
type person struct {
	name string
	conn *wsstream.Conn

	last  atomic.Int64 // the number of what it heard last; 0 before
	heard atomic.Int64
	left  chan error // its end
}

// A crowd is all of them.
type crowd struct {
	people []*person

	mu   sync.Mutex
	said map[string]time.Time // when a text was said; guarded by mu
	late []time.Duration      // from then until a person has heard it; guarded by mu
}

// talk lets people of the program's own talk in turn, and reports what they have heard.
func talk(ctx context.Context, o *options, url string, stdout io.Writer) error {
	c := &crowd{said: map[string]time.Time{}}
	defer func() {
		for _, p := range c.people {
			p.conn.CloseNow()
		}
	}()
	began := time.Now()
	if err := c.join(ctx, url, o.crowd); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(stdout, "%d people came in %v; the program has %d goroutines\n",
		o.crowd, time.Since(began).Round(time.Millisecond), runtime.NumGoroutine())
	said, err := c.talk(ctx, o)
	if err != nil {
		return err
	}
	if err := c.check(ctx, int64(said)); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	slices.Sort(c.late)
	_, _ = fmt.Fprintf(stdout, "%d things were said, and heard %d times: half of them within %v, 99 %% within %v\n",
		said, len(c.late), c.late[len(c.late)/2].Round(time.Microsecond),
		c.late[len(c.late)*99/100].Round(time.Microsecond))
	return nil
}

// join lets many people in, some concurrently.
func (c *crowd) join(ctx context.Context, room string, many int) error {
	c.people = make([]*person, many)
	var group errgroup.Group
	group.SetLimit(50)
	for i := range c.people {
		p := &person{name: "person " + strconv.Itoa(i+1), left: make(chan error, 1)}
		p.conn = wsstream.Dial(ctx, room+"?name="+url.QueryEscape(p.name), nil)
		c.people[i] = p
		group.Go(func() error {
			if _, err := p.conn.Opened().Wait(ctx); err != nil {
				return fmt.Errorf("%s cannot come: %w", p.name, err)
			}
			return p.conn.Readable().Handle(
				func(m wsstream.Message) error { return c.hear(p, m) },
				func(err error) { p.left <- err },
			)
		})
	}
	return group.Wait()
}

// hear notes what a person has heard. Of all that is said, nothing may be missing.
func (c *crowd) hear(p *person, m wsstream.Message) error {
	now := time.Now()
	var s saying
	if err := json.Unmarshal(m.Data, &s); err != nil {
		return err
	}
	if last := p.last.Swap(s.N); last != 0 && s.N != last+1 {
		return fmt.Errorf("%s heard number %d after %d", p.name, s.N, last)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if at, ok := c.said[s.Text]; ok {
		c.late = append(c.late, now.Sub(at))
	}
	p.heard.Add(1)
	return nil
}

// talk lets the people say something in turn. It returns how many things were said.
func (c *crowd) talk(ctx context.Context, o *options) (said int, err error) {
	tick := time.NewTicker(time.Second / time.Duration(o.rate))
	defer tick.Stop()
	end := time.After(o.length)
	for {
		select {
		case <-ctx.Done():
			return said, nil
		case <-end:
			return said, nil
		case <-tick.C:
		}
		text := "this is number " + strconv.Itoa(said+1)
		c.mu.Lock()
		c.said[text] = time.Now()
		c.mu.Unlock()
		p := c.people[said%len(c.people)]
		if err := p.conn.Writable().Write(ctx, wsstream.Text(text)); err != nil {
			return said, fmt.Errorf("%s cannot say anything: %w", p.name, err)
		}
		said++
	}
}

// errSilence says that the crowd had no time to say anything.
var errSilence = errors.New("nothing was said in that time")

// check waits until all people have heard all that was said.
func (c *crowd) check(ctx context.Context, said int64) error {
	if said == 0 {
		return errSilence
	}
	late, stop := context.WithTimeout(ctx, 30*time.Second)
	defer stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for _, p := range c.people {
		for p.heard.Load() < said {
			select {
			case err := <-p.left:
				return fmt.Errorf("%s has left after %d of %d: %w", p.name, p.heard.Load(), said, err)
			case <-late.Done():
				return fmt.Errorf("%s has heard %d of %d", p.name, p.heard.Load(), said)
			case <-tick.C:
			}
		}
	}
	return nil
}
