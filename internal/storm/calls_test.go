package storm_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/wsstream/wsstream"
)

// stormCalls are calls that may be made at any time.
var stormCalls = []func(c *caller, ctx context.Context){
	func(c *caller, _ context.Context) { c.stats() },
	func(c *caller, _ context.Context) { c.totals() },
	func(c *caller, ctx context.Context) {
		if d, err := c.conn.Ping(ctx); d < 0 || err != nil && !c.ends(err) {
			c.fault("Ping: %v, %v", d, err)
		}
	},
	func(c *caller, ctx context.Context) { c.may("Flush", c.conn.Writable().Flush(ctx)) },
	func(c *caller, ctx context.Context) { c.may("Ready", c.conn.Writable().Ready(ctx)) },
	func(c *caller, _ context.Context) { _ = c.conn.Writable().DesiredSize() },
	func(c *caller, ctx context.Context) {
		_, err := c.conn.Opened().Wait(ctx)
		c.may("Opened", err)
	},
	func(c *caller, ctx context.Context) {
		some, cancel := context.WithTimeoutCause(ctx, time.Millisecond, errMoment)
		defer cancel()
		_, err := c.conn.Closed().Wait(some)
		c.may("Closed", err)
	},
	func(c *caller, _ context.Context) { _, _, _ = c.conn.Closed().Peek() },
	func(c *caller, _ context.Context) { _ = context.Cause(c.conn.Context()) },
	func(c *caller, _ context.Context) {
		if err := c.conn.Close(wsstream.CloseInfo{Code: 1005}); err == nil {
			c.fault("a code was taken that may not be sent")
		}
	},
	func(c *caller, ctx context.Context) {
		if c.conn.Writable().Write(ctx, wsstream.Text("\xff")) == nil {
			c.fault("bad text was taken")
		}
	},
	func(c *caller, _ context.Context) {
		_ = fmt.Sprint(c.conn.LocalAddr(), c.conn.RemoteAddr(), c.conn.URL(), c.conn.Duplex())
	},
	func(c *caller, _ context.Context) { _ = c.accpt.Len() },
	func(c *caller, _ context.Context) {
		select {
		case <-c.conn.Readable().Done():
		case <-c.conn.Writable().Done():
		default:
		}
	},
	func(c *caller, ctx context.Context) {
		_ = wsstream.NetConn(c.conn, wsstream.TypeText).SetDeadline(time.Now().Add(time.Millisecond))
		_ = ctx
	},
}

// A caller is a goroutine that calls methods of a Conn.
type caller struct {
	*storm
	i       int
	conn    *wsstream.Conn
	r       *rand.Rand
	haste   int // of how many calls one is followed by a pause
	out, in *lane
	long    context.Context // for several calls
	stop    context.CancelFunc
	before  wsstream.Stats
	sums    wsstream.Totals
}

var errMoment = errors.New("the context's moment has come")

// moment returns a context that ends at some moment, mostly, with errMoment.
func (c *caller) moment() (context.Context, context.CancelFunc) {
	some := time.Duration(c.r.IntN(3000)) * time.Microsecond
	switch c.r.IntN(8) {
	case 0, 1:
		return context.WithTimeoutCause(c.ctx, some, errMoment)
	case 2:
		ctx, cancel := context.WithCancelCause(c.ctx)
		t := time.AfterFunc(some, func() { cancel(errMoment) })
		return ctx, func() { t.Stop(); cancel(nil) }
	case 3:
		if c.r.IntN(10) > 0 {
			break
		}
		ctx, cancel := context.WithCancelCause(c.ctx)
		cancel(errMoment)
		return ctx, func() {}
	case 4:
		if c.long == nil || c.long.Err() != nil {
			if c.stop != nil {
				c.stop()
			}
			c.long, c.stop = context.WithTimeoutCause(c.ctx, 5*some, errMoment)
		}
		return c.long, func() {}
	case 5:
		// The end of the Conn's own context ends no call.
		return context.WithTimeoutCause(c.conn.Context(), 10*some, errMoment)
	}
	return c.ctx, func() {}
}

// pause lets others run, and a bubble's clock.
func (c *caller) pause() {
	if c.r.IntN(c.haste) == 0 {
		<-time.After(time.Duration(c.r.IntN(200)) * time.Microsecond)
	}
}

func (c *caller) leave() {
	if c.stop != nil {
		c.stop()
	}
}

// ends reports whether a call may fail with err when its context or the connection ends.
func (c *caller) ends(err error) bool {
	_, isError := errors.AsType[*wsstream.Error](err)
	return isError || errors.Is(err, errMoment) || errors.Is(err, errAbort) ||
		errors.Is(err, wsstream.ErrClosed) || c.end == cutText && strings.Contains(err.Error(), cutText)
}

func (c *caller) may(call string, err error) {
	if err != nil && !c.ends(err) {
		c.fault("%s: %v", call, err)
	}
}

// meddle calls what neither reads nor writes.
func (c *caller) meddle() {
	defer c.leave()
	for {
		select {
		case <-c.conn.Closed().Done():
			for _, call := range stormCalls { // all are defined after the end, too
				call(c, c.ctx)
			}
			return
		default:
		}
		if c.reading[c.i] == dropped && c.r.IntN(50) == 0 {
			c.note(func() { c.facts[c.i].dropped = true })
			c.conn.Readable().Discard()
		}
		ctx, cancel := c.moment()
		stormCalls[c.r.IntN(len(stormCalls))](c, ctx)
		cancel()
		c.pause()
		if c.r.IntN(20) == 0 {
			<-time.After(time.Microsecond)
		}
	}
}

// stats checks that what Stats tells never falls.
func (c *caller) stats() {
	s := c.conn.Stats()
	c.rises(c.before.Received, s.Received)
	c.rises(c.before.Sent, s.Sent)
	c.before = s
}

func (c *caller) rises(before, f wsstream.Flow) {
	if f.Messages < before.Messages || f.Bytes < before.Bytes || f.HeldMax < before.HeldMax ||
		f.Stalled < before.Stalled || f.Held < 0 {
		c.fault("Stats: %+v after %+v", f, before)
	}
}

func (c *caller) totals() {
	s := c.meter.Totals()
	c.rises(c.sums.Received, s.Received)
	c.rises(c.sums.Sent, s.Sent)
	c.sums = s
}

// size draws the size of a message: most are small.
func (c *caller) size() int {
	most := 64 << 10
	if n := c.side[c.i].MaxFrameSize; n > 0 {
		most = min(most, 200*n)
	}
	if n := c.side[1-c.i].ReadWindow; n > 0 {
		most = min(most, 100*n)
	}
	if n := c.chunk; n > 0 {
		most = min(most, 20*n)
	}
	switch c.r.IntN(20) {
	case 0:
		return stormHeader + c.r.IntN(4*most)
	case 1, 2, 3:
		return stormHeader + c.r.IntN(most/8+1)
	}
	return stormHeader + c.r.IntN(200)
}

var stormPrepared = func() (m [4]wsstream.Message) {
	for n := range m {
		t := stormType(shared, n, n >= 2)
		m[n] = wsstream.Message{Type: t, Data: stormPayload(t, shared, n, 20+n*3000)}.Prepare()
	}
	return m
}()

// write writes messages by all ways there are until the Writable ends.
func (c *caller) write(id int) {
	defer c.leave()
	stream := wsstream.NetConn(c.conn, wsstream.TypeBinary)
	for more := 100; ; {
		switch n := c.still.Add(-1); {
		case n == 0:
			close(c.enough)
		case n < 0 && more == 0:
			<-c.conn.Writable().Done()
		case n < 0: // enough, but for a few
			more--
			select {
			case <-c.conn.Writable().Done():
			case <-time.After(time.Millisecond):
			}
		}
		ctx, cancel := c.moment()
		err := c.writeOne(ctx, id, stream)
		cancel()
		if err != nil && err != errMoment && !errors.Is(err, os.ErrDeadlineExceeded) {
			c.may("Write", err)
			return
		}
		c.pause()
	}
}

func (c *caller) writeOne(ctx context.Context, id int, stream net.Conn) error {
	w := c.conn.Writable()
	way := c.r.IntN(12)
	if way == 0 {
		n := c.r.IntN(len(stormPrepared))
		m := stormPrepared[n]
		if m.Type != stormType(shared, n, c.out.onlyBinary) {
			return nil
		}
		k := stormKey{shared, n}
		if c.r.IntN(2) == 0 {
			ok, err := w.TryWrite(m)
			return c.settleTry("TryWrite", k, len(m.Data), ok, err)
		}
		err := w.Write(ctx, m)
		c.settle("Write", k, len(m.Data), err)
		return err
	}
	k, m := c.out.make(id, c.size())
	switch way {
	case 1, 2:
		ok, err := w.TryWrite(m)
		return c.settleTry("TryWrite", k, len(m.Data), ok, err)
	case 3, 7, 8:
		return c.writeParts(ctx, k, m)
	case 4:
		m = m.Prepare()
	case 5:
		m.NoCompress = true
	case 6:
		if m.Type != wsstream.TypeBinary {
			break
		}
		if c.r.IntN(2) == 0 {
			_ = stream.SetWriteDeadline(time.Now().Add(time.Duration(c.r.IntN(3000)) * time.Microsecond))
		}
		_, err := stream.Write(m.Data)
		_ = stream.SetWriteDeadline(time.Time{})
		c.settle("NetConn", k, len(m.Data), err)
		return err
	}
	err := w.Write(ctx, m)
	c.settle("Write", k, len(m.Data), err)
	return err
}

// settle notes what became of a message whose Write has returned err.
func (c *caller) settle(how string, k stormKey, size int, err error) {
	switch {
	case err == nil:
		c.out.settle(how, k, accepted, size)
	case err == errMoment, errors.Is(err, os.ErrDeadlineExceeded):
		c.out.settle(how, k, refused, size)
	default:
		c.out.settle(how, k, unknown, size)
	}
}

func (c *caller) settleTry(how string, k stormKey, size int, ok bool, err error) error {
	switch {
	case ok:
		c.out.settle(how, k, accepted, size)
	case err == nil:
		c.out.settle(how, k, refused, size)
	default:
		c.out.settle(how, k, unknown, size)
	}
	return err
}

// writeParts writes a message in parts. One whose context ends is closed where it has come to.
func (c *caller) writeParts(ctx context.Context, k stormKey, m wsstream.Message) error {
	const how = "NewMessage"
	if c.out.onlyBinary || m.Type == wsstream.TypeText && !stormDull(k.id, k.n) {
		ctx = c.ctx // it must not end in the middle
	}
	w, err := c.conn.Writable().NewMessage(ctx, m.Type)
	if err != nil {
		c.out.settle(how, k, refused, len(m.Data))
		return err
	}
	if c.r.IntN(4) == 0 {
		w.NoCompress()
	}
	sent := 0
	for sent < len(m.Data) && err == nil {
		var n int
		n, err = w.Write(m.Data[sent : sent+1+c.r.IntN(len(m.Data)-sent)])
		sent += n
		c.pause()
	}
	if end := w.Close(); end != nil {
		c.out.settle(how, k, unfinished, len(m.Data))
		return end
	}
	if err != nil && err != errMoment {
		c.fault("MessageWriter: Write: %v; Close: nil", err)
	}
	c.out.settle(how, k, accepted, sent)
	return err
}

// read reads by all ways there are until the Readable ends.
func (c *caller) read() {
	defer c.leave()
	switch c.reading[c.i] {
	case asStream:
		c.readStream()
		return
	case handled:
		c.handle()
		return
	case late:
		select {
		case <-c.ended:
		case <-c.conn.Readable().Done():
		}
	}
	v := c.in.viewer()
	var m wsstream.Message
	for {
		ctx, cancel := c.moment()
		err := c.readSome(ctx, v, &m)
		cancel()
		switch {
		case err == nil, err == errMoment:
		case err == wsstream.ErrBusy: // for long, once there is a message handler
			<-time.After(100 * time.Microsecond)
		default:
			c.checkEnd(err)
			return
		}
		c.pause()
	}
}

// handle reads by a message handler until the Readable ends. Before that, calls of other goroutines
// may read. A handler may take long, and calls what may be called at any time.
func (c *caller) handle() {
	v, ended := c.in.viewer(), make(chan error, 1)
	haste := pick(c.r, 4, 40, 400)
	var running atomic.Int32
	message := func(m wsstream.Message) error {
		if running.Add(1) != 1 {
			c.fault("two calls of a message handler run")
		}
		v.receive("Handle", m.Type, m.Data, true)
		if c.r.IntN(haste) == 0 {
			// A Ping may wait for a pong behind a full window, which this handler keeps full.
			ctx, cancel := context.WithTimeoutCause(c.ctx, time.Millisecond, errMoment)
			stormCalls[c.r.IntN(len(stormCalls))](c, ctx)
			cancel()
			c.pause()
		}
		running.Add(-1)
		return nil
	}
	end := func(err error) {
		if running.Add(1) != 1 {
			c.fault("a message handler runs at its end")
		}
		ended <- err
	}
	if c.reading[c.i] == turned {
		<-time.After(time.Duration(c.r.IntN(5000)) * time.Microsecond)
	}
	for c.conn.Readable().Handle(message, end) != nil {
		<-time.After(time.Microsecond) // a MessageReader is open
	}
	c.checkEnd(<-ended)
}

// checkEnd checks what pulls end with.
func (c *caller) checkEnd(err error) {
	if _, isError := errors.AsType[*wsstream.Error](err); err != io.EOF && !isError {
		c.fault("pulls end with %v", err)
	}
	c.note(func() {
		if c.last[c.i] == nil {
			c.last[c.i] = err
		}
		if c.last[c.i] != err {
			c.faults = append(c.faults, fmt.Sprintf("pulls end with %v and with %v", c.last[c.i], err))
		}
	})
	if _, again := c.conn.Readable().Pull(c.ctx); again != err {
		c.fault("a Pull ended with %v and the next with %v", err, again)
	}
}

func (c *caller) readSome(ctx context.Context, v *viewer, m *wsstream.Message) error {
	r := c.conn.Readable()
	switch c.r.IntN(8) {
	case 0, 1, 2:
		m, err := r.Pull(ctx)
		if err == nil {
			v.receive("Pull", m.Type, m.Data, true)
		}
		return err
	case 3, 4:
		err := r.PullInto(ctx, m)
		if err == nil {
			v.receive("PullInto", m.Type, m.Data, true)
		}
		return err
	case 5:
		n := c.r.IntN(5)
		for m, err := range r.All(ctx) {
			if err != nil {
				return err
			}
			v.receive("All", m.Type, m.Data, true)
			if n--; n < 0 {
				break
			}
		}
		return nil // a clean end comes again
	case 6:
		n := c.r.IntN(5)
		for m, err := range r.Messages(ctx) {
			if err != nil {
				return err
			}
			if err := c.readParts(ctx, v, m); err != nil {
				return nil // it comes again
			}
			if n--; n < 0 {
				break
			}
		}
		return nil
	}
	p, err := r.NextMessage(ctx)
	if err != nil {
		return err
	}
	_ = c.readParts(ctx, v, p)
	return nil
}

// readParts reads a message in parts, or some of it.
func (c *caller) readParts(ctx context.Context, v *viewer, m *wsstream.MessageReader) error {
	got := new(limited)
	got.limit = 1 << 30
	if c.r.IntN(4) == 0 {
		got.limit = c.r.IntN(300)
	}
	var err error
	how := "Read"
	if c.r.IntN(3) == 0 {
		how = "WriteTo"
		_, err = m.WriteTo(got)
		if err == nil {
			err = io.EOF
		}
	} else {
		err = c.readLoop(m, got)
	}
	switch {
	case err == io.EOF:
		v.receive(how, m.Type(), got.b, true)
		_ = m.Close()
		return nil
	case err == errLimit, err == errMoment:
		t := m.Type()
		_ = m.Close()
		v.receive(how+": "+err.Error(), t, got.b, false)
		if _, err := m.Read(make([]byte, 1)); err == nil {
			c.fault("a reader that was closed reads on")
		}
		return nil
	}
	_ = m.Close()
	if err != io.ErrUnexpectedEOF && !c.ends(err) {
		c.fault("MessageReader: %v", err)
	}
	return err
}

func (c *caller) readLoop(m *wsstream.MessageReader, got *limited) error {
	for {
		b := make([]byte, c.r.IntN(1+pick(c.r, 10, 100, 100_000)))
		n, err := m.Read(b)
		if _, full := got.Write(b[:n]); full != nil {
			return full
		}
		if err != nil {
			return err
		}
		c.pause()
	}
}

// A limited takes so many bytes.
type limited struct {
	b     []byte
	limit int
}

var errLimit = errors.New("that is enough")

func (l *limited) Write(b []byte) (int, error) {
	n := min(len(b), l.limit-len(l.b))
	l.b = append(l.b, b[:n]...)
	if n < len(b) {
		return n, errLimit
	}
	return n, nil
}

// readStream reads all as a stream of bytes.
func (c *caller) readStream() {
	v, nc := c.in.viewer(), wsstream.NetConn(c.conn, wsstream.TypeBinary)
	var got []byte
	for {
		if c.r.IntN(3) == 0 {
			_ = nc.SetReadDeadline(time.Now().Add(time.Duration(c.r.IntN(3000)) * time.Microsecond))
		}
		b := make([]byte, 1+c.r.IntN(pick(c.r, 10, 1000, 100_000)))
		n, err := nc.Read(b)
		_ = nc.SetReadDeadline(time.Time{})
		got = append(got, b[:n]...)
		for len(got) >= stormHeader {
			_, _, size, err := parseStorm(got)
			if err != nil {
				c.fault("%v", err)
				return
			}
			if len(got) < size {
				break
			}
			v.receive("NetConn", wsstream.TypeBinary, got[:size], false) // its last frame may lack
			got = got[size:]
		}
		switch _, isError := errors.AsType[*wsstream.Error](err); {
		case err == nil, errors.Is(err, os.ErrDeadlineExceeded):
		case err == io.EOF, err == io.ErrUnexpectedEOF, isError,
			c.breaks == breachText && errors.Is(err, wsstream.ErrMessageType):
			return
		default:
			c.fault("NetConn.Read: %v", err)
			return
		}
		c.pause()
	}
}
