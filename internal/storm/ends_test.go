package storm_test

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/wsstream/wsstream"
)

// Ends are all that ends a connection; i is the side that does.
var stormEnds = []struct {
	name string
	calm bool // the handshake is clean if the transport and the timeouts allow
	do   func(s *storm, i int)
}{
	{"Close", true, func(s *storm, i int) {
		s.noError(s.conns[i].Close(wsstream.CloseInfo{Code: 1000}))
	}},
	{"Close with a code", true, func(s *storm, i int) {
		s.noError(s.conns[i].Close(wsstream.CloseInfo{Code: 4000, Reason: "stormy"}))
	}},
	{"Close by both", true, func(s *storm, i int) {
		s.wg.Go(func() { _ = s.conns[1-i].Close(wsstream.CloseInfo{Code: 1001}) })
		s.noError(s.conns[i].Close(wsstream.CloseInfo{}))
	}},
	{"Writable.Close", true, func(s *storm, i int) { _ = s.conns[i].Writable().Close(s.ctx) }},
	{"Shutdown", true, func(s *storm, i int) {
		s.note(func() { s.facts[i].dropped = true })
		_ = s.conns[i].Shutdown(s.ctx, wsstream.CloseInfo{Code: 1001})
	}},
	{"Acceptor.Shutdown", true, func(s *storm, _ int) { _ = s.accpt.Shutdown(s.ctx) }},
	{"Cancel", true, func(s *storm, i int) {
		s.note(func() { s.facts[i].dropped = true })
		s.noError(s.conns[i].Readable().Cancel(io.ErrClosedPipe))
	}},
	{"Abort", true, func(s *storm, i int) {
		s.note(func() { s.facts[i].aborted = true })
		s.noError(s.conns[i].Writable().Abort(errAbort))
	}},
	{"Fail", true, func(s *storm, i int) {
		_ = s.conns[i].Writable().Fail(s.ctx, errAbort)
	}},
	{"Abort by both", true, func(s *storm, _ int) {
		s.note(func() { s.facts[0].aborted, s.facts[1].aborted = true, true })
		s.wg.Go(func() { _ = s.conns[0].Writable().Abort(errAbort) })
		_ = s.conns[1].Writable().Abort(errAbort)
	}},
	{cutText, false, func(s *storm, i int) {
		if s.lanes[i].onlyBinary {
			_ = s.conns[i].Writable().Fail(s.ctx, errAbort)
		} else if m, err := s.conns[i].Writable().NewMessage(s.ctx, wsstream.TypeText); err == nil {
			s.lanes[i].begun()
			_, err = m.Write([]byte("\xe2"))
			if m.Close() == nil && err == nil {
				s.fault("text that ends inside a character was sent")
			}
		}
	}},
	{"NetConn.Close", true, func(s *storm, i int) {
		s.note(func() { s.facts[i].dropped = true })
		_ = wsstream.NetConn(s.conns[i], wsstream.TypeBinary).Close()
	}},
	{"CloseNow", false, func(s *storm, i int) {
		s.note(func() { s.facts[i] = facts{true, true, true} })
		s.conns[i].CloseNow()
	}},
	{"Close, CloseNow", false, func(s *storm, i int) {
		s.noError(s.conns[i].Close(wsstream.CloseInfo{Code: 1000}))
		s.note(func() { s.facts[i] = facts{true, true, true} })
		s.conns[i].CloseNow()
	}},
	{"the transport's end", false, func(s *storm, i int) {
		s.note(func() { s.facts[i].cut = true })
		_ = s.nets[i].Close()
	}},
	{"all", false, func(s *storm, _ int) {
		s.note(func() { s.facts = [2]facts{{true, true, true}, {true, true, true}} })
		for _, c := range s.conns {
			s.wg.Go(func() { _ = c.Close(wsstream.CloseInfo{Code: 3000}) })
			s.wg.Go(func() { _ = c.Readable().Cancel(nil) })
			s.wg.Go(func() { _ = c.Writable().Abort(errAbort) })
			s.wg.Go(func() { _ = c.Shutdown(s.ctx, wsstream.CloseInfo{}) })
			s.wg.Go(c.CloseNow)
		}
	}},
}

const cutText = "text message was closed inside a character"

var errAbort = errors.New("aborted in the storm")

func (s *storm) noError(err error) {
	if err != nil {
		s.fault("%v", err)
	}
}

// check checks what is known when all has ended.
func (s *storm) check() {
	var clean int64
	for i, c := range s.conns {
		info, err, settled := c.Closed().Peek()
		again, errAgain := c.Closed().Wait(context.Background())
		if !settled || again != info || err != errAgain {
			s.fault("Closed settled with %v, %v and then with %v, %v", info, err, again, errAgain)
		}
		if err == nil {
			clean++
		} else if e, ok := errors.AsType[*wsstream.Error](err); !ok || e.Code == 0 {
			s.fault("Closed is %v", err)
		}
		if s.calm && err != nil {
			s.fault("side %d: the end is not clean: %v", i, err)
		}
		select {
		case <-c.Context().Done(): // a moment after Closed
		case <-s.ctx.Done():
			s.fault("the Context goes on")
		}
		<-c.Readable().Done()
		<-c.Writable().Done()
		s.checkStats(i)
	}
	for i, l := range s.lanes {
		complete := clean == 2 && s.breaks == "" && !s.facts[i].aborted && !s.facts[1-i].dropped
		if s.breaks != "" {
			l.begun() // by the relay, in one of the lanes
		}
		l.check(complete)
		s.t.Logf("%s, %s: %v accepted, refused, unknown, unfinished; %d came whole; complete: %v",
			l.name, s.end, l.counts[1:], l.whole, complete)
	}
	if m := s.meter.Totals(); m.Opened != 2 || m.Open != 0 || m.Clean != clean {
		s.fault("the Meter tells of %d opened, %d open, %d clean", m.Opened, m.Open, m.Clean)
	} else {
		n := s.conns[0].Stats().Received.Messages + s.conns[1].Stats().Received.Messages
		if m.Received.Messages != n {
			s.fault("the Meter counts %d messages received, and both Stats %d", m.Received.Messages, n)
		}
	}
}

// checkStats holds Stats beside what was sent and received.
func (s *storm) checkStats(i int) {
	out, in := s.lanes[i], s.lanes[1-i]
	stats := s.conns[i].Stats()
	for range 100 { // a background reader may still be on its way out
		if stats.Received.Held == 0 {
			break
		}
		<-time.After(10 * time.Millisecond)
		stats = s.conns[i].Stats()
	}
	sent, got := stats.Sent, stats.Received
	if sent.Held != 0 || got.Held != 0 {
		s.fault("side %d: after the end %d bytes are held unsent, %d unread", i, sent.Held, got.Held)
	}
	least := int64(out.counts[accepted])
	most := least + int64(out.counts[unknown])
	if sent.Messages < least || sent.Messages > most {
		s.fault("side %d: Stats counts %d messages sent, of %d to %d", i, sent.Messages, least, most)
	}
	if n := s.seen[i].out.Load(); n != least {
		s.fault("side %d: the Trace counts %d messages sent, of %d", i, n, least)
	}
	n, bytes := int64(in.whole), int64(in.wholeBytes)
	if told := s.seen[i].in.Load(); s.reading[i] != asStream &&
		(got.Messages != n || got.Bytes != bytes || told != n) {
		s.fault("side %d: Stats counts %d messages received, %d bytes, the Trace %d, of %d, %d bytes",
			i, got.Messages, got.Bytes, told, n, bytes)
	}
	s.checkHeld(i, stats)
}

// checkHeld checks law 1.
func (s *storm) checkHeld(i int, stats wsstream.Stats) {
	c, in, out := s.side[i], s.lanes[1-i].most, s.lanes[i].most
	const (
		slack     = 256     // a control frame, a frame's header
		handshake = 4 << 10 // may come with the handshake
	)
	if w := c.ReadWindow; w > 0 {
		most := max(w, in) + max(min(w, 64<<10), handshake) + slack
		if held := stats.Received.HeldMax; held > int64(most) {
			s.fault("side %d: %d bytes were held unread, more than %d", i, held, most)
		}
	}
	if w := c.WriteWindow; w > 0 {
		frames := 2
		if c.MaxFrameSize > 0 {
			frames += out / c.MaxFrameSize
		}
		most := w + out + out/50 + 14*frames + slack // compressed it may be a little longer
		if held := stats.Sent.HeldMax; held > int64(most) {
			s.fault("side %d: %d bytes were held unsent, more than %d", i, held, most)
		}
	}
}
