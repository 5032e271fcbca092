package wire

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"

	"github.com/wsstream/wsstream/internal/credit"
	"github.com/wsstream/wsstream/internal/gate"
)

// A Conn is one connection after its handshake. All methods may be called concurrently.
//
// There are three locks. The holder of readGate owns the input, and the holder of writeGate has the
// turn to write a message. mu guards what all share. A goroutine takes mu last, and never waits
// while it holds it.
type Conn struct {
	// Set by New, and never changed.
	nc           net.Conn
	watchable    watchable   // its input, if the poller can watch it; else nil
	nonblocking  nonblocking // the transport, if it can write without blocking; else nil
	maxMessage   int
	closeTimeout time.Duration
	compression  *compression // nil if none was agreed; its halves belong to the gates' holders
	hooks        *Hooks
	owner        Owner

	readGate gate.Gate
	recv     receiver                   // the holder of readGate owns it
	reads    reads                      // all reading calls share it
	idle     atomic.Pointer[time.Timer] // starts the background reader; nil until it is needed

	writeGate   gate.Gate
	writeWindow credit.Window

	flags   flags
	armedAt atomic.Uint32 // the turns of recv when isArmed was set

	mu    sync.Mutex
	wait  readWait   // guarded by mu
	send  sending    // guarded by mu
	alive *keepalive // guarded by mu; nil if no option needs it
	end   ending
}

// New returns a connection on nc, whose handshake is done. The Conn owns nc from now on, and closes
// it once. Before Start nothing is read, no timer runs, and no goroutine is started.
func New(nc net.Conn, cfg *Config) *Conn {
	c := &Conn{
		nc:           nc,
		maxMessage:   cfg.MaxMessage,
		closeTimeout: cfg.CloseTimeout,
		compression:  newCompression(cfg.Deflate),
		hooks:        cfg.Hooks,
		owner:        cfg.Owner,
		end:          ending{streams: cfg.Ends},
	}
	c.send.framer = newFramer(cfg.Client, cfg.MaxFrame)
	c.send.given = clock().add(-lull)
	c.recv.window.Init(cfg.ReadWindow, cfg.ReadStall)
	c.writeWindow.Init(cfg.WriteWindow, cfg.WriteStall)
	if p := newPollable(c); p != nil {
		c.watchable, c.nonblocking = p, p
	} else {
		c.watchable = newTLSInput(c, cfg.Client)
		c.nonblocking = newNonblocking(nc)
	}
	c.recv.in.state = ws.StateServerSide
	if cfg.Client {
		c.recv.in.state = ws.StateClientSide
	}
	if cfg.Deflate != nil {
		c.recv.in.state = c.recv.in.state.Set(ws.StateExtended)
	}
	_ = nc.SetDeadline(time.Time{}) // a deadline of the handshake would cut the connection
	c.alive = newKeepalive(nc, cfg)
	c.readGate.TryLock() // until Start
	c.waitsLocked(atEnd) // no other goroutine has c yet; a caller of Stats need not wait
	return c
}

// isPollable reports whether the transport is a pollable: a TCP or unix socket.
func (c *Conn) isPollable() bool {
	_, ok := c.watchable.(pollable)
	return ok
}

// Start begins to read: first the bytes that came behind the handshake, then from the transport. It
// is called once.
func (c *Conn) Start(buffered []byte) {
	for len(buffered) > 0 {
		n := copy(c.recv.in.space(len(buffered), len(buffered)), buffered)
		c.recv.in.arrived(n)
		buffered = buffered[n:]
	}
	c.endWait(0)
	c.scan()
	if c.alive != nil {
		c.beginAlive()
	}
	c.unlockRead()
}

// Transport returns the transport, for its addresses.
func (c *Conn) Transport() net.Conn { return c.nc }
