package wsstream_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/wsstream/wsstream"
)

// A message of the storm begins with its writer's number, its own number and its size:
// "07.000012.0000345|". The bytes behind that follow from these three. So a receiver can tell that
// a message is whole, that it came once, and in the order in which its writer wrote.
const (
	stormHeader = 18 // bytes
	shared      = 99 // the writer's number of messages that all writers send, again and again
)

// stormType is the type of a writer's n-th message. For a net.Conn all are binary.
func stormType(id, n int, onlyBinary bool) wsstream.Type {
	if !onlyBinary && (id+n)%2 == 0 {
		return wsstream.TypeText
	}
	return wsstream.TypeBinary
}

// stormDull reports whether a writer's n-th message compresses well. Such text is ASCII.
func stormDull(id, n int) bool { return (id+n)/2%2 == 0 }

// stormPayload returns a writer's n-th message, of that type and size. Half of them compress well.
// Text is a little shorter where its last character does not fit.
func stormPayload(t wsstream.Type, id, n, size int) []byte {
	b := fmt.Appendf(make([]byte, 0, size+16), "%02d.%06d.%07d|", id, n, size)
	dull := stormDull(id, n)
	switch r := rand.NewPCG(uint64(id), uint64(n)); {
	case t == wsstream.TypeText && dull:
		b = append(b, bytes.Repeat([]byte("all work and no play. "), size/22+1)...)
	case t == wsstream.TypeText:
		for len(b) < size {
			b = append(utf8.AppendRune(b, rune(0x4e00+r.Uint64()%0x2000)), '.', 'a'+byte(r.Uint64()%26))
		}
	case dull:
		b = append(b, make([]byte, size)...)
	default:
		for len(b) < size {
			b = binary.LittleEndian.AppendUint64(b, r.Uint64())
		}
	}
	b = b[:max(size, stormHeader)]
	for t == wsstream.TypeText && !utf8.Valid(b) {
		b = b[:len(b)-1] // a character is not cut
	}
	return b
}

// parseStorm reads a message's header.
func parseStorm(b []byte) (id, n, size int, err error) {
	f := bytes.Split(b[:stormHeader-1], []byte("."))
	if len(f) != 3 || b[stormHeader-1] != '|' {
		return 0, 0, 0, fmt.Errorf("received %q, which was not sent", b[:stormHeader])
	}
	for i, to := range []*int{&id, &n, &size} {
		if *to, err = strconv.Atoi(string(f[i])); err != nil {
			return 0, 0, 0, err
		}
	}
	return id, n, size, nil
}

// What became of a message at the sender.
type fate uint8

const (
	inFlight   fate = iota
	accepted        // it has to arrive if the end is in order
	refused         // it must not arrive
	unknown         // it may have been sent or not: the connection ended
	unfinished      // a part of it was sent, and its end never
)

type stormKey struct{ id, n int }

type arrival struct {
	size  int
	whole bool
	how   string
}

// A lane is all that went one way.
type lane struct {
	name       string
	onlyBinary bool
	fault      func(format string, args ...any)

	mu      sync.Mutex
	next    map[int]int // of each writer
	fates   map[stormKey]fate
	sizes   map[stormKey]int // of those that were accepted
	how     map[stormKey]string
	got     map[stormKey]arrival
	most    int // bytes of the largest message
	counts  [5]int
	bytes   int // of those that were accepted
	unnamed [5]int
	repeats [5]int

	whole, wholeBytes int // that were delivered to their ends
	unnamedGot        int // received, too short to have a header
	repeatsGot        int // received, of those that are prepared
	passedOver        int // closed before their header was read
}

func newLane(name string, onlyBinary bool, fault func(format string, args ...any)) *lane {
	return &lane{
		name:       name,
		onlyBinary: onlyBinary,
		fault:      func(format string, args ...any) { fault(name+": "+format, args...) },
		next:       map[int]int{},
		fates:      map[stormKey]fate{},
		sizes:      map[stormKey]int{},
		how:        map[stormKey]string{},
		got:        map[stormKey]arrival{},
	}
}

// make makes a writer's next message.
func (l *lane) make(id, size int) (stormKey, wsstream.Message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := stormKey{id, l.next[id]}
	l.next[id]++
	l.fates[k] = inFlight
	t := stormType(k.id, k.n, l.onlyBinary)
	m := wsstream.Message{Type: t, Data: stormPayload(t, k.id, k.n, size)}
	l.most = max(l.most, len(m.Data))
	return k, m
}

// settle notes what became of a message of which size bytes were sent.
func (l *lane) settle(how string, k stormKey, f fate, size int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts[f]++
	l.most = max(l.most, size)
	if f == accepted {
		l.bytes += size
	}
	switch {
	case k.id == shared:
		l.repeats[f]++
	case size < stormHeader:
		l.unnamed[f]++
		delete(l.fates, k)
	default:
		l.fates[k], l.sizes[k], l.how[k] = f, size, how
	}
}

// A viewer is a goroutine that receives: what it gets of one writer is in that writer's order.
type viewer struct {
	l    *lane
	last map[int]int
}

func (l *lane) viewer() *viewer { return &viewer{l, map[int]int{}} }

// receive checks what was received of a message.
func (v *viewer) receive(how string, t wsstream.Type, b []byte, whole bool) {
	l := v.l
	l.mu.Lock()
	defer l.mu.Unlock()
	if whole {
		l.whole++
		l.wholeBytes += len(b)
	}
	switch {
	case len(b) < stormHeader && whole:
		l.unnamedGot++
		return
	case len(b) < stormHeader:
		l.passedOver++
		return
	}
	id, n, size, err := parseStorm(b)
	if err != nil {
		l.fault("%v", err)
		return
	}
	k := stormKey{id, n}
	if want := stormPayload(t, id, n, size); !bytes.HasPrefix(want, b) {
		l.fault("message %v was changed on its way", k)
	}
	if t != stormType(id, n, l.onlyBinary) {
		l.fault("message %v came as %v", k, t)
	}
	if id == shared {
		l.repeatsGot++
		return
	}
	if _, sent := l.fates[k]; !sent {
		l.fault("message %v was received and never sent", k)
	}
	if _, again := l.got[k]; again {
		l.fault("message %v was received twice", k)
	}
	if last, ok := v.last[id]; ok && last >= n {
		l.fault("message %v was received after %d", k, last)
	}
	v.last[id] = n
	l.got[k] = arrival{len(b), whole, how}
}

// check compares what was received with what was sent. If complete is set, everything that was
// accepted has to be there.
func (l *lane) check(complete bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	missing := 0
	for k, f := range l.fates {
		got, arrived := l.got[k]
		switch {
		case f == inFlight:
			l.fault("the call that sends message %v has not returned", k)
		case f == refused && arrived:
			l.fault("message %v was received by %s, and %s said that nothing was sent",
				k, got.how, l.how[k])
		case f == unfinished && got.whole:
			l.fault("message %v was received whole by %s, and its writer was never closed", k, got.how)
		case f == accepted && (got.whole || arrived && l.onlyBinary) && got.size != l.sizes[k]:
			l.fault("message %v, read by %s, has %d bytes, and %s has sent %d",
				k, got.how, got.size, l.how[k], l.sizes[k])
		case f == accepted && arrived && got.size > l.sizes[k]:
			l.fault("message %v has %d bytes, and only %d were sent", k, got.size, l.sizes[k])
		case f == accepted && !arrived:
			missing++
			if complete && missing > l.passedOver {
				l.fault("message %v was accepted by %s, and not received", k, l.how[k])
			}
		}
	}
	most := l.counts[accepted] + l.counts[unknown] + l.counts[unfinished]
	all := len(l.got) + l.unnamedGot + l.repeatsGot + l.passedOver
	if all > most || complete && all < l.counts[accepted] {
		l.fault("%d messages were received, %d were accepted, %d may have been sent",
			all, l.counts[accepted], most-l.counts[accepted])
	}
	if most := l.repeats[accepted] + l.repeats[unknown]; l.repeatsGot > most {
		l.fault("%d prepared messages were received, and %d sent", l.repeatsGot, most)
	}
	if most := l.unnamed[accepted] + l.unnamed[unknown]; l.unnamedGot > most {
		l.fault("%d messages of a few bytes were received, and %d sent", l.unnamedGot, most)
	}
}

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
