package conn

import (
	"encoding/json"
	"time"
)

// A Program is all that is drawn of one run. It is data: it can be printed, kept and run again.
type Program struct {
	Client  bool // the Conn is a client, and the peer a server
	Procs   int  // GOMAXPROCS
	Options Options
	Deflate *Deflate `json:",omitempty"` // nil: no compression

	Limit int  // bytes that each direction of the transport holds
	Chunk int  `json:",omitempty"` // bytes that one Read of the Conn gets at most; 0: all there are
	Early bool `json:",omitempty"` // the peer's first frames come in one packet with its handshake

	Peer    Peer
	Callers []Caller
	Span    time.Duration // the longest time until End
	End     Step          // the last call, when all callers have returned or Span is over
	Drain   bool          `json:",omitempty"` // behind End, all messages that are left are pulled
}

// String returns the program as one line of JSON.
func (p *Program) String() string {
	b, err := json.Marshal(p)
	if err != nil {
		panic(err) // it has only plain fields
	}
	return string(b)
}

// hasten returns the program with times that suit a clock that cannot be moved.
func (p Program) hasten() *Program {
	b := p.String()
	q := new(Program)
	if err := json.Unmarshal([]byte(b), q); err != nil {
		panic(err) // it has only plain fields
	}
	short := func(d *time.Duration, most time.Duration) { *d = min(*d, most) }
	const ms = time.Millisecond
	q.Span = min(q.Span, 300*ms)
	o := &q.Options
	if o.CloseTimeout >= 0 {
		o.CloseTimeout = 300 * ms
	}
	for _, d := range []*time.Duration{&o.PingInterval, &o.PongTimeout, &o.IdleTimeout,
		&o.WriteStallTimeout, &o.ReadStallTimeout} {
		short(d, 100*ms)
	}
	for i := range q.Callers {
		short(&q.Callers[i].Life, 20*ms)
		for k := range q.Callers[i].Steps {
			short(&q.Callers[i].Steps[k].Wait, 2*ms)
			short(&q.Callers[i].Steps[k].Within, 10*ms)
		}
	}
	short(&q.End.Within, 50*ms)
	for i := range q.Peer.Acts {
		short(&q.Peer.Acts[i].Wait, 3*ms)
		short(&q.Peer.Acts[i].Pause, 2*ms)
	}
	for i := range q.Peer.Reads {
		short(&q.Peer.Reads[i].Pause, 100*ms)
	}
	for i := range q.Peer.Faults {
		short(&q.Peer.Faults[i].For, 50*ms)
	}
	short(&q.Peer.Every, 100*time.Microsecond)
	q.Limit = max(q.Limit, 4<<10)
	return q
}

// GoString is String.
func (p Program) GoString() string { return p.String() }

// Options are those of the connection, as in wsstream.DialOptions.
type Options struct {
	ReadWindow        int           `json:",omitempty"`
	WriteWindow       int           `json:",omitempty"`
	MaxMessageSize    int           `json:",omitempty"`
	MaxFrameSize      int           `json:",omitempty"`
	CloseTimeout      time.Duration `json:",omitempty"`
	PingInterval      time.Duration `json:",omitempty"`
	PongTimeout       time.Duration `json:",omitempty"`
	IdleTimeout       time.Duration `json:",omitempty"`
	WriteStallTimeout time.Duration `json:",omitempty"`
	ReadStallTimeout  time.Duration `json:",omitempty"`
}

// Deflate is the compression that both sides agree on.
type Deflate struct {
	Bits           int  // of the window of the Conn; 0: 12
	Threshold      int  `json:",omitempty"` // as in wsstream.CompressionOptions
	NoTakeover     bool `json:",omitempty"` // of the Conn
	PeerNoTakeover bool `json:",omitempty"`
}

// A Caller is a goroutine that calls the Conn.
type Caller struct {
	Life  time.Duration `json:",omitempty"` // of the context that its steps may share; 0: no end
	Again int           `json:",omitempty"` // how often the steps are made again
	Steps []Step
}

// The contexts of a step.
const (
	ctxNone   = ""       // without an end
	ctxOwn    = "own"    // ends after Within
	ctxEnded  = "ended"  // has ended before the call
	ctxShared = "shared" // that of the caller
	ctxConn   = "conn"   // of the Conn
)

// A Step is one call, or a few that belong together.
type Step struct {
	Wait   time.Duration `json:",omitempty"` // before the call; negative: so many yields
	Do     string
	Ctx    string        `json:",omitempty"`
	Within time.Duration `json:",omitempty"`

	Size  int   `json:",omitempty"` // of a message, or of the memory of a PullInto
	Parts []int `json:",omitempty"` // sizes of the Reads or Writes of one message
	Text  bool  `json:",omitempty"`
	Kind  int   `json:",omitempty"` // what is in the message
	Plain bool  `json:",omitempty"` // NoCompress
	From  bool  `json:",omitempty"` // the parts are written by ReadFrom, or read by WriteTo
	Leave bool  `json:",omitempty"` // the message is not closed
	Code  int   `json:",omitempty"` // of a Close, or of the error that is the cause
}

// A Peer is the script of the other side.
type Peer struct {
	Acts    []Act
	Again   int           `json:",omitempty"` // how often the acts are made again
	Reads   []Read        `json:",omitempty"` // then it reads all that comes
	Faults  []Fault       `json:",omitempty"` // of the transport, in the peer's output
	Pace    int           `json:",omitempty"` // bytes of one write; 0: each frame is one
	Every   time.Duration `json:",omitempty"` // between two writes
	Mute    bool          `json:",omitempty"` // it answers no ping
	OnClose string        // how it answers a Close
	Code    int           `json:",omitempty"` // of its answer, if OnClose says so
	CutOut  int           `json:",omitempty"` // the transport is cut behind so many bytes to the peer
	Linger  bool          `json:",omitempty"` // it does not drop the transport after both Closes
}

// How a peer answers a Close.
const (
	closeEcho   = "echo"   // with the same code
	closeCode   = "code"   // with a code of its own
	closeIgnore = "ignore" // not
	closeHangUp = "hangup" // by closing the transport
)

// An Act is what the peer sends next.
type Act struct {
	Wait  time.Duration `json:",omitempty"`
	Do    string
	Size  int           `json:",omitempty"`
	Parts []int         `json:",omitempty"` // the payload of each fragment but the last
	Gaps  []int         `json:",omitempty"` // control frames behind each fragment
	Text  bool          `json:",omitempty"`
	Kind  int           `json:",omitempty"`
	Pause time.Duration `json:",omitempty"` // behind each fragment
	Press bool          `json:",omitempty"` // compressed
	Code  int           `json:",omitempty"`
	N     int           `json:",omitempty"`
}

// A Read says how many bytes the peer reads, and how long it then pauses.
type Read struct {
	N     int
	Pause time.Duration
}

// A Fault happens when the peer has written At bytes behind its handshake.
type Fault struct {
	At   int
	Do   string
	For  time.Duration `json:",omitempty"` // of a stall
	Flip byte          `json:",omitempty"` // bits of the next byte that change
}

// The faults of a transport.
const (
	faultStall   = "stall"
	faultCorrupt = "corrupt"
	faultReset   = "reset"     // both directions are cut
	faultClose   = "close"     // the peer's end is closed
	faultHalf    = "halfclose" // the peer's output ends
)
