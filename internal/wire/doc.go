// Package wire is the engine of a connection: frames on a net.Conn, credit both ways, and the closing handshake. It is
// inline when quiet and batched when busy: no goroutine stands in the way of a lone message, and the messages of a burst
// share their system calls.
//
// Reading. Input is held as it came, in pooled chunks (inbox.go). Its scan cursor walks over headers as soon as they are
// whole: it checks them, answers pings and sees the peer's Close; its pull cursor follows with Pull and Read (read.go,
// reader.go) and takes, unmasks and checks the payload. Whoever holds the read gate owns all that and reads from the
// transport on its own goroutine. Only when nobody has pulled for a little while does a background reader take the
// gate, as long as there is credit (background.go). A goroutine that waits in the transport's Read is brought back with
// a poke, a read deadline in the past that it takes away itself (park.go): no context's deadline ever stands on the
// transport, and no context ends it. On TCP and unix sockets who waits has borrowed no memory (socket_unix.go).
//
// Writing. A Write takes credit and is encoded into the outbox, one of several frames frame by frame and holding the
// write gate (write.go, outbox.go). There is one path from there (send.go), and one goroutine on it at a time, the one
// with the baton. Frames leave whole, a pong overtakes what the transport has not begun, and nothing else does.
//
// A transport that need not block has a pusher: TCP and unix sockets, and TLS over TCP where the kernel tells how much room
// there is (tls_linux.go). What a message costs its writer, beside the one copy that encodes it (and masks it, for a client):
//
//	shape                                        with a pusher                   without (memory, wrappers)
//	the answer to the last message there is,     one write, by the writer,       the start of the flusher,
//	  or the first message for 200 µs              which never blocks              which writes
//	one of a burst                               the start of the flusher for    the same
//	                                               the first, none for the rest
//	one that fills 16 KiB of what a burst        one write for all of them,      none
//	  has gathered                                 if nobody has the baton
//	a frame of 16 KiB and more                   one write                       none, while the flusher is behind
//	what the kernel does not take                the flusher waits for it        the flusher waits for it
//
// A server's frames with 32 KiB and more of payload are not even copied: they are sent from where they lie, 15 of
// them with one system call (lend.go). Where the kernel does not take them and they overdraw the window, their Write waits
// for room itself, with nothing copied and nothing handed over; from a flusher that waits already it takes the baton
// (stall.go). It returns when what is unsent fits the window, and copies that. It is brought back from its wait as a pull
// is, by a write deadline in the past, for the end of its context, for a close, and for a pong.
//
// The flusher is on its way from the first message of a burst, so what is gathered leaves by itself when the writer goes
// away to do something slow; a Pull that is about to wait sends it before that. It ends with the backlog.
//
// What a message costs its reader: a read for as many as came together, up to 64 KiB and the credit there is, a copy into
// the caller's memory, and the two locked instructions of the read gate. The header of a plain frame is not even parsed
// (plain.go). Of a frame that lacks 32 KiB and more the payload is read straight into the caller's memory.
//
// Ending. Each event notes what it knows in one struct, and one function decides what follows from it (end.go).
package wire
