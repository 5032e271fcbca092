package conn

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/wsstream/wsstream"
)

// ends checks the end of the connection with the table of ends.
func (j *judge) ends() {
	f := &j.last
	clean := f.closed == nil
	var e *wsstream.Error
	if !clean {
		if !errors.As(f.closed, &e) || wsstream.CloseCode(f.closed) != f.info.Code && f.info.Code != 0 {
			j.fault("Closed", "%v with %v", f.info, f.closed)
			return
		}
		if f.end != f.closed {
			j.fault("the end differs from that of Closed", "%v, %v", f.end, f.closed)
		}
	}
	j.endOfPulls()
	j.endOfWrites()
	if clean {
		j.cleanEnd()
	} else {
		j.uncleanEnd(e)
	}
	j.ourCode()
}

func (j *judge) endOfPulls() {
	f := &j.last
	want := f.end
	if want == nil || j.called(doCancel) != nil && f.pull == io.EOF {
		want = io.EOF
	}
	if f.pull != want {
		var e *wsstream.Error
		if errors.As(f.pull, &e) && j.firstBad() {
			return // a message that was left unread proved to be invalid
		}
		j.fault("the end of pulls", "%v, and the connection ended with %v", f.pull, f.end)
	}
}

// firstBad reports whether a message breaks a rule.
func (j *judge) firstBad() bool {
	for i := range j.in.messages {
		if m := &j.in.messages[i]; m.bad != "" || j.tooBig(m) || m.end > j.fuzzy {
			return true
		}
	}
	return false
}

func (j *judge) endOfWrites() {
	f := &j.last
	if f.write == cmp.Or(f.end, wsstream.ErrClosed) {
		return
	}
	for _, c := range j.calls {
		switch c.do {
		case doClose, doShutdown, doWClose, doCancel:
			if f.write == wsstream.ErrClosed {
				return
			}
		case doFail, doAbort:
			if f.write == c.cause {
				return
			}
		}
	}
	if wsstream.CloseCode(f.write) == 1001 && j.library() {
		return
	}
	if f.write != nil && strings.Contains(f.write.Error(), "inside a character") {
		return
	}
	j.fault("the end of writes", "%v, and the connection ended with %v", f.write, f.end)
}

// library reports whether the library may have decided to close in order.
func (j *judge) library() bool {
	return j.called(doAcceptor) != nil && !j.p.Client || j.p.Options.IdleTimeout > 0
}

// decisions are the calls that decide to close.
func (j *judge) decisions() (calls []*call) {
	for _, c := range j.calls {
		switch c.do {
		case doClose, doShutdown, doWClose, doFail, doAbort, doCancel:
			if c.name != "probe" {
				calls = append(calls, c)
			}
		case doWriteEnd:
			if c.err != nil && strings.Contains(c.err.Error(), "inside a character") {
				calls = append(calls, c)
			}
		}
	}
	return calls
}

// cleanEnd checks an end for which Closed has no error.
func (j *judge) cleanEnd() {
	f := &j.last
	if !j.in.closed {
		j.fault("Closed is clean, and the peer has sent no Close", "%v; %v", f.info, j.in.broken)
		return
	}
	if f.info.Code != j.in.code || f.info.Reason != j.in.reason {
		j.fault("Closed has another code than the peer's", "%v, and the peer's is %d %q", f.info,
			j.in.code, j.in.reason)
	}
	if j.near != nil && !j.out.closed && j.near.outErr == nil && j.calm() {
		j.fault("Closed is clean, and we have sent no Close", "%v", f.info)
	}
	// Which party decided first?
	peer, program := true, len(j.decisions()) > 0
	if m, ok := j.closeRead(); ok {
		for _, c := range j.decisions() {
			if c.end < m.tick && (c.err == nil || c.late == nil) && c.do != doWClose && c.do != doFail {
				peer = false
			}
		}
		if first := j.decisions(); len(first) > 0 && slices.MinFunc(first, func(a, b *call) int {
			return cmp.Compare(a.from, b.from)
		}).from > m.at+time.Millisecond {
			program = false
		}
	}
	var may []string
	done := j.in.code == 1000 || j.in.code == 1005
	if peer {
		may = append(may, j.coded(done && !j.in.torn, j.in.torn))
	}
	if program {
		may = append(may, j.coded(done || j.out.closed && j.in.code == j.out.code, j.in.torn))
	}
	if j.library() {
		may = append(may, "1001 false")
	}
	got := "EOF"
	if f.end != nil {
		got = fmt.Sprintf("%d %v", wsstream.CloseCode(f.end), errors.Is(f.end, io.ErrUnexpectedEOF))
	}
	if !slices.Contains(may, got) {
		j.fault("the end is not in the table",
			"%v (%s), and may be %q; the peer's Close is %d (torn: %v), ours %d",
			f.end, got, may, j.in.code, j.in.torn, j.out.code)
	}
}

// coded names an end with the peer's code.
func (j *judge) coded(eof, torn bool) string {
	if eof {
		return "EOF"
	}
	return fmt.Sprintf("%d %v", j.in.code, torn)
}

// closeRead returns when the peer's Close was read.
func (j *judge) closeRead() (mark, bool) {
	if j.near == nil || !j.in.closed {
		return mark{}, false
	}
	return j.near.in.when(j.in.stop)
}

// uncleanEnd checks an end for which Closed has an error.
func (j *judge) uncleanEnd(e *wsstream.Error) {
	f := &j.last
	text := f.closed.Error()
	has := func(s string) bool { return strings.Contains(text, s) }
	o := j.p.Options
	if e.Code != 1006 && (!j.in.closed || e.Code != j.in.code) && j.fuzzy > j.in.end {
		j.fault("Closed has a code that the peer has not sent", "%v", f.closed)
	}
	var ok bool
	switch {
	case has("we closed with"):
		ok = j.broken(text)
		if has("PongTimeout") && j.near != nil {
			ok = ok && j.silent()
		}
	case has("we cut the connection"):
		ok = j.called(doCloseNow) != nil || j.called(doShutdown, doAcceptor) != nil
	case has("within our CloseTimeout"):
		ok = j.late()
	case has("could not be sent"):
		ok = j.in.closed
	default: // the transport
		ok = j.lost()
	}
	if !ok {
		j.fault("an unclean end without a reason", "%v; pings %v, idle %v",
			f.closed, o.PingInterval, o.IdleTimeout)
	}
	if j.calm() {
		j.fault("an unclean end in calm", "%v", f.closed)
	}
}

// silent reports whether nothing came within PongTimeout before our Close, and a ping had left.
func (j *judge) silent() bool {
	if !j.out.closed {
		return true // it never left, so it is not known when that was
	}
	left, _ := j.near.out.when(j.out.stop)
	wait := j.p.Options.PongTimeout
	if wait == 0 {
		wait = wsstream.DefaultPongTimeout
	}
	pinged := false
	for _, c := range j.out.controls {
		if m, ok := j.near.out.when(c.end); ok && c.op == opPing {
			pinged = pinged || m.at <= left.at-wait
		}
	}
	for _, m := range j.near.in.marks {
		if m.at > left.at-wait && m.at < left.at {
			return false
		}
	}
	return pinged
}

// late reports whether CloseTimeout may have passed.
func (j *judge) late() bool {
	return j.called(doClose, doShutdown, doWClose, doFail, doAbort, doCancel, doAcceptor) != nil ||
		j.p.Options.IdleTimeout > 0 || j.in.closed || j.near != nil && j.near.outErr != nil ||
		j.called(doWriteEnd) != nil
}

// lost reports whether the transport was lost before the end.
func (j *judge) lost() bool {
	return j.near == nil || j.near.inErr != nil || j.near.outErr != nil
}

// broken reports whether the input breaks the rule that an error names.
func (j *judge) broken(text string) bool {
	code := brokenCode(text)
	o := j.p.Options
	switch code {
	case 1002:
		return j.in.broken != "" && j.in.brokenCode == 1002 || j.fuzzy <= j.in.end
	case 1007:
		if j.in.broken != "" && j.in.brokenCode == 1007 {
			return true
		}
		return slices.ContainsFunc(j.in.messages, func(m message) bool {
			return m.bad != "" || m.end > j.fuzzy
		})
	case 1009:
		return slices.ContainsFunc(j.in.messages, func(m message) bool {
			return j.tooBig(&m) || m.end > j.fuzzy || !m.whole && o.MaxMessageSize >= 0
		})
	case 1008:
		return j.in.empties > 16<<10 || o.PingInterval > 0 && o.PongTimeout >= 0 ||
			o.WriteStallTimeout > 0 || o.ReadStallTimeout > 0
	}
	return false
}

// brokenCode returns the code that an error says we closed with; 0 if it says nothing.
func brokenCode(text string) (code int) {
	if _, after, ok := strings.Cut(text, "we closed with "); ok {
		_, _ = fmt.Sscanf(after, "%d", &code) // 0 if there is no number
	}
	return code
}

// ourCode checks the code of our Close.
func (j *judge) ourCode() {
	if !j.out.closed {
		return
	}
	may := []int{}
	for _, c := range j.decisions() {
		may = append(may, codeOf(c))
	}
	if j.in.closed {
		may = append(may, j.in.code)
	}
	if j.library() {
		may = append(may, 1001)
	}
	text := fmt.Sprint(j.last.closed)
	if code := brokenCode(text); code != 0 {
		may = append(may, code)
	}
	if c := j.firstDecision(); c != nil && !strings.Contains(text, "we closed with ") && !j.library() {
		may = []int{codeOf(c)}
	}
	if !slices.Contains(may, j.out.code) {
		j.fault("our Close has a code that nothing asks for", "%d, and may have %v; Closed is %v", j.out.code,
			may, j.last.closed)
	}
}

// firstDecision returns the call that has surely decided before all others; nil if there is none.
func (j *judge) firstDecision() *call {
	all := j.decisions()
	if j.near == nil {
		return nil
	}
	for _, c := range all {
		switch c.do {
		case doClose, doShutdown, doAbort, doCancel:
		default:
			continue
		}
		end := c.end
		if c.do == doShutdown {
			end = c.begin // it waits for the end, and decides at some time before
		}
		if m, ok := j.closeRead(); ok && m.tick < end {
			continue
		}
		first := true
		for _, d := range all {
			first = first && (d == c || d.begin > end && (c.do != doShutdown || d.from > c.from))
		}
		if m, ok := j.closeRead(); ok && c.do == doShutdown && m.at <= c.from {
			continue
		}
		if first {
			return c
		}
	}
	return nil
}

// codeOf returns the code with which a call closes.
func codeOf(c *call) int {
	switch c.do {
	case doWClose:
		return 1000
	case doAbort, doCancel, doFail:
		if c.step.Code != 0 {
			return c.step.Code
		}
		return 1011
	case doWriteEnd:
		return 1011
	}
	if c.info.Code == 0 {
		return 1005
	}
	return c.info.Code
}

// calm reports whether nothing was planned that makes the end unclean.
func (j *judge) calm() bool {
	p := &j.p.Peer
	o := j.p.Options
	if len(p.Faults) > 0 || p.CutOut > 0 || p.OnClose != closeEcho || p.Pace > 0 || len(p.Reads) > 0 ||
		o.PingInterval > 0 || o.IdleTimeout > 0 || o.WriteStallTimeout > 0 || o.ReadStallTimeout > 0 ||
		o.CloseTimeout != 0 || !j.p.Drain || j.dropsOutput() || j.drops() || p.Linger {
		return false
	}
	waits := j.p.Span // with a full window, a Close is read when messages are pulled
	for _, c := range j.p.Callers {
		for _, step := range c.Steps {
			waits += max(step.Wait, 0) * time.Duration(1+c.Again)
		}
	}
	if waits > 3*time.Second {
		return false
	}
	var sends time.Duration // the answer to our Close waits behind that
	for i := range p.Acts {
		a := &p.Acts[i]
		sends += (a.Wait + a.Pause*time.Duration(len(a.Parts))) * time.Duration(1+p.Again)
		if a.Do == actBreach || a.Do == actPart || a.Do == actEmpty || a.Do == actTorn ||
			sends > time.Second {
			return false
		}
	}
	return !j.firstBad() && j.in.broken == ""
}
