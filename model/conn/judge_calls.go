package conn

import (
	"cmp"
	"errors"
	"io"
	"strings"

	"github.com/wsstream/wsstream"
)

// results checks the errors of all calls.
func (j *judge) results() {
	for _, c := range j.calls {
		if !c.done {
			j.fault("a call has not returned", "%v", c)
			continue
		}
		if j.p.Procs >= 0 && c.over > 0 && j.near != nil && c.to > max(c.over, c.from)+slack {
			j.fault("a call outlives its context", "%v", c)
		}
		if c.err != nil && !j.allowed(c) {
			j.fault("a call fails with an error that it must not have",
				"%v; pulls end with %v, writes with %v, Closed with %v, the connection with %v",
				c, j.last.pull, j.last.write, j.last.closed, j.last.end)
		}
		if c.err == nil && j.last.end != nil &&
			(c.do == doWClose || c.do == doShutdown || c.do == doFail) {
			j.fault("a call succeeds although the end is an error", "%v: %v", c, j.last.end)
		}
		if c.dead && c.err == nil && c.step.Ctx != ctxConn {
			switch c.do {
			case doPull, doInto, doNext, doWrite, doReady, doFlush, doPing, doMessage:
				j.fault("a call succeeds although its context had ended", "%v", c)
			}
		}
	}
}

// allowed reports whether the model allows the error of a call.
func (j *judge) allowed(c *call) bool {
	f := &j.last
	if c.err == c.late && c.step.Ctx != ctxConn {
		return c.do != doClose && c.do != doAbort && c.do != doCancel && c.do != doTry
	}
	outcome := cmp.Or(f.end, wsstream.ErrClosed)
	switch c.do {
	case doPull, doInto, doNext:
		return c.err == f.pull || c.err == wsstream.ErrBusy && (j.busy(c) || j.handledBefore(c))
	case doHandle:
		return c.err == wsstream.ErrBusy && (j.busy(c) || j.handledBefore(c))
	case doRead:
		switch {
		case c.err == io.EOF, c.err == f.pull:
			return true
		case c.err == io.ErrUnexpectedEOF:
			return f.pull == io.EOF
		}
		return errors.Is(c.err, wsstream.ErrClosed) && j.readEnded(c)
	case doWrite, doTry, doReady, doMessage, doFlush, doPrepared:
		return c.err == f.write
	case doPart, doWriteEnd:
		return c.err == f.write || j.cutText(c)
	case doPing:
		return c.err == f.write || c.err == outcome
	case doWClose, doFail:
		return c.err == f.end || c.err == f.write
	case doShutdown, doAcceptor:
		return c.err == f.end
	}
	return false
}

// busy reports whether a MessageReader may have been open during a call.
func (j *judge) busy(c *call) bool {
	for _, o := range j.calls {
		if o.do == doNext && o.ok && o.begin < c.end && (!o.ended || o.last > c.begin) {
			return true
		}
	}
	return false
}

// readEnded reports whether the reader of a Read was closed before the Read returned.
func (j *judge) readEnded(c *call) bool {
	for _, o := range j.calls {
		if o.do == doReadEnd && o.of == c.of && o.begin < c.end {
			return true
		}
	}
	return false
}

// cutText reports whether text that is not UTF-8 was written.
func (j *judge) cutText(c *call) bool {
	return c.of.text && strings.Contains(c.err.Error(), "UTF-8")
}

// figures checks the figures after the end.
func (j *judge) figures() {
	s := &j.last.stats
	j.law(s, j.p.Options)
	var got, want, most wsstream.Flow
	sums, read := map[*call]int64{}, map[*call]bool{}
	for _, c := range j.calls {
		switch {
		case c.pulls() && c.ok && c.do != doNext:
			got.Messages++
			got.Bytes += int64(len(c.got))
		case c.do == doRead:
			sums[c.of] += int64(len(c.got))
			if c.err == io.EOF && !read[c.of] {
				read[c.of] = true
				got.Messages++
				got.Bytes += sums[c.of]
			}
		case (c.do == doWrite || c.do == doTry || c.do == doPrepared) && c.ok:
			want.Messages++
			want.Bytes += int64(len(c.data))
		case c.do == doPart:
			sums[c.of] += int64(c.n)
		case c.do == doWriteEnd && c.ok:
			want.Messages++
			want.Bytes += sums[c.of]
		case c.do == doWrite || c.do == doTry || c.do == doPrepared || c.do == doWriteEnd:
			most.Messages++
		}
	}
	if s.Received.Messages != got.Messages || s.Received.Bytes != got.Bytes {
		j.fault("Stats: what was received", "%+v, and %d messages with %d bytes were pulled",
			s.Received, got.Messages, got.Bytes)
	}
	if n := s.Sent.Messages - want.Messages; n < 0 || n > most.Messages ||
		n == 0 && s.Sent.Bytes != want.Bytes {
		j.fault("Stats: what was sent", "%+v, and %d messages with %d bytes were accepted", s.Sent,
			want.Messages, want.Bytes)
	}
	if s.Sent.Held != 0 {
		j.fault("Stats: output is held after the end", "%+v", s.Sent)
	}
}
