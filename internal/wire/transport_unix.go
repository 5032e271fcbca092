//go:build unix

package wire

import (
	"io"
	"net"
	"syscall"

	"github.com/wsstream/wsstream/internal/poller"
)

// A socket is the pollable transport of a TCP or unix connection. Its descriptor does not block.
type socket struct {
	watching

	in   callResult
	tryF func(fd uintptr) bool // tries a read; made once, since each call would allocate it
	buf  []byte                // for the read
	out  *outgoing             // nil until something was written
}

// A watching is a socket in the poller.
type watching struct {
	c     *Conn
	raw   syscall.RawConn
	entry poller.Entry // guarded by mu of the Conn
	muted bool         // the entry is muted, or in no poller; guarded by mu of the Conn
	once  bool         // the read does not wait
}

// A callResult is the result of a system call.
type callResult struct {
	n   int32 // maxSyscall at most
	err errno // 0 for none
}

// An errno is a syscall.Errno, in half the memory.
type errno int32

// An outgoing is what a write gives to the socket.
type outgoing struct {
	callResult
	first, last *chunk
	wait        bool
	tryF        func(fd uintptr) bool // tries a write; made once
}

// newPollable returns the transport of c as a pollable, nil if it is none. The exact type decides:
// a type around a socket that counts or limits must not be bypassed.
func newPollable(c *Conn) pollable {
	raw := rawSocket(c.nc)
	if raw == nil {
		return nil
	}
	s := &socket{watching: watching{c: c, raw: raw, muted: true}}
	s.tryF = func(fd uintptr) bool { // a method would be one more frame on the waiter's stack
		if s.buf == nil {
			return true // the wait is over
		}
		for s.in.note(readNow(int(fd), clip(s.buf))) {
		}
		if s.buf = nil; s.in.err != errno(syscall.EAGAIN) {
			return true
		}
		s.c.recv.returnBuffer()
		return s.once
	}
	return s
}

// rawSocket returns the descriptor of a TCP or unix connection, nil if nc is another transport, a
// type around one included.
func rawSocket(nc net.Conn) syscall.RawConn {
	var raw syscall.RawConn
	var err error
	switch nc := nc.(type) {
	case *net.TCPConn:
		raw, err = nc.SyscallConn()
	case *net.UnixConn:
		raw, err = nc.SyscallConn()
	}
	if err != nil {
		return nil
	}
	return raw
}

// read picks a buffer before each attempt, and returns it while it waits. So an idle reader holds
// no buffer, and needs a stack of 2 KiB only.
func (s *socket) read(dst []byte, wait bool) (int, error) {
	s.once = !wait
	for s.in.err = errno(syscall.EAGAIN); s.in.err == errno(syscall.EAGAIN); {
		if s.buf = dst; dst == nil {
			s.buf = s.c.recv.borrowBuffer()
		}
		if err := s.raw.Read(s.tryF); err != nil {
			s.buf = nil
			return 0, err
		}
		if s.once && s.in.err == errno(syscall.EAGAIN) {
			return 0, nil
		}
	}
	if s.in.n == 0 && s.in.err == 0 {
		return 0, io.EOF
	}
	return s.in.result(s.c.nc, "read")
}

func (s *socket) takesAll() bool { return true }

func (w *watching) later() { poller.Later((*watched)(w.c)) }

func (w *watching) watch() bool {
	w.muted = !w.entry.Arm(w.raw, (*watched)(w.c))
	return !w.muted
}

func (w *watching) watchLost() {
	if !w.entry.IsIn() && w.watch() {
		w.mute()
	}
}

func (w *watching) requeue() bool { return w.entry.Requeue() }

func (w *watching) mute() {
	w.entry.Mute()
	w.muted = true
}

func (w *watching) leave() {
	w.entry.Leave()
	w.muted = true
}

func (w *watching) isWatched() bool { return !w.muted }

func (s *socket) write(first, last *chunk, wait bool) (int, error) {
	if s.out == nil {
		s.out = new(outgoing)
		s.out.tryF = s.out.try
	}
	o := s.out
	o.first, o.last, o.wait = first, last, wait
	err := s.raw.Write(o.tryF)
	o.first, o.last = nil, nil
	if err != nil {
		return 0, err
	}
	return o.result(s.c.nc, "write")
}

// try makes the system call. It reports false if the caller must wait and try again.
func (o *outgoing) try(fd uintptr) bool {
	if o.first == o.last {
		buf := o.first.buf[o.first.taken:]
		for o.note(writeNow(int(fd), clip(buf))) {
		}
	} else {
		for o.note(writev(int(fd), o.first, o.last)) {
		}
	}
	if o.err != errno(syscall.EAGAIN) {
		return true
	}
	o.err = 0
	return !o.wait
}

// note notes what a system call returned. It reports whether the call must be made again.
func (r *callResult) note(n int, err error) (again bool) {
	e, _ := err.(syscall.Errno) // an Errno, or nil
	r.n, r.err = int32(max(n, 0)), errno(e)
	return e == syscall.EINTR
}

func (r *callResult) result(nc net.Conn, op string) (int, error) {
	if r.err != 0 {
		return 0, &net.OpError{
			Op:     op,
			Net:    nc.LocalAddr().Network(),
			Source: nc.LocalAddr(),
			Addr:   nc.RemoteAddr(),
			Err:    syscall.Errno(r.err),
		}
	}
	return int(r.n), nil
}

// clip returns as much of b as one system call may be given.
func clip(b []byte) []byte { return b[:min(len(b), maxSyscall)] }

// socketError returns the error that the kernel has noted for a socket, under TLS too; nil if there
// is none. The kernel notes one for a reset, and for a peer that does not answer TCP's keepalive.
// It then forgets the error, so the caller must give up the connection.
func socketError(nc net.Conn) error {
	raw := rawSocket(socketOf(nc))
	if raw == nil {
		return nil
	}
	var r callResult
	_ = raw.Control(func(fd uintptr) {
		if n, err := syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_ERROR); err == nil {
			r.err = errno(n)
		}
	})
	_, err := r.result(socketOf(nc), "read")
	return err
}

// drainReceived drops the bytes in the receive queue of a socket that is about to be closed. It
// does not wait. If a socket is closed with unread bytes, the kernel resets it, and drops the bytes
// that it has not sent. The read is made in Control, since a goroutine may wait in RawConn.Read.
//
// RFC 9293, section 3.6.1.
func drainReceived(nc net.Conn) {
	raw := rawSocket(nc)
	if raw == nil {
		return
	}
	c := borrow(largeChunk)
	defer c.release()
	buf := c.buf[:cap(c.buf)]
	_ = raw.Control(func(fd uintptr) {
		for left := maxDrain; left > 0; {
			n, err := syscall.Read(int(fd), buf)
			if err == syscall.EINTR {
				continue
			}
			if n <= 0 {
				return
			}
			left -= n
		}
	})
}
