package soak

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"strconv"
	"time"
)

// A Side is one of the two sides of a connection.
type Side int

// The sides.
const (
	Client Side = iota
	Server
)

func (s Side) String() string { return [...]string{"client", "server"}[s] }

func (s Side) other() Side { return 1 - s }

// A way is how a connection is made.
type way int

const (
	bare  way = iota // AcceptConn on a bare connection
	http1            // Accept in a handler of net/http
	tls1             // the same behind TLS
	ways
)

// A service is a set of options of the server: a path of its URL.
type service string

const (
	large  service = "/large"  // the default windows
	small  service = "/small"  // windows of smallWindow, and frames of smallFrame
	silent service = "/silent" // a keepalive that notices a peer that vanished
	asleep service = "/asleep" // a short CloseTimeout, and small windows
)

const (
	smallWindow = 16 << 10 // bytes
	smallFrame  = 4 << 10  // bytes
	maxSize     = 96 << 10 // bytes of the largest message
	meanCut     = 16 << 10 // bytes until a transport is cut
)

// A style is how the messages of one direction go.
type style int

const (
	_ style = iota // one message now and then
	// The receiver stops pulling for a while, and the sender meanwhile sends more than the windows
	// and the kernel buffer.
	stalled
	slow // a burst that the receiver takes one message at a time, with a pause after each
)

// The calls that a side makes.
const (
	pullInto = iota
	pull
	nextMessage
	readCalls
)

const (
	write = iota
	tryWrite
	newMessage
	writeCalls
)

// A lane is one direction of a connection, from one side to the other.
type lane struct {
	Style style
	Read  int           // the call of the receiver
	Write int           // the call of the sender
	Text  bool          // the messages are text that compresses well; else binary
	At    time.Duration // when the burst begins, and when the receiver stops
	For   time.Duration // how long the receiver stops
	Burst int           // bytes
}

// A Plan is what a connection does, on both sides. Both processes make it from the seed of the run
// and the number of the connection.
type Plan struct {
	ID      uint64
	Way     way
	Service service
	Deflate bool
	End     Act           // the end that the plan intends
	Life    time.Duration // from opening to that end
	Cut     int64         // the byte before which the transport is cut, of the acts that do so
	Lanes   [2]lane       // from the client, and from the server

	load Load
}

// ends are the intended ends, with how many of a hundred connections have them.
var ends = []struct {
	act   Act
	share int
}{
	{ActClose, 27},
	{ActCloseWrite, 15},
	{ActServerClose, 10},
	{ActServerCode, 9},
	{ActCutSent, 9},
	{ActCutReceived, 6},
	{ActReset, 6},
	{ActCloseNow, 5},
	{ActServerCloseNow, 4},
	{ActServerReset, 3},
	{ActServerAbort, 2},
	{ActVanish, 2},
	{ActSleep, 2},
}

// A Load is what the plans of a run have in common.
type Load struct {
	Seed uint64
	Pace time.Duration // the mean time between two messages of a direction, without bursts
	Long time.Duration // the mean life of two thirds of the connections; the others live for shortLife
}

// NewPlan makes the plan of connection number id.
func NewPlan(load Load, id uint64) Plan {
	r := rand.New(rand.NewPCG(load.Seed, id))
	p := Plan{ID: id, load: load, Service: large, Deflate: r.IntN(4) == 0}
	switch n := r.IntN(8); {
	case n < 4:
		p.Way = bare
	case n < 7:
		p.Way = http1
	default:
		p.Way = tls1
	}
	if r.IntN(2) == 0 {
		p.Service = small
	}
	mean := load.Long
	if r.IntN(3) == 0 {
		mean = shortLife
	}
	p.Life = time.Duration(r.ExpFloat64() * float64(mean))
	for i := range p.Lanes {
		p.Lanes[i] = newLane(r, p.Life)
	}
	n := r.IntN(100)
	for _, e := range ends {
		if p.End = e.act; n < e.share {
			break
		}
		n -= e.share
	}
	switch p.End {
	case ActCutSent, ActCutReceived:
		p.Cut = int64(r.ExpFloat64() * meanCut)
	case ActVanish:
		p.Service, p.Lanes = silent, [2]lane{}
	case ActSleep: // the server's messages fill the windows, and then it closes
		p.Service, p.Lanes = asleep, [2]lane{}
		p.Lanes[Server] = lane{Style: stalled, At: p.Life, For: sleeps, Burst: 256 << 10}
	}
	return p
}

func newLane(r *rand.Rand, life time.Duration) lane {
	l := lane{Read: r.IntN(readCalls), Write: r.IntN(writeCalls), Text: r.IntN(2) == 0}
	l.At = time.Duration(r.Float64() * float64(life))
	switch n := r.IntN(100); {
	case n < 6:
		l.Style, l.Burst = stalled, 256<<10
		l.For = time.Second + time.Duration(r.Int64N(int64(4*time.Second)))
	case n < 9:
		l.Style, l.Burst = slow, 128<<10
	}
	return l
}

// url is where the client connects to.
func (p Plan) url(addr string) string {
	scheme := "ws"
	if p.Way == tls1 {
		scheme = "wss"
	}
	return fmt.Sprintf("%s://%s%s?id=%d", scheme, addr, p.Service, p.ID)
}

// planOf makes the plan of a connection from the URL that the client has asked for.
func planOf(load Load, u *url.URL) (Plan, error) {
	id, err := strconv.ParseUint(u.Query().Get("id"), 10, 64)
	if err != nil {
		return Plan{}, fmt.Errorf("a client asks for %q, without its number", u)
	}
	return NewPlan(load, id), nil
}

// window is the size of both windows of both sides.
func (p Plan) window() int {
	if p.Service == small || p.Service == asleep {
		return smallWindow
	}
	return 64 << 10
}
