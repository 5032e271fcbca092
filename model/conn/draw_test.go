package conn

import (
	"time"

	"pgregory.net/rapid"
)

// draws are the programs.
var draws = rapid.Custom(drawProgram)

func drawProgram(t *rapid.T) Program {
	p := Program{
		Client:  flip(t, "client"),
		Procs:   pick(t, "procs", 1, 2, 4),
		Options: drawOptions(t),
		Limit:   pick(t, "limit", 256, 1<<10, 8<<10, 64<<10, 1<<20),
		Chunk:   pick(t, "chunk", 0, 0, 1, 2, 3, 7, 100, 1000),
		Early:   flip(t, "early"),
		Span:    pick(t, "span", time.Millisecond, time.Second, time.Minute, time.Hour),
		Drain:   rarely(t, "no drain", 4) == 0,
	}
	if flip(t, "deflate") {
		p.Deflate = &Deflate{
			Bits:           pick(t, "bits", 0, 9, 15),
			Threshold:      pick(t, "threshold", 0, -1, 30),
			NoTakeover:     flip(t, "no takeover"),
			PeerNoTakeover: flip(t, "peer no takeover"),
		}
	}
	p.Peer = drawPeer(t, &p)
	p.Callers = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Caller { return drawCaller(t, &p) }),
		0, 5).Draw(t, "callers")
	p.End = drawEnd(t)
	p.trim()
	return p
}

// trim makes messages shorter where each byte of them costs much.
func (p *Program) trim() {
	in, out := 1<<20, 1<<20
	if n := p.Options.MaxFrameSize; n > 0 && n < 100 {
		out = 500
	}
	if n := p.Options.WriteWindow; n > 0 && n < 1000 {
		out = min(out, 5000)
	}
	if p.Limit < 1000 {
		in, out = 10_000, min(out, 10_000)
	}
	if p.Chunk > 0 && p.Chunk < 10 {
		in = min(in, 1000)
	}
	if n := p.Peer.Pace; n > 0 && n < 10 {
		in = min(in, 500)
	}
	if d := p.Options.PingInterval; d > 0 {
		p.Span = min(p.Span, 500*d)
	}
	short := func(n *int, most int) {
		if *n > most {
			*n = most - 10 + *n%10
		}
	}
	if p.Peer.Again > 0 {
		in = min(in, 3000)
	}
	for i := range p.Peer.Acts {
		short(&p.Peer.Acts[i].Size, in)
	}
	for _, c := range p.Callers {
		out := out
		if c.Again > 0 {
			out = min(out, 3000)
		}
		for i := range c.Steps {
			s := &c.Steps[i]
			if s.Do != doInto && s.Do != doNext {
				short(&s.Size, out)
				for k := range s.Parts {
					short(&s.Parts[k], out)
				}
			}
		}
	}
}

func flip(t *rapid.T, label string) bool { return rapid.Bool().Draw(t, label) }

func pick[T any](t *rapid.T, label string, from ...T) T {
	return from[rapid.IntRange(0, len(from)-1).Draw(t, label)]
}

// rarely returns 1 once in n times, and 0 otherwise.
func rarely(t *rapid.T, label string, n int) int {
	if rapid.IntRange(0, n-1).Draw(t, label) == n-1 {
		return 1
	}
	return 0
}

func drawOptions(t *rapid.T) (o Options) {
	o.ReadWindow = pick(t, "ReadWindow", 0, 256, 300, 1<<10, 4<<10, 64<<10, -1)
	o.WriteWindow = pick(t, "WriteWindow", 0, 256, 300, 1<<10, 4<<10, 64<<10, -1)
	o.MaxMessageSize = pick(t, "MaxMessageSize", 0, 0, -1, 50, 1000)
	o.MaxFrameSize = pick(t, "MaxFrameSize", 0, 0, -1, 1, 100, 1000)
	o.CloseTimeout = pick(t, "CloseTimeout", 0, 0, 100*time.Millisecond, time.Minute, -1)
	if rarely(t, "keepalive", 4) == 0 {
		return o
	}
	short := func(label string) time.Duration {
		return pick(t, label, 0, 20*time.Millisecond, time.Second, 30*time.Second, 10*time.Minute)
	}
	o.PingInterval = pick(t, "PingInterval", 0, 100*time.Millisecond, time.Second, 30*time.Second)
	o.PongTimeout = pick(t, "PongTimeout", 0, -1, 50*time.Millisecond, 5*time.Second)
	o.IdleTimeout = short("IdleTimeout")
	o.WriteStallTimeout = short("WriteStallTimeout")
	o.ReadStallTimeout = short("ReadStallTimeout")
	return o
}

// drawSize draws the size of a message, mostly a small one.
func drawSize(t *rapid.T, label string) int {
	switch rapid.IntRange(0, 11).Draw(t, label+" kind") {
	case 0, 1:
		return rapid.IntRange(0, 20).Draw(t, label)
	case 2, 3, 4, 5, 6:
		return rapid.IntRange(0, 300).Draw(t, label)
	case 7, 8:
		return rapid.IntRange(0, 5000).Draw(t, label)
	case 9:
		return pick(t, label, 50, 51, 1000, 1001, 125, 126, 127, 4095, 4096, 65535, 65536, 65537, 150_000)
	case 10:
		return rapid.IntRange(0, 70_000).Draw(t, label)
	}
	return rapid.IntRange(0, 20).Draw(t, label)
}

func drawSizes(t *rapid.T, label string, most int) []int {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) int { return drawSize(t, "size") }),
		0, most).Draw(t, label)
}

func drawWait(t *rapid.T, label string) time.Duration {
	switch rapid.IntRange(0, 9).Draw(t, label+" kind") {
	case 0, 1, 2, 3:
		return 0
	case 4, 5:
		return -time.Duration(rapid.IntRange(1, 10).Draw(t, label))
	case 6:
		return time.Duration(rapid.IntRange(1, 1000).Draw(t, label)) * time.Microsecond
	case 7:
		return time.Duration(rapid.IntRange(1, 30).Draw(t, label)) * time.Millisecond
	case 8:
		return time.Duration(rapid.IntRange(1, 2000).Draw(t, label)) * time.Millisecond
	}
	return pick(t, label, time.Microsecond, 5*time.Millisecond, 10*time.Millisecond, time.Minute)
}

func drawPause(t *rapid.T, label string) time.Duration { return max(0, drawWait(t, label)) }

func drawPeer(t *rapid.T, p *Program) (q Peer) {
	most := pick(t, "most acts", 3, 10, 30)
	q.Acts = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Act { return drawAct(t, p, most) }),
		0, most).Draw(t, "acts")
	q.Again = pick(t, "again", 0, 0, 1, 4)
	q.OnClose = pick(t, "OnClose", closeEcho, closeEcho, closeEcho, closeEcho, closeCode, closeIgnore, closeHangUp)
	if q.OnClose == closeCode {
		q.Code = drawCode(t)
	}
	q.Mute = rarely(t, "mute", 6) == 1
	q.Linger = rarely(t, "linger", 6) == 1
	if rarely(t, "slow to read", 3) == 1 {
		q.Reads = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Read {
			return Read{
				N:     pick(t, "n", 0, 1, 10, 100, 1000, 10_000, 100_000),
				Pause: pick(t, "pause", 0, time.Millisecond, time.Second, time.Minute, 100*time.Hour),
			}
		}), 1, 6).Draw(t, "reads")
	}
	if rarely(t, "pings, and reads no pongs", 15) == 1 {
		ping := Act{Do: actControl, Size: 125, N: pick(t, "pings", 50, 100, 200)}
		q.Acts = append([]Act{ping}, q.Acts...)
		q.Reads = append([]Read{{Pause: time.Second}}, q.Reads...)
		p.Limit = 256
	}
	if rarely(t, "pace", 4) == 1 {
		q.Pace = pick(t, "bytes", 1, 2, 5, 50, 1000)
		q.Every = pick(t, "every", 0, time.Microsecond, time.Millisecond, 100*time.Millisecond)
	}
	if rarely(t, "faults", 3) == 1 {
		q.Faults = rapid.SliceOfN(rapid.Custom(drawFault), 1, 3).Draw(t, "faults")
		for i := 1; i < len(q.Faults); i++ {
			q.Faults[i].At = max(q.Faults[i].At, q.Faults[i-1].At)
		}
	}
	if rarely(t, "cut out", 12) == 1 {
		q.CutOut = rapid.IntRange(1, 5000).Draw(t, "at")
	}
	return q
}

func drawFault(t *rapid.T) Fault {
	f := Fault{
		At: rapid.IntRange(0, pick(t, "about", 30, 300, 5000, 50_000)).Draw(t, "at"),
		Do: pick(t, "fault", faultStall, faultStall, faultCorrupt, faultReset, faultClose, faultHalf),
	}
	switch f.Do {
	case faultStall:
		f.For = pick(t, "for", time.Millisecond, 50*time.Millisecond, time.Second, time.Minute)
	case faultCorrupt:
		f.Flip = 1 << rapid.IntRange(0, 7).Draw(t, "bit")
	}
	return f
}

func drawCode(t *rapid.T) int { return pick(t, "code", 0, 1000, 1001, 1011, 3000, 4999) }

// drawAct draws one of at most so many acts. Of a few, more are special.
func drawAct(t *rapid.T, p *Program, most int) Act {
	a := Act{Wait: drawPause(t, "wait")}
	messages := min(35, 25+most)
	switch n := rapid.IntRange(0, 49).Draw(t, "act") + 35 - messages; {
	case n < 35:
		a.Do = actMessage
		a.Size = drawSize(t, "size")
		a.Text = flip(t, "text")
		a.Kind = rapid.IntRange(0, kinds-1).Draw(t, "kind")
		if rarely(t, "fragments", 3) == 1 {
			a.Parts = drawSizes(t, "parts", 5)
			a.Pause = pick(t, "pause", 0, time.Microsecond, time.Millisecond, 20*time.Millisecond, time.Second)
			a.Gaps = rapid.SliceOfN(rapid.IntRange(0, 2), 0, len(a.Parts)).Draw(t, "gaps")
		}
		a.Press = p.Deflate != nil && flip(t, "compressed")
	case n < 42:
		a.Do = actControl
		a.Size = pick(t, "size", 0, 4, 8, 125)
		a.Kind = rapid.IntRange(0, 1).Draw(t, "kind")
		a.N = pick(t, "n", 1, 1, 2, 5, 100)
	case n < 45:
		a.Do = actEmpty
		a.N = pick(t, "n", 1, 2, 100)
		a.Size = rapid.IntRange(0, 20).Draw(t, "size")
	case n < 47:
		a.Do = pick(t, "close", actClose, actClose, actTorn)
		a.Code = drawCode(t)
		a.Size = rapid.IntRange(0, 20).Draw(t, "size")
	case n < 48:
		a.Do = actPart
		a.Size = drawSize(t, "size")
	default:
		a.Do = actBreach
		a.N = rapid.IntRange(0, len(breaches)-1).Draw(t, "breach")
		a.Size = rapid.IntRange(0, 100).Draw(t, "size")
	}
	return a
}

func drawCaller(t *rapid.T, p *Program) Caller {
	c := Caller{Life: pick(t, "life", 0, 0, time.Millisecond, 100*time.Millisecond, time.Second, time.Minute)}
	c.Again = pick(t, "again", 0, 0, 2, 10)
	var calls []string
	switch rapid.IntRange(0, 4).Draw(t, "part") {
	case 4:
		calls = []string{doHandle, doHandle, doStats, doPing, doWrite, doPull, doNext}
	case 0:
		calls = []string{doPull, doPull, doInto, doNext, doNext, doStats, doSkip}
	case 1:
		calls = []string{doWrite, doWrite, doTry, doMessage, doPrepared, doFlush, doReady, doStats}
	case 2:
		calls = []string{doPull, doInto, doNext, doWrite, doTry, doMessage, doPing}
	default:
		calls = []string{doPing, doFlush, doReady, doStats, doSkip, doNext, doMessage, doWrite}
	}
	c.Steps = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Step { return drawStep(t, calls) }),
		1, 20).Draw(t, "steps")
	return c
}

func drawContext(t *rapid.T, s *Step) {
	s.Ctx = pick(t, "ctx", ctxNone, ctxNone, ctxOwn, ctxOwn, ctxShared, ctxShared, ctxConn, ctxEnded)
	if s.Ctx == ctxOwn {
		s.Within = pick(t, "within", time.Microsecond, time.Millisecond, 7*time.Millisecond,
			50*time.Millisecond, time.Second, time.Minute)
	}
}

func drawStep(t *rapid.T, calls []string) Step {
	s := Step{Wait: drawWait(t, "wait"), Do: pick(t, "do", calls...)}
	if rarely(t, "end", 60) == 1 {
		s.Do = pick(t, "end", doDiscard, doClose, doShutdown, doWClose, doFail, doAbort, doCancel,
			doCloseNow, doAcceptor)
	}
	drawContext(t, &s)
	switch s.Do {
	case doInto:
		s.Size = pick(t, "size", 0, 10, 100, 5000, 100_000)
	case doHandle:
		s.Ctx = ctxNone
		s.Within = pick(t, "takes", 0, 0, time.Microsecond, time.Millisecond, time.Second)
	case doNext:
		s.Parts = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) int {
			return pick(t, "n", 0, 1, 2, 10, 100, 5000, 100_000)
		}), 0, 6).Draw(t, "parts")
		s.From = flip(t, "rest")
		s.Leave = rarely(t, "leave", 8) == 1
	case doWrite, doTry, doPrepared:
		s.Size = drawSize(t, "size")
		s.Text = flip(t, "text")
		s.Kind = rapid.IntRange(0, kinds-1).Draw(t, "kind")
		s.Plain = rarely(t, "plain", 4) == 1
		s.From = flip(t, "twice")
	case doMessage:
		s.Parts = drawSizes(t, "parts", 5)
		s.Text = flip(t, "text")
		s.Kind = rapid.IntRange(0, kinds-1).Draw(t, "kind")
		s.Plain = rarely(t, "plain", 4) == 1
		s.From = flip(t, "from")
		s.Leave = rarely(t, "leave", 12) == 1
	case doClose, doShutdown, doFail, doAbort, doCancel:
		s.Code = drawCode(t)
	}
	return s
}

func drawEnd(t *rapid.T) Step {
	s := Step{Do: pick(t, "end", doClose, doClose, doShutdown, doWClose, doFail, doAbort, doCancel,
		doCloseNow, doAcceptor, doFinish)}
	switch s.Do {
	case doShutdown, doWClose, doFail, doAcceptor:
		drawContext(t, &s)
		fallthrough
	case doClose, doAbort, doCancel:
		s.Code = drawCode(t)
	}
	return s
}
