// Package wire is the engine of a connection: frames on a net.Conn, credit in both directions, and
// the closing handshake. A lone message passes through no other goroutine. The messages of a burst
// share system calls.
//
// # Files
//
// The first word of a file's name says what it is for. recv_* is a message's way in, send_* its way
// out, and close_* the end. transport_* has the system calls for sockets. constants.go has all
// numbers that we chose and no option sets.
//
// The three groups call each other only through these functions. All of them use close_state.go.
//
//	recv → send    answerPing, sendBeforeWaitRelocks
//	recv → close   fail, inputFailed, parseClose, peerClosed, settleLocked
//	send → recv    none
//	send → close   appendClose, closeLeftLocked, closeWrite, outputFailedLocked
//	close → recv   recallReadLocked, requestReader, startBackground, stopReadLocked, wakeHandler
//	close → send   dropUnbegunLocked, freeDeflater, owesLocked, queueCloseLocked, unlockWrite,
//	               awaitMoveRelocks, notifyLocked, offerRelocks, recallWriteLocked, sendRelocks,
//	               stalled
//
// keepalive.go and ping.go look at both directions.
//
// # Locks
//
// The comments of Conn say which lock guards what. A method of Conn whose name ends in Locked is
// called with mu locked. A method whose name ends in Relocks is also called with mu locked. It
// unlocks mu meanwhile, and returns with mu locked. No other method unlocks a lock that its caller
// has locked. Types without a lock of their own, such as inbox and outbox, belong to the owner that
// their comment names.
//
// # Receiving
//
// Input is buffered as it came, in pooled chunks. The scan cursor passes each header as soon as all
// of it has come. There the engine checks the header, answers pings, and notices the peer's Close.
// The pull cursor follows with Pull and Read. There the engine takes, unmasks and checks the
// payload. The header of a plain frame is not parsed. If a frame lacks 32 KiB or more, its payload
// is read straight into the caller's memory.
//
// The holder of readGate owns the chunks and both cursors. It reads from the transport on its own
// goroutine. If no call pulls for a while, the background reader takes readGate, as long as there
// is credit. It waits in Read, or leaves the wait for a socket to the poller.
//
// # Sending
//
// A Write takes credit, and is encoded into the outbox. A message of several frames is encoded one
// frame at a time while its Write holds writeGate. One goroutine at a time sends from the outbox:
// the one that has the baton. Frames leave whole. Only pongs and our ping overtake them.
//
// A message always costs the copy that encodes it, and masks it for a client. The table shows what
// it costs in addition:
//
//	the message                        a nonblocking transport    another transport
//	a reply when no more input is      one write, by the writer,  the start of the flusher,
//	  buffered, or the first write       which never blocks         which writes
//	  after 200 µs of silence
//	one of a burst                     the start of the flusher   the same
//	                                     for the first of them
//	one of TryWrite, less than 50 µs   a place in the queue of    the same as above
//	  after one on another Conn          the senders
//	one that fills 16 KiB of what is   one write for all of       none
//	  gathered                           them, if the baton is
//	                                     free
//	a frame of 16 KiB and more         one write                  none, while the flusher
//	                                                                is busy
//	bytes that the kernel does not     the flusher waits          the flusher waits
//	  take
//
// Nonblocking transports are TCP and unix sockets, and TLS over TCP on Linux (amd64, arm64). A
// server's frames of 32 KiB and more are lent, 15 of them with one system call. While they overdraw
// the window, their Write waits for socket space itself, without copying. If the flusher is already
// waiting, the Write takes over from it.
//
// The flusher starts with the first message of a burst. So the gathered messages leave even if no
// call follows. A Pull that is about to wait sends them before it waits. For what TryWrite gathers,
// the senders take the place of the flusher: a few goroutines serve all Conns of the process, one
// after the other.
//
// # Ending
//
// Each event notes its facts in one struct, endState. Then settleLocked decides what follows.
//
// # Glossary
//
//	baton        the right to give the outbox to the transport: one goroutine has it
//	breach       a rule that the peer broke
//	chunk        a piece of wire bytes, borrowed from a pool
//	credit       how many more bytes a window allows
//	senders      the goroutines that send what TryWrite has gathered, for all Conns
//	flusher      the goroutine that sends the backlog, and ends with it
//	gate         a lock whose wait a context can end
//	lend         to give a transport the caller's memory instead of a copy of it
//	handler      the program's function that gets the messages in place of pulls
//	piece        a message, or a part of one, on its way into the outbox
//	plain frame  a whole message, neither compressed nor long
//	poller       the package that watches sockets from which no call reads
//	recall       to end a wait in the transport, with a deadline in the past
//	transport    the net.Conn below
//	window       the limit on what is held for one direction, in bytes on the wire
package wire
