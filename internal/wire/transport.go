package wire

import (
	"crypto/tls"
	"errors"
	"net"
)

// A nonblocking is a transport that can be given bytes without blocking. One goroutine writes at a
// time.
type nonblocking interface {
	// write writes what the transport takes of the chunks from first to last. If wait is set, it
	// waits until that is something, or the write deadline passes. Only a pollable can wait.
	write(first, last *chunk, wait bool) (n int, err error)
}

// A pollable is a nonblocking transport whose readiness a goroutine can wait for. One goroutine
// reads and one writes at a time.
type pollable interface {
	nonblocking
	watchable
}

// A watchable is the input of a transport that the poller can watch while no goroutine reads.
type watchable interface {
	// read reads into dst, or into memory that it borrows. If wait is set, it waits for bytes, for
	// the end, or until the read deadline passes. Otherwise it returns 0 and nil if there are no
	// bytes. A pollable borrows memory only when there are bytes. So an idle reader holds none.
	read(dst []byte, wait bool) (n int, err error)

	// takesAll reports whether a read that does not fill its memory has taken all that there was.
	takesAll() bool

	// later makes sure that the Conn's Idle is called a little later.
	later()

	// watch lets the poller watch the transport: the Conn's Ready is called when there is something
	// to read, now or later. It reports false if the poller cannot. requeue lets the poller call
	// Ready once more, behind those of other Conns. mute ends that until the next watch, except of a
	// lost connection, and watchLost lets the poller report that alone. leave ends all, and must be
	// called before the transport is closed. isWatched reports whether what comes
	// from now on is reported. The Conn's mu must be locked.
	watch() bool
	watchLost()
	requeue() bool
	mute()
	leave()
	isWatched() bool
}

// socketOf returns the socket under TLS, and any other transport itself. tls.Conn.Close writes
// first, and waits for a peer that does not read.
func socketOf(nc net.Conn) net.Conn {
	if t, ok := nc.(*tls.Conn); ok {
		return t.NetConn()
	}
	return nc
}

func isTimeout(err error) bool {
	ne, ok := errors.AsType[net.Error](err)
	return ok && ne.Timeout()
}
