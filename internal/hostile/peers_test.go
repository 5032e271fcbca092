package hostile

import (
	"bytes"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gobwas/ws"

	"github.com/wsstream/wsstream/wstest"
)

// A kind is a way to be hostile over a socket. Nothing is computed while it attacks: the attacker's
// own CPU is not what a benchmark measures.
type kind struct {
	name    string
	opening []byte // sent first, the request included
	each    []byte // sent at each act; nil: the peer connects anew at each act
	reads   int    // bytes that it reads at each act; -1: all that comes
}

// frameBytes returns n frames of a client, with a mask of zero.
func frameBytes(n int, op ws.OpCode, fin bool, rsv byte, payload string) []byte {
	var b bytes.Buffer
	h := ws.Header{Fin: fin, Rsv: rsv, OpCode: op, Masked: true, Length: int64(len(payload))}
	for range n {
		_ = ws.WriteHeader(&b, h) // a Buffer never fails
		b.WriteString(payload)
	}
	return b.Bytes()
}

// kinds are the hostile peers of the benchmark. An act is about half a KiB, or a handshake.
func kinds() []kind {
	const all = -1
	hello := wstest.UpgradeRequest("/")
	packs := wstest.UpgradeRequest("/", offer)
	joined := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	once := func(parts ...[]byte) []byte { return joined(append([][]byte{hello}, parts...)...) }
	long := strings.Repeat("x", 125)
	var pairs []byte
	for range 35 {
		pairs = append(pairs, frameBytes(1, ws.OpContinuation, false, 0, "x")...)
		pairs = append(pairs, frameBytes(1, ws.OpPing, true, 0, "")...)
	}
	return []kind{
		{"a slow handshake", []byte("GET / HTTP/1.1\r\nX: "), []byte("x"), 0},
		{"says nothing", nil, []byte{}, 0},
		{"half a header", once([]byte{0x82}), []byte{}, all},
		{"pings", hello, frameBytes(80, ws.OpPing, true, 0, ""), all},
		{"long pings, never reads", hello, frameBytes(4, ws.OpPing, true, 0, long), 0},
		{"pongs", hello, frameBytes(80, ws.OpPong, true, 0, ""), all},
		{"empty fragments", joined(hello, frameBytes(1, ws.OpText, false, 0, "")),
			frameBytes(80, ws.OpContinuation, false, 0, ""), all},
		{"empty messages", hello, frameBytes(80, ws.OpText, true, 0, ""), all},
		{"messages of a byte", hello, frameBytes(70, ws.OpText, true, 0, "x"), all},
		{"never reads", hello, frameBytes(4, ws.OpText, true, 0, long), 0},
		{"reads a byte", hello, frameBytes(4, ws.OpText, true, 0, long), 1},
		{"fragments and pings without end",
			joined(hello, frameBytes(1, ws.OpText, false, 0, "x")), pairs, all},
		{"empty blocks", joined(packs, frameBytes(1, ws.OpBinary, false, rsv1, "")),
			frameBytes(1, ws.OpContinuation, false, 0, strings.Repeat("\x00\x00\x00\xff\xff", 24)), all},
		{"a bomb", joined(packs, frameBytes(1, ws.OpBinary, true, rsv1, string(bombBytes(2)))), nil, all},
		{"a Close, and stays", once(frameBytes(1, ws.OpClose, true, 0, "\x03\xe8")), nil, 0},
		{"Closes and data", once(frameBytes(1, ws.OpClose, true, 0, "\x03\xe8"),
			frameBytes(40, ws.OpClose, true, 0, "\x03\xe8"), frameBytes(4, ws.OpText, true, 0, long)), nil, 0},
		{"a reserved opcode", once(frameBytes(1, 3, true, 0, "")), nil, all},
		{"no UTF-8", once(frameBytes(1, ws.OpText, true, 0, "\xff")), nil, all},
		{"a length of 2^63-1", once([]byte("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00")), nil, all},
		{"another site", wstest.UpgradeRequest("/", "Origin: https://evil.test"), nil, all},
		{"many tokens", request("Sec-WebSocket-Protocol: a" + strings.Repeat(",", 4<<10)), nil, all},
		{"a request behind it", once([]byte("GET /admin HTTP/1.1\r\nHost: x\r\n\r\n")), nil, all},
	}
}

// drip sends a byte of a long message at each act. It is none of kinds.
var drip = kind{
	name:    "a byte at a time",
	opening: append(wstest.UpgradeRequest("/"), "\x82\xfe\xff\xff\x00\x00\x00\x00"...),
	each:    []byte{0},
}

// A foe is one hostile peer.
type foe struct {
	kind
	addr string
	nc   net.Conn
}

// act attacks once. It connects first if it has to.
func (f *foe) act() {
	if f.nc != nil && f.each == nil {
		_ = f.nc.Close()
		f.nc = nil
	}
	if f.nc == nil {
		nc, err := net.DialTimeout("tcp", f.addr, time.Second)
		if err != nil {
			return
		}
		f.nc = nc
		if f.reads < 0 {
			go func() { _, _ = io.Copy(io.Discard, nc) }() // ends with nc
		}
		f.send(f.opening)
	}
	if f.nc != nil && len(f.each) > 0 {
		f.send(f.each)
	}
	if f.nc != nil && f.reads > 0 {
		_ = f.nc.SetReadDeadline(time.Now().Add(time.Millisecond))
		_, _ = f.nc.Read(make([]byte, f.reads))
	}
}

// send sends b. It drops a connection that is broken. A connection that takes nothing is kept: that
// peer has what it wants.
func (f *foe) send(b []byte) {
	_ = f.nc.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
	if _, err := f.nc.Write(b); err != nil && !os.IsTimeout(err) {
		_ = f.nc.Close()
		f.nc = nil
	}
}

// attack runs the peers in this process. The environment says where the server is, how many peers
// there are, how often each acts, and which kinds they are. If it gives a number of acts, attack
// returns after these. Otherwise the peers act until the process is killed.
func attack(addr string) {
	n, _ := strconv.Atoi(os.Getenv("HOSTILE_PEERS"))
	every, _ := time.ParseDuration(os.Getenv("HOSTILE_EVERY"))
	acts, _ := strconv.Atoi(os.Getenv("HOSTILE_ACTS"))
	go func() { // ends with the process
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1) // the benchmark has ended
	}()
	var all, connected sync.WaitGroup
	kinds := kinds()
	if only := os.Getenv("HOSTILE_KIND"); only != "" {
		kinds = slices.DeleteFunc(append(kinds, drip), func(k kind) bool { return k.name != only })
	}
	for i := range n {
		f := &foe{kind: kinds[i%len(kinds)], addr: addr}
		connected.Add(1)
		all.Go(func() { // ends with the acts, or with the process
			<-time.After(time.Second * time.Duration(i) / time.Duration(n))
			f.act()
			connected.Done()
			<-time.After(every * time.Duration(i) / time.Duration(n))
			for done := 1; done != acts; done++ {
				f.act()
				<-time.After(every)
			}
		})
	}
	ready := make(chan struct{})
	go func() { // ends with the first acts
		connected.Wait()
		close(ready)
	}()
	select {
	case <-ready:
	case <-time.After(3 * time.Second): // a flood leaves no time for all of them
	}
	_, _ = os.Stdout.WriteString("connected\n")
	all.Wait()
}
