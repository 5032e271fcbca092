// Package wire is the engine of a connection: frames on a net.Conn, credit both ways, and the closing handshake.
//
// Reading. Input is held as it came, in pooled chunks (inbox.go). Its scan cursor walks over headers as soon as they are
// whole: it checks them, answers pings and sees the peer's Close; its pull cursor follows with Pull and Read (read.go,
// reader.go) and takes, unmasks and checks the payload. Whoever holds the read gate owns all that and reads from the
// transport on its own goroutine. Only when nobody has pulled for a little while does a background reader take the
// gate, as long as there is credit (background.go). A goroutine that waits in the transport's Read is brought back with
// a poke, a read deadline in the past that it takes away itself (park.go): no context's deadline ever stands on the
// transport, and no context ends it.
//
// Writing. A Write takes its turn at the write gate, takes credit, and is encoded frame by frame into the outbox
// (write.go, outbox.go). There is one path from there (send.go): whoever queues something gives it to the transport at
// once where that cannot block, on TCP and unix sockets (try_unix.go), and a flusher does the rest for as long as there
// is a backlog. A lone message costs one copy and one system call; behind a backlog many messages share a call. Frames
// leave whole, a pong overtakes what the transport has not begun, and nothing else does.
//
// Ending. Each event notes what it knows in one struct, and one function decides what follows from it (end.go).
package wire
