package wire

import "time"

// All numbers of the engine that we chose and no option sets: sizes, counts and times. Those of the
// protocol stand with its frames.

// Encoding and memory.
const (
	maxPiece         = 64 << 10             // payload bytes that are encoded in one step
	maxCompressStep  = 32 << 10             // bytes of a Writer's message, compressed in one step
	compressOverhead = 64                   // bytes by which a step may come out longer
	smallChunk       = 4 << 10              // bytes of a chunk for a lone message
	largeChunk       = maxPiece + maxHeader // bytes of a chunk for a busy stream
)

// Receiving.
const (
	// directRead is how many bytes of a frame must be missing for a read straight into the caller's
	// memory. Such a read saves a copy, but the header of the next frame then needs another read.
	directRead = 32 << 10

	// maxEmpty is how many frames in a row may carry no data within a second: control frames and
	// empty fragments. They use no credit, so pings alone never fill the window. One costs 0.1 µs of
	// scanning and answering. All other frames use credit, and count against MaxMessage. Compressed
	// blocks that inflate to nothing have the same limit: one costs 2 µs, whatever credit it used.
	maxEmpty = 16 << 10

	// emptyTime is the time within which so many are a flood.
	emptyTime = time.Second

	// idleWait is the longest time without a pull before the background reader starts. The shortest
	// is half of it: idle timers fire on common ticks.
	idleWait = 10 * time.Millisecond

	// maxEmptyReads is how many reads in a row may return neither bytes nor an error: of a
	// transport, or of a Reader that ReadFrom reads. package bufio has the same limit.
	maxEmptyReads = 100

	// maxReads is how many reads a background reader makes for a socket before others have their
	// turn.
	maxReads = 16

	// maxMessages is how many messages a handler gets before others have their turn.
	maxMessages = 64

	// lostWait is how long no call may have read for a lost connection with a full window to end.
	lostWait = time.Second

	// maxDrain is how many bytes drainReceived reads: with this limit a peer that goes on sending
	// cannot delay the close.
	maxDrain = 64 << 20
)

// Sending.
const (
	batch = 16 << 10 // bytes in the outbox that are worth a system call of their own

	// inlineWrites is how many writes a caller makes for the outbox in a row. Other callers may
	// queue more meanwhile, and that must not keep this caller for ever.
	inlineWrites = 4

	// lull is how long the transport must have been given nothing for a message to count as a lone
	// one.
	lull = 200 * time.Microsecond

	// crowded is how long TryWrite must have written to no other Conn for a message to count as a
	// lone one.
	crowded = 50 * time.Microsecond

	// perSender is how many Conns may be queued for each sender before another one starts.
	perSender = 64

	// rare is how long the transport must have been given nothing for its messages to count as too
	// rare to share a system call.
	rare = 100 * time.Millisecond

	maxKeptQueue = 1 << 10 // Conns for which the queue keeps its memory

	// shareFrom is how many bytes a frame that was encoded before must have, alone in the outbox, to
	// be sent without copying. The copy costs most where very many Conns have one each.
	shareFrom = 512

	lendFrom  = 32 << 10      // payload bytes from which a frame is sent without copying
	maxVector = 30            // chunks in one system call: 15 frames of 64 KiB, with their headers
	maxLent   = maxVector / 2 // frames that are lent together: those of one system call

	// shortCall is how many bytes a system call may be given of which Go's scheduler is not told. It
	// takes microseconds.
	shortCall = 16 << 10

	maxSyscall   = 1 << 30      // bytes in one system call: Darwin and FreeBSD refuse 2 GiB and more
	maxKeptFrame = 4 * maxPiece // bytes of a buffer for compressed frames that the pool keeps

	maxKeptMessage = 2 << 20 // bytes of a buffer for compressed messages that the pool keeps
)

// Waiting.
const (
	// backWait is how long a recalled goroutine may take to come back. Then the connection is cut.
	// checksBack is how often it is checked in that time. There are several checks, so that no
	// connection is cut because the machine was suspended for a while.
	backWait   = time.Second
	checksBack = 4

	// shortAbsence is how long a reader may be away from the transport, between two reads, and still
	// count as listening.
	shortAbsence = 100 * time.Millisecond

	// closeNowWait is how long CloseNow waits for a transport whose Close blocks.
	closeNowWait = 100 * time.Millisecond

	// dropWait is how long a client waits for the server to drop the transport, once both Close
	// frames have passed.
	dropWait = time.Second

	// checks is how often a stall is checked within its timeout. Between two checks the peer's
	// kernel may acknowledge bytes, and our kernel does not notify us.
	checks = 4

	// stallStep is how many bytes a peer must take within StallTimeout if our kernel cannot report
	// acknowledged bytes.
	stallStep = 4 << 10

	// tlsMargin is how many bytes of room the kernel must have in addition to twice those of a
	// write over TLS.
	tlsMargin = 4 << 10

	// aloneInKernel is how many bytes may be in front of a ping in our kernel without delaying it.
	// So few bytes leave within a round trip or two.
	aloneInKernel = 4 << 10
)
