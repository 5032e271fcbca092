package wire

import (
	"context"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"

	"github.com/wsstream/wsstream/internal/credit"
	"github.com/wsstream/wsstream/internal/gate"
	"github.com/wsstream/wsstream/internal/latch"
)

// Config says how a Conn works. It knows no defaults.
type Config struct {
	Client       bool          // we sent the handshake: our frames are masked, and the peer drops the transport
	ReadWindow   int           // bytes; 0 or less: no bound
	WriteWindow  int           // bytes; 0 or less: no bound
	MaxMessage   int           // payload bytes that a Pull may assemble; 0 or less: no bound
	MaxFrame     int           // payload bytes of a frame we send; 0 or less: one frame a message
	CloseTimeout time.Duration // from the decision to close to the peer's Close; 0 or less: no bound
	Deflate      *Deflate      // what was agreed about compression; nil: none

	PingInterval time.Duration // silence after which the peer is pinged; 0 or less: never
	PongTimeout  time.Duration // how long it may then stay silent; 0 or less: for ever
	IdleTimeout  time.Duration // time without a message after which we close; 0 or less: never
	StallTimeout time.Duration // how long the peer may take nothing of what waits for it; 0 or less: for ever
	ReadTimeout  time.Duration // how long a full read window may stand unread; 0 or less: for ever

	Errors *Errors
	Owner  Owner

	Ends *Ends // for the Conn to close

	// Who looks on; nil if nobody does. The first two are called as credit.Account.Init says, maybe with the Conn locked.
	ReadStall, WriteStall func(spent bool, took time.Duration)
	Hooks                 *Hooks
}

// An Owner is the object that made the Conn.
type Owner interface {
	// Ended is called once, when all has ended, with what Closed settles with, and with what pulls end with. It must
	// not wait: mu is held.
	Ended(info CloseInfo, err, end error)

	// Owns reports whether ctx, which has ended, did so because the Conn has ended. mu may be held.
	Owns(ctx context.Context) bool
}

// Errors are those of the package that makes Conns, and the same for all of them.
type Errors struct {
	Closed  error                                 // what a Write fails with after an end in order
	Busy    error                                 // what a pull fails with while a message is being read
	Unclean func(info CloseInfo, err error) error // makes the error of an unclean end
	Coded   func(info CloseInfo, err error) error // makes that of an end in order whose code says more than done
}

// Ends are closed when the end of each stream is decided: of Read, what came before can still be pulled.
type Ends struct{ Read, Write latch.Latch }

// Hooks are called by whoever reads, with nothing locked; nil for none.
type Hooks struct {
	OnPing, OnPong func(payload []byte)
	Whole          func(op ws.OpCode, bytes int64) // when a Reader has come to the end of its message
}

// A Conn is one connection after its handshake. All methods may be called concurrently.
type Conn struct {
	nc           net.Conn
	pollable     pollable
	nonblocking  nonblocking
	maxMessage   int
	closeTimeout time.Duration
	compression  *compression
	errs         *Errors
	hooks        *Hooks
	owner        Owner

	readGate   gate.Gate
	recv       receiver
	reads      reads
	background background
	readWindow credit.Account

	writeGate   gate.Gate
	writeWindow credit.Window
	answerNow   atomic.Bool
	failing     atomic.Bool

	mu    sync.Mutex
	wait  readWait
	send  sending
	alive *keepalive
	end   ending
}

type receiver struct {
	in        inbox
	assembled []byte
	charged   int
	asked     int
	peerDone  bool
	eof       bool
	breached  bool
	greedy    bool
	fetched   bool
	turns     uint32
	scratch   *chunk
	received  tally
	readers   uint64
}

type reads struct {
	current    atomic.Uint64
	skipped    atomic.Uint64
	final      atomic.Pointer[error]
	statsAsked atomic.Pointer[latch.Latch]
	waiting    atomic.Int32
	dropping   atomic.Bool
}

type background struct {
	timer     atomic.Pointer[time.Timer]
	armed     atomic.Bool
	turns     atomic.Uint32
	closing   atomic.Bool
	requested atomic.Bool
}

type readWait struct {
	who       waiter
	recalled  bool
	watched   bool
	lookAgain bool
	inHook    bool
	recalls   uint32
	watch     watch
	received  tally
}

type sending struct {
	baton      bool
	flusher    bool
	blocked    bool
	encoding   bool
	writerOpen bool
	writes     int
	out        outbox
	framer     framer
	moved      chan struct{}
	stall      *stall
	flushF     func()
	given      time.Duration
	pongs      *chunk
	pings      *pings
	total      count
}

type ending struct {
	known   *endState
	streams *Ends
	done    latch.Latch
}

func (e *ending) facts() *endState {
	if e.known == nil {
		return &noEnd
	}
	return e.known
}

func (e *ending) note() *endState {
	if e.known == nil {
		e.known = new(endState)
	}
	return e.known
}

// A count counts whole messages and their payload bytes.
type count struct{ messages, bytes int64 }

func (n *count) add(bytes int64) {
	n.messages++
	n.bytes += bytes
}

// A tally is the count of what was received.
type tally struct {
	count
	most int64 // the most bytes held beside the window
}

// A pusher gives a transport what it takes without blocking. One goroutine does so at a time.
type nonblocking interface {
	// write writes what the transport takes of the chunks from first to last. If wait is set, which is for a prompt
	// only, it waits until that is something or the write deadline passes.
	write(first, last *chunk, wait bool) (n int, err error)
}

// A prompt is a pusher that can also wait, and can be brought back. One goroutine reads and one writes at a time.
type pollable interface {
	nonblocking
	// read waits until there are bytes, the end, or the read deadline passes, and borrows no memory meanwhile.
	read() (n int, err error)
}

// idleWait is how long nobody must have pulled, at the most, before the input is read in the background; it is half of
// that at the least.
const idleWait = 10 * time.Millisecond

// idleTick is the time to the tick at which an idle timer fires that is armed now. The ticks are those of all
// connections, so that a thousand on which little is said do not wake the process a thousand times.
func idleTick() time.Duration {
	return idleWait - time.Duration(time.Now().UnixNano())%(idleWait/2)
}

// newTimer makes the Conn's timer, at rest: it is stored before it can fire, since what it calls
// uses it.
func (c *Conn) newTimer() *time.Timer {
	t := time.AfterFunc(math.MaxInt64, c.timerFired)
	t.Stop()
	c.background.timer.Store(t)
	return t
}

// New returns a connection on nc, whose handshake is done. From here on the Conn owns nc, and
// closes it once. Nothing is read and no timer runs before Start: nothing of the Conn's own can run
// before the caller has it.
func New(nc net.Conn, cfg Config) *Conn {
	c := &Conn{
		nc:           nc,
		maxMessage:   cfg.MaxMessage,
		closeTimeout: cfg.CloseTimeout,
		compression:  newCompression(cfg.Deflate),
		errs:         cfg.Errors,
		hooks:        cfg.Hooks,
		owner:        cfg.Owner,
		end:          ending{streams: cfg.Ends},
	}
	c.send.framer = newFramer(cfg.Client, cfg.MaxFrame)
	c.send.given = time.Since(epoch) - lull
	c.readWindow.Init(cfg.ReadWindow, cfg.ReadStall)
	c.writeWindow.Init(cfg.WriteWindow, cfg.WriteStall)
	c.writeGate.Until(&cfg.Ends.Write)
	if c.pollable = newPollable(c); c.pollable != nil {
		c.nonblocking = c.pollable
	} else {
		c.nonblocking = newNonblocking(nc)
	}
	c.recv.in.state = ws.StateServerSide
	if cfg.Client {
		c.recv.in.state = ws.StateClientSide
	}
	if cfg.Deflate != nil {
		c.recv.in.state = c.recv.in.state.Set(ws.StateExtended)
	}
	_ = nc.SetDeadline(time.Time{}) // one that the handshake left would cut a healthy connection
	c.alive = newKeepalive(nc, &cfg)
	c.readGate.TryLock()   // until Start
	c.waitingLocked(atEnd) // nothing is counted until then, so nobody who asks need wait
	if c.alive != nil {
		c.newTimer() // a Write may arm it before Start does
	}
	return c
}

// Start lets the input in, that first which came with the handshake, and starts the Conn's timer.
// It is called once.
func (c *Conn) Start(buffered []byte) {
	for len(buffered) > 0 {
		n := copy(c.recv.in.space(len(buffered), len(buffered)), buffered)
		c.recv.in.arrived(n)
		buffered = buffered[n:]
	}
	c.endWait(0)
	c.scan()
	c.unlockRead()
}

// Transport is what the Conn stands on; for its addresses alone.
func (c *Conn) Transport() net.Conn { return c.nc }

// Done is closed when all has ended: the transport is gone and both streams' ends are decided.
func (c *Conn) Done() <-chan struct{} { return c.end.done.Done() }

// Flow is what went one way.
type Flow struct {
	Messages, Bytes int64
	Held, HeldMax   int64
	Stalled         time.Duration
}

// Stats tells what has come and gone so far.
func (c *Conn) Stats() (received, sent Flow) {
	r := c.receivedSoFar()
	c.mu.Lock()
	s := c.send.total
	c.mu.Unlock()
	return r.flow(&c.readWindow), tally{count: s}.flow(&c.writeWindow.Account)
}

// receivedSoFar takes the tally from the holder of readGate. A message costs its puller no locked instruction for being
// counted; the caller that asks pays, and waits while a pull runs: until it waits for the transport, or gives the gate up.
func (c *Conn) receivedSoFar() tally {
	if c.readGate.TryLock() {
		c.account()
		t := c.recv.received
		c.unlockRead()
		return t
	}
	c.mu.Lock()
	if c.wait.who == nobody && !c.wait.inHook {
		asked := c.reads.statsAsked.Load()
		if asked == nil {
			asked = new(latch.Latch)
			c.reads.statsAsked.Store(asked)
		}
		c.mu.Unlock()
		c.answerStats() // the holder may have given the gate up before it could see that we ask
		<-asked.Done()
		c.mu.Lock()
	}
	defer c.mu.Unlock()
	return c.wait.received
}

// answerAsked shows what was received to the calls that ask, unless another goroutine has taken the gate: that one will.
// mu must not be held.
func (c *Conn) answerStats() {
	if !c.readGate.TryLock() {
		return
	}
	c.account()
	c.mu.Lock()
	c.publishLocked()
	c.mu.Unlock()
	c.releaseRead()
	if c.background.requested.Load() {
		c.startBackground()
	}
}

// show shows what was received to all that ask. readGate and mu must be held.
func (c *Conn) publishLocked() {
	c.wait.received = c.recv.received
	if asked := c.reads.statsAsked.Load(); asked != nil {
		c.reads.statsAsked.Store(nil)
		asked.Close(nil)
	}
}

func (t tally) flow(a *credit.Account) Flow {
	held, most, stalled := a.Usage()
	return Flow{
		Messages: t.messages,
		Bytes:    t.bytes,
		Held:     held,
		HeldMax:  max(most, t.most),
		Stalled:  stalled,
	}
}
