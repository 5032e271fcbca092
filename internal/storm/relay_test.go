package storm_test

import (
	"bufio"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/wsstream/wsstream/internal/pipes"
	"github.com/wsstream/wsstream/wstest/memnet"
)

// A stormRelay stands between the two Conns of a storm and passes on frames. It adds what changes
// no message: pings, pongs, fragments, pauses. Where it is to break something it does so once.
type stormRelay struct {
	breaks string        // of stormBreaches; "" for nothing
	broken chan struct{} // closed when it is to break it
	done   atomic.Bool   // it has
	ends   [4]net.Conn   // the client, our end of that, our end of the next, the server
	goes   sync.WaitGroup
}

// end waits until both Conns have let go of it.
func (v *stormRelay) end() {
	v.goes.Wait()
	for _, nc := range v.ends {
		_ = nc.Close()
	}
}

// What a relay breaks, for the Conn that receives it.
const (
	breachCut     = "cuts a frame"
	breachClose   = "closes inside a message"
	breachCode    = "sends a code that may not be sent"
	breachMask    = "masks wrongly"
	breachRsv     = "sets a reserved bit"
	breachOp      = "sends an opcode that means nothing"
	breachLength  = "declares a length that never comes"
	breachText    = "breaks text"
	breachDeflate = "compresses wrongly"
	breachGarbage = "sends garbage"
	breachStops   = "stops"
	breachDrops   = "loses the connection"
)

var stormBreaches = []string{
	breachCut, breachClose, breachCode, breachMask, breachRsv, breachOp, breachLength, breachText,
	breachDeflate, breachGarbage, breachStops, breachDrops,
}

// relayed puts a relay between the two ends that it returns.
func (p *plan) relayed(t *testing.T, r *rand.Rand) (near, far net.Conn) {
	v := &stormRelay{broken: make(chan struct{}), breaks: p.breaks}
	leg := func() (net.Conn, net.Conn) {
		if p.limit == 0 {
			return memnet.Pipe(4 << 10)
		}
		return pipes.TCP(t, p.limit)
	}
	v.ends[0], v.ends[1] = leg()
	v.ends[2], v.ends[3] = leg()
	seed := r.Uint64()
	ways := [2]*relayWay{
		{v: v, from: v.ends[1], to: v.ends[2], r: rand.New(rand.NewPCG(seed, 0)), masked: true},
		{v: v, from: v.ends[2], to: v.ends[1], r: rand.New(rand.NewPCG(seed, 1))},
	}
	for _, w := range ways {
		v.goes.Go(w.pass)
	}
	p.relay = v
	return v.ends[0], v.ends[3]
}

// A relayWay is one direction of a relay.
type relayWay struct {
	v        *stormRelay
	from, to net.Conn
	r        *rand.Rand
	masked   bool // what it passes on
	inside   bool // a message
}

func (w *relayWay) pass() {
	defer func() {
		if h, ok := w.to.(interface{ CloseWrite() error }); ok {
			_ = h.CloseWrite()
		}
		_, _ = io.Copy(io.Discard, w.from) // what the Conn still writes behind an error of ours
	}()
	in := bufio.NewReader(w.from)
	for end := 0; end < 4; { // of the handshake's header
		b, err := in.ReadByte()
		if err != nil {
			return
		}
		if _, err := w.to.Write([]byte{b}); err != nil {
			return
		}
		if end++; b != "\r\n\r\n"[end-1] {
			end = 0
			if b == '\r' {
				end = 1
			}
		}
	}
	for {
		h, err := ws.ReadHeader(in)
		if err != nil {
			return
		}
		b := make([]byte, h.Length)
		if _, err := io.ReadFull(in, b); err != nil {
			return
		}
		if h.Masked {
			ws.Cipher(b, h.Mask, 0)
		}
		if !w.frame(h, b) {
			return
		}
	}
}

// send sends one frame.
func (w *relayWay) send(h ws.Header, b []byte) bool {
	h.Length, h.Masked = int64(len(b)), w.masked
	b = append([]byte(nil), b...)
	if w.masked {
		h.Mask = ws.NewMask()
		ws.Cipher(b, h.Mask, 0)
	}
	f := ws.MustCompileFrame(ws.Frame{Header: h, Payload: b})
	if w.r.IntN(20) == 0 && len(f) > 1 {
		n := 1 + w.r.IntN(len(f)-1)
		if _, err := w.to.Write(f[:n]); err != nil {
			return false
		}
		<-time.After(time.Duration(w.r.IntN(300)) * time.Microsecond)
		f = f[n:]
	}
	_, err := w.to.Write(f)
	return err == nil
}

// frame passes on one frame, and puts in more.
func (w *relayWay) frame(h ws.Header, b []byte) bool {
	select {
	case <-w.v.broken:
		if w.v.done.CompareAndSwap(false, true) && !w.breach(h, b) {
			return false
		}
	default:
	}
	if h.OpCode.IsControl() {
		return w.send(h, b) // with no pings, whose pongs would have pings again
	}
	if w.r.IntN(10) == 0 {
		for range w.r.IntN(30) {
			op := pick(w.r, ws.OpPing, ws.OpPing, ws.OpPong)
			if !w.send(ws.Header{Fin: true, OpCode: op}, make([]byte, w.r.IntN(126))) {
				return false
			}
		}
	}
	w.inside = !h.Fin
	for w.r.IntN(4) == 0 && len(b) > 0 { // a fragment, maybe an empty one
		n := w.r.IntN(len(b))
		first := h
		first.Fin = false
		if !w.send(first, b[:n]) {
			return false
		}
		h.OpCode, h.Rsv, b = ws.OpContinuation, 0, b[n:]
	}
	return w.send(h, b)
}

// breach breaks what the relay is to break in front of a frame. It reports whether that follows.
func (w *relayWay) breach(h ws.Header, b []byte) (goesOn bool) {
	whole := ws.Header{Fin: true, OpCode: ws.OpBinary}
	switch w.v.breaks {
	case breachCut:
		f := ws.MustCompileFrame(ws.Frame{Header: ws.Header{Fin: true, OpCode: ws.OpText, Length: 100}})
		_, _ = w.to.Write(f[:1])
		return false
	case breachClose:
		part := ws.Header{OpCode: ws.OpBinary}
		if w.inside {
			part.OpCode = ws.OpContinuation
		}
		w.send(part, nil)
		w.send(ws.Header{Fin: true, OpCode: ws.OpClose}, ws.NewCloseFrameBody(1000, ""))
	case breachCode:
		w.send(ws.Header{Fin: true, OpCode: ws.OpClose}, ws.NewCloseFrameBody(1005, ""))
	case breachMask:
		w.masked = !w.masked
		w.send(h, b)
	case breachRsv:
		whole.Rsv = 1
		w.send(whole, b)
	case breachOp:
		whole.OpCode = 5
		w.send(whole, b)
	case breachLength:
		whole.Length, whole.Masked = 1<<62, w.masked
		_ = ws.WriteHeader(w.to, whole)
		return false
	case breachText:
		if !w.inside {
			w.send(ws.Header{Fin: true, OpCode: ws.OpText}, []byte("\xff"))
		}
	case breachDeflate:
		whole.Rsv = 4 // RSV1: compressed
		w.send(whole, []byte("\xff\xff\xff"))
	case breachGarbage:
		g := make([]byte, 1000)
		for i := range g {
			g[i] = byte(w.r.Uint32())
		}
		g[0] |= 0x70 // no frame begins so
		_, _ = w.to.Write(g)
	case breachStops:
		<-time.After(time.Second)
		return false
	case breachDrops:
		for _, nc := range w.v.ends[1:3] {
			_ = nc.Close()
		}
		return false
	}
	return true
}
