package wire

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/internal/deflate"
)

// The bits of how a Conn is set up in FuzzInbound.
const (
	asClient byte = 1 << iota
	withDeflate
	withoutTakeover
	withBuffered // the first piece comes with the handshake
	withEOF      // the end comes with the last bytes
)

// An inbound is one run of FuzzInbound.
type inbound struct {
	naive
	t  *testing.T
	c  *Conn
	nc *played
	takes
}

// FuzzInbound compares a Conn with a naive reader of the same input. The input comes as cuts say,
// then whole, then byte by byte. Its messages are taken as how says. A message of long bytes comes
// first.
func FuzzInbound(f *testing.F) {
	f.Fuzz(func(t *testing.T, input, cuts, how []byte, setup byte, long uint32) {
		if len(input) > 1000 { // the pongs of more pings replace each other
			return
		}
		n := naive{client: setup&asClient != 0, limit: 200}
		if setup&withDeflate != 0 {
			n.peer = &deflate.Sender{Bits: 15, NoTakeover: setup&withoutTakeover != 0}
		}
		if long %= 1 << 17; long > 0 {
			n.limit = 1 << 17
			frame := ws.NewBinaryFrame(pattern(int(long), 0))
			input = append(framed(t, frame, !n.client), input...)
		}
		n.taken = takes(how).taking
		n.read(input)
		for _, cuts := range [][]byte{cuts, nil, {0}} {
			pieces := split(input, cuts)
			if len(pieces) > 1000 {
				pieces = split(input, []byte{12, 1}) // for speed
			}
			(&inbound{naive: n, t: t, takes: how}).run(pieces, setup)
		}
	})
}

// run makes a Conn read the pieces, and compares.
func (r *inbound) run(pieces [][]byte, setup byte) {
	cfg := Config{
		Client:       r.client,
		ReadWindow:   256,
		WriteWindow:  256,
		MaxMessage:   r.limit,
		CloseTimeout: time.Minute,
		Owner:        testOwner{&fuzzErrors},
		Ends:         new(Ends),
	}
	if r.peer != nil {
		cfg.Deflate = &Deflate{Ours: *r.peer, Peer: *r.peer}
	}
	var buffered []byte
	if setup&withBuffered != 0 && len(pieces) > 0 && len(pieces[0]) <= cfg.ReadWindow {
		buffered, pieces = pieces[0], pieces[1:]
	}
	r.nc = &played{pieces: pieces, eofAlong: setup&withEOF != 0}
	r.c = New(r.nc, &cfg)
	r.c.flags.set(isArmed) // a slow machine starts no background reader
	r.c.Start(buffered)
	end := r.takeAll()
	select {
	case <-r.c.end.done.Done():
	case <-time.After(30 * time.Second):
		require.Fail(r.t, "the connection does not end")
	}
	r.checkEnd(kindOf(end))
	received, _ := r.c.Stats()
	require.Zero(r.t, received.Held)
	require.LessOrEqual(r.t, received.HeldMax, int64(cfg.ReadWindow+r.longest()))
}

// takes says how each message is taken, with a byte for each. The lowest three bits are one of the
// ways below. The others are how much a Read reads, and how often the transport is read before a
// Pull is cancelled.
type takes []byte

// Only messages that Pull would return are taken in the ways from cancelledPull on.
const (
	pull byte = iota
	readWhole
	skip
	cancelledPull // and another Pull
	cancelledRead // a cancelled Pull, and the rest with Reads
	cancelledSkip // a cancelled Pull, then one Read
	partSkip      // one Read
)

func (t takes) how(nth int) (how byte, much int) {
	if len(t) == 0 {
		return pull, 0
	}
	b := t[nth%len(t)]
	return b & 7, int(b >> 3)
}

// taking returns what a way means to a naive.
func (t takes) taking(nth int) taking {
	switch how, _ := t.how(nth); how {
	case readWhole:
		return read
	case skip:
		return skipped
	}
	return pulled
}

// takeAll takes all messages, and returns the end of pulls.
func (r *inbound) takeAll() error {
	var data []byte
	for nth := 0; ; nth++ {
		op, got, whole, err := r.take(nth, data)
		if nth < len(r.whole) {
			m := r.whole[nth]
			require.NoError(r.t, err, "message %d", nth)
			require.EqualValues(r.t, m.op, op)
			require.True(r.t, bytes.HasPrefix(m.data, got), "message %d", nth)
			require.True(r.t, !whole || len(got) == len(m.data), "message %d", nth)
		} else if err != nil {
			r.checkCut(op, got)
			return err
		} else {
			require.False(r.t, whole, "there is no message %d", nth)
			require.LessOrEqual(r.t, nth, len(r.whole))
		}
		data = got
	}
}

// take takes a message, and reports whether it did so to its end. buf is for its payload.
func (r *inbound) take(nth int, buf []byte) (op ws.OpCode, data []byte, whole bool, err error) {
	how, much := r.how(nth)
	if nth >= len(r.whole) && how >= cancelledPull || nth > len(r.whole) {
		how = pull
	}
	if how >= cancelledPull && how <= cancelledSkip {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		var reads atomic.Int32
		r.nc.atRead(func() {
			if int(reads.Add(1)) > much%8 {
				cancel()
			}
		})
		op, data, err = r.c.Pull(ctx, buf)
		r.nc.atRead(nil)
		if !errors.Is(err, context.Canceled) {
			return op, data, true, err
		}
	}
	if how == pull || how > partSkip || how == cancelledPull {
		op, data, err = r.c.Pull(context.Background(), buf)
		return op, data, true, err
	}
	size := 1 + much*much
	if n := r.longest(); n > 4<<10 {
		size += n / 100 // for speed
	}
	return r.readMessage(buf[:0], how, size)
}

// readMessage takes a message with Reads.
func (r *inbound) readMessage(data []byte, how byte, size int) (ws.OpCode, []byte, bool, error) {
	var m Reader
	if err := r.c.Next(context.Background(), &m); err != nil {
		return 0, nil, false, err
	}
	for p := make([]byte, size); how != skip; {
		n, err := m.Read(p)
		data = append(data, p[:n]...)
		if err == io.EOF {
			return m.Op(), data, true, nil
		}
		if err != nil {
			_, _, err = r.c.Pull(context.Background(), nil) // an end in order is another error of Read
			return m.Op(), data, false, err
		}
		if how != readWhole && how != cancelledRead {
			break
		}
	}
	return m.Op(), data, false, m.Close()
}

// checkCut checks what came of a message that is not whole. A Reader, which has an op, returns all
// that has come before it returns the end.
func (r *inbound) checkCut(op ws.OpCode, got []byte) {
	if op == 0 {
		require.Empty(r.t, got)
		return
	}
	require.NotNil(r.t, r.cut)
	require.EqualValues(r.t, r.cut.op, op)
	require.True(r.t, bytes.HasPrefix(r.cut.data, got))
	require.True(r.t, r.bad != nil || len(got) == len(r.cut.data))
}

// checkEnd checks the end of pulls, and what was sent.
func (r *inbound) checkEnd(kind string) {
	ends := []naiveEnd{r.stop}
	closed := r.stop.kind != "header" && r.stop.kind != "lost" // by the peer
	skips := slices.ContainsFunc(r.takes, func(b byte) bool {
		return b&7 == skip || b&7 == cancelledSkip || b&7 == partSkip
	})
	if r.bad != nil {
		// The peer's Close counts wherever it stands. After a Reader is closed, the background
		// reader looks at what follows.
		ends = []naiveEnd{*r.bad}
		if closed || skips {
			ends = append(ends, naiveEnd{r.bad.kind, r.stop.sent})
		}
		if r.stop.sent == CodeProtocol || r.stop.sent == CodeBadData {
			ends = append(ends, r.stop, naiveEnd{r.stop.kind, r.bad.sent})
		}
		if skips || r.nc.eofAlong {
			ends = append(ends, naiveEnd{r.bad.kind, -1})
		}
	}
	if r.nc.eofAlong && r.stop.kind == "header" {
		ends = append(ends, naiveEnd{"lost", -1})
	}
	sent, pongs := r.sent()
	require.Contains(r.t, ends, naiveEnd{kind, sent})
	require.LessOrEqual(r.t, len(pongs), len(r.pings))
	require.True(r.t, slices.Equal(r.pings[:len(pongs)], pongs))
	if sent >= 0 {
		require.GreaterOrEqual(r.t, len(pongs), r.owed)
	}
}

// sent returns the code of the Close that was sent, and the payloads of the pongs.
func (r *inbound) sent() (code int, pongs []string) {
	code = -1
	for _, f := range frames(r.t, r.nc.out.Bytes()) {
		require.Equal(r.t, -1, code, "nothing follows our Close")
		require.True(r.t, f.Header.Fin)
		require.Equal(r.t, r.client, f.Header.Masked)
		if f.Header.OpCode == ws.OpPong {
			pongs = append(pongs, string(f.Payload))
			continue
		}
		require.Equal(r.t, ws.OpClose, f.Header.OpCode)
		info, _, err := parseClose(f.Payload)
		require.NoError(r.t, err)
		if code = info.Code; code == CodeNone {
			code = 0
		}
	}
	return code, pongs
}

// longest returns the payload bytes of the longest message.
func (r *inbound) longest() (n int) {
	for _, m := range append(r.whole, naiveMessage{}) {
		n = max(n, len(m.data))
	}
	if r.cut != nil {
		n = max(n, len(r.cut.data))
	}
	return n
}
