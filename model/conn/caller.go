package conn

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"
	"time"

	"github.com/wsstream/wsstream"
)

// The calls of a step.
const (
	doPull     = "pull"
	doInto     = "into"
	doNext     = "next"
	doHandle   = "handle"
	doWrite    = "write"
	doTry      = "try"
	doMessage  = "message"
	doPrepared = "prepared"
	doPing     = "ping"
	doFlush    = "flush"
	doReady    = "ready"
	doStats    = "stats"
	doDiscard  = "discard"
	doClose    = "close"
	doShutdown = "shutdown"
	doWClose   = "wclose"
	doFail     = "fail"
	doAbort    = "abort"
	doCancel   = "cancel"
	doCloseNow = "closenow"
	doAcceptor = "acceptor"
	doSkip     = "skip" // closes the readers that are open
	doFinish   = "finish"
	doNothing  = ""

	doHandled  = "handled"  // a message that a handler got
	doRead     = "read"     // of a message that was begun with next
	doReadEnd  = "readend"  // closes it
	doPart     = "part"     // of a message that was begun with message
	doWriteEnd = "writeend" // closes it
)

// A call is one call and how it went. The fields above the line are set before it begins.
type call struct {
	do    string
	name  string // the caller and the step
	step  *Step
	begin int64
	from  time.Duration
	dead  bool // ctx had ended when it began
	ctx   context.Context
	over  time.Duration // when ctx ends by a timer; 0: never
	of    *call         // the call that began the message; nil for none
	text  bool
	data  []byte // to write
	plain bool   // not compressed
	cause error  // that ends a stream
	// -----
	done bool
	end  int64
	to   time.Duration
	err  error
	ok   bool   // of TryWrite; of a Write: it returned nil
	got  []byte // read
	n    int    // bytes accepted
	sent int    // bytes of frames that had left when it returned; -1 if that is not known
	info wsstream.CloseInfo
	late error // the cause of ctx, if it had ended when the call returned

	ended bool  // of a next or message: the message is closed, or has come to its end
	last  int64 // when
}

func (c *call) String() string {
	s := fmt.Sprintf("%s %s [%d at %v", c.name, c.do, c.begin, c.from)
	if !c.done {
		return s + " and has not returned]"
	}
	return fmt.Sprintf("%s to %d at %v]: %d bytes, ok %v, %v", s, c.end, c.to, max(len(c.got), c.n),
		c.ok, c.err)
}

// pulls reports whether the call takes the next message.
func (c *call) pulls() bool {
	return c.do == doPull || c.do == doInto || c.do == doNext || c.do == doHandled
}

// A why is the cause that a context ends with, or that a stream is failed with.
type why struct {
	what string
	code *wsstream.Error // that it wraps; nil for none
}

func (w *why) Error() string { return w.what }
func (w *why) Unwrap() error {
	if w.code == nil {
		return nil
	}
	return w.code
}

// An open message is one that a step has left open.
type openReader struct {
	m    *wsstream.MessageReader
	next *call
}

// record begins a call.
func (r *run) record(c *call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, c)
	c.dead = c.ctx.Err() != nil
	c.from, c.begin = r.clock.now(), r.clock.tick()
}

// returned ends a call.
func (r *run) returned(c *call, err error) {
	sent := -1
	if r.near != nil {
		r.near.mu.Lock()
		sent = len(r.near.out.bytes) - r.near.out.head
		r.near.mu.Unlock()
	}
	if c.ctx.Err() != nil {
		c.late = context.Cause(c.ctx)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	c.err, c.done, c.sent = err, true, sent
	c.to, c.end = r.clock.now(), r.clock.tick()
}

// closed notes that the message of a next or message is over.
func (r *run) closed(c *call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !c.ended {
		c.ended, c.last = true, r.clock.tick()
	}
}

// A caller makes the calls of a Caller.
type caller struct {
	*run
	nth    int
	shared context.Context
	over   time.Duration
	step   int
}

func (c *caller) play() {
	script := &c.p.Callers[c.nth]
	c.shared = context.Background()
	if script.Life > 0 {
		var stop context.CancelFunc
		c.shared, stop = context.WithTimeoutCause(context.Background(), script.Life,
			&why{what: fmt.Sprintf("the life of caller %d is over", c.nth)})
		c.over = c.clock.now() + script.Life
		defer stop()
	}
	for i := range len(script.Steps) * (1 + script.Again) {
		s := &script.Steps[i%len(script.Steps)]
		c.step = i
		if s.Wait < 0 {
			for range -s.Wait {
				runtime.Gosched()
			}
		} else if !c.sleep(s.Wait) {
			return
		}
		c.do(s)
	}
}

// sleep reports false at the end of the run.
func (r *run) sleep(d time.Duration) bool { return pause(d, r.over) }

// pause waits for d. It reports false if stop is closed before.
func pause(d time.Duration, stop <-chan struct{}) bool {
	if d <= 0 {
		select {
		case <-stop:
			return false
		default:
			return true
		}
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-stop:
		return false
	}
}

// context returns the context of a step.
func (c *caller) context(s *Step) (ctx context.Context, over time.Duration, stop func()) {
	name := fmt.Sprintf("%d.%d", c.nth, c.step)
	switch s.Ctx {
	case ctxOwn:
		ctx, cancel := context.WithTimeoutCause(context.Background(), s.Within,
			&why{what: "the time of " + name + " is over"})
		return ctx, c.clock.now() + s.Within, cancel
	case ctxEnded:
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(&why{what: "the context of " + name + " had ended"})
		return ctx, c.clock.now(), func() {}
	case ctxShared:
		return c.shared, c.over, func() {}
	case ctxConn:
		return c.conn.Context(), 0, func() {}
	}
	return context.Background(), 0, func() {}
}

func (c *caller) begin(ctx context.Context, do string, s *Step, over time.Duration) *call {
	return &call{do: do, name: fmt.Sprintf("%d.%d", c.nth, c.step), step: s, ctx: ctx, over: over}
}

func (c *caller) do(s *Step) {
	ctx, over, stop := c.context(s)
	x := c.begin(ctx, s.Do, s, over)
	w, rd := c.conn.Writable(), c.conn.Readable()
	switch s.Do {
	case doPull:
		defer stop()
		c.record(x)
		m, err := rd.Pull(ctx)
		x.text, x.got, x.ok = m.Type == wsstream.TypeText, m.Data, err == nil
		c.returned(x, err)
	case doInto:
		defer stop()
		m := wsstream.Message{Data: make([]byte, 0, s.Size)}
		c.record(x)
		err := rd.PullInto(ctx, &m)
		x.text, x.got, x.ok = m.Type == wsstream.TypeText, m.Data, err == nil
		c.returned(x, err)
	case doNext:
		c.next(x, stop)
	case doHandle:
		defer stop()
		c.handle(x)
	case doWrite, doTry, doPrepared:
		defer stop()
		c.write(x)
	case doMessage:
		c.message(x, stop)
	case doPing:
		defer stop()
		c.record(x)
		trip, err := c.conn.Ping(ctx)
		if x.ok = err == nil; x.ok && (trip < 0 || trip > c.clock.now()-x.from+time.Millisecond) {
			c.fault("Ping", "%v: the round trip is %v", x, trip)
		}
		c.returned(x, err)
	case doFlush:
		defer stop()
		c.record(x)
		err := w.Flush(ctx)
		x.ok = err == nil
		c.returned(x, err)
	case doReady:
		defer stop()
		c.record(x)
		err := w.Ready(ctx)
		x.ok = err == nil
		c.returned(x, err)
	case doStats:
		c.record(x)
		c.stats()
		c.returned(x, nil)
	case doSkip:
		c.skip()
	case doNothing:
	default:
		defer stop()
		c.ends(x)
	}
}

// ends calls what ends the connection or a stream.
func (c *caller) ends(x *call) {
	s, w, rd := x.step, c.conn.Writable(), c.conn.Readable()
	x.info = wsstream.CloseInfo{Code: s.Code}
	if s.Code != 0 {
		x.info.Reason = "by " + x.name
	}
	if s.Do == doFail || s.Do == doAbort || s.Do == doCancel {
		y := &why{what: "the failure of " + x.name}
		if s.Code != 0 {
			y.code = &wsstream.Error{CloseInfo: x.info}
		}
		x.cause = y
	}
	c.record(x)
	var err error
	switch s.Do {
	case doDiscard:
		rd.Discard()
	case doClose:
		err = c.conn.Close(x.info)
	case doShutdown:
		err = c.conn.Shutdown(x.ctx, x.info)
	case doWClose:
		err = w.Close(x.ctx)
	case doFail:
		err = w.Fail(x.ctx, x.cause)
	case doAbort:
		err = w.Abort(x.cause)
	case doCancel:
		err = rd.Cancel(x.cause)
	case doCloseNow:
		c.conn.CloseNow()
	case doAcceptor:
		if !c.p.Client {
			err = c.acceptor.Shutdown(x.ctx)
		}
	case doFinish:
		// the caller only waits for the peer
	}
	x.ok = err == nil
	c.returned(x, err)
}

// write writes one message.
func (c *caller) write(x *call) {
	s, w := x.step, c.conn.Writable()
	x.text = s.Text
	id := 1000*(c.nth+1) + c.step
	x.plain = s.Plain
	x.data = content(s.Kind, id, s.Size, s.Text)
	m := wsstream.Binary(bytes.Clone(x.data))
	if x.text {
		m.Type = wsstream.TypeText
	}
	m.NoCompress = s.Plain
	if s.Do == doPrepared {
		m = m.Prepare()
	}
	c.record(x)
	var err error
	if s.Do == doTry {
		x.ok, err = w.TryWrite(m)
	} else {
		err = w.Write(x.ctx, m)
		x.ok = err == nil
	}
	c.returned(x, err)
	if !bytes.Equal(m.Data, x.data) {
		c.fault("Write", "%v: it has changed the caller's bytes", x)
	}
	clear(m.Data) // the caller owns them again
	if x.ok && s.Do == doPrepared && s.From {
		c.twice(x)
	}
}

// twice writes another prepared message twice: with NoCompress and without.
func (c *caller) twice(x *call) {
	data := content(x.step.Kind, 1000*(c.nth+1)+c.step+100_000, x.step.Size, x.step.Text)
	m := wsstream.Message{Type: wsstream.TypeBinary, Data: data}
	if x.text {
		m.Type = wsstream.TypeText
	}
	m = m.Prepare()
	for _, plain := range []bool{x.step.Plain, !x.step.Plain} {
		m.NoCompress = plain
		y := c.begin(x.ctx, doPrepared, x.step, x.over)
		y.text, y.data, y.plain = x.text, data, plain
		c.record(y)
		err := c.conn.Writable().Write(x.ctx, m)
		y.ok = err == nil
		c.returned(y, err)
	}
}

// message writes one message in parts.
func (c *caller) message(x *call, stop func()) {
	s := x.step
	x.text, x.plain = s.Text, s.Plain
	t := wsstream.TypeBinary
	if x.text {
		t = wsstream.TypeText
	}
	c.record(x)
	m, err := c.conn.Writable().NewMessage(x.ctx, t)
	x.ok = err == nil
	c.returned(x, err)
	if err != nil {
		stop()
		return
	}
	if s.Plain {
		m.NoCompress()
	}
	total := 0
	for _, n := range s.Parts {
		total += n
	}
	data := content(s.Kind, 1000*(c.nth+1)+c.step, total, s.Text)
	for _, n := range s.Parts {
		y := c.begin(x.ctx, doPart, s, x.over)
		y.of, y.data = x, data[:n]
		data = data[n:]
		part := bytes.Clone(y.data)
		c.record(y)
		if s.From {
			var n int64
			n, err = m.ReadFrom(struct{ io.Reader }{bytes.NewReader(part)})
			y.n = int(n)
		} else {
			y.n, err = m.Write(part)
		}
		y.ok = err == nil
		c.returned(y, err)
		clear(part)
		runtime.Gosched()
	}
	if s.Leave {
		return
	}
	y := c.begin(x.ctx, doWriteEnd, s, x.over)
	y.of = x
	c.record(y)
	err = m.Close()
	y.ok = err == nil
	c.returned(y, err)
	c.closed(x)
	stop()
}

// next reads one message in parts.
func (c *caller) next(x *call, stop func()) {
	s := x.step
	c.record(x)
	m, err := c.conn.Readable().NextMessage(x.ctx)
	if x.ok = err == nil; x.ok {
		x.text = m.Type() == wsstream.TypeText
		o := &openReader{m, x}
		c.mu.Lock()
		c.open = append(c.open, o)
		c.mu.Unlock()
	}
	c.returned(x, err)
	if err != nil {
		stop()
		return
	}
	for _, n := range s.Parts {
		if !c.readPart(x, m, n) {
			break
		}
		runtime.Gosched()
	}
	switch {
	case s.Leave:
		return
	case s.From:
		y := c.begin(x.ctx, doRead, s, x.over)
		y.of = x
		var b bytes.Buffer
		c.record(y)
		_, err := m.WriteTo(&b)
		if y.got = b.Bytes(); err == nil {
			err = io.EOF // as a Read that has come to the end
			c.closed(x)
		}
		c.returned(y, err)
	}
	c.closeReader(&openReader{m, x})
	stop()
}

// readPart reads once, and reports whether there may be more.
func (c *caller) readPart(x *call, m *wsstream.MessageReader, n int) bool {
	y := c.begin(x.ctx, doRead, x.step, x.over)
	y.of = x
	p := make([]byte, n)
	c.record(y)
	k, err := m.Read(p)
	if y.got = p[:k]; err == io.EOF {
		c.closed(x)
	}
	c.returned(y, err)
	return err == nil
}

func (r *run) closeReader(o *openReader) {
	y := &call{do: doReadEnd, name: o.next.name, step: o.next.step, ctx: context.Background(), of: o.next}
	r.record(y)
	err := o.m.Close()
	y.ok = err == nil
	r.returned(y, err)
	r.closed(o.next)
}

// skip closes all readers that are open.
func (r *run) skip() {
	r.mu.Lock()
	open := slices.Clone(r.open)
	r.open = nil
	r.mu.Unlock()
	for _, o := range open {
		r.closeReader(o)
	}
}

// stats checks the figures, as far as they can be checked at any time.
func (r *run) stats() {
	s, o := r.conn.Stats(), r.p.Options
	r.law(&s, o)
	if d := r.conn.Writable().DesiredSize(); o.WriteWindow > 0 && d > o.WriteWindow {
		r.fault("DesiredSize", "%d is more than the window", d)
	}
}
