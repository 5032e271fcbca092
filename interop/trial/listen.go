package trial

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/stretchr/testify/require"
)

// FreePort is the function FreePort for a trial.
func (t *T) FreePort() int { return FreePort(t) }

// FreePort returns a port of the loopback address at which no program listens. Until t's cleanup the
// kernel gives it to no program that asks for any port.
func FreePort(t TB) int {
	// A port that a socket has is not free. A server may listen there nevertheless, as both sockets
	// have SO_REUSEADDR, and this one does not listen.
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = syscall.Close(fd) })
	require.NoError(t, syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1))
	require.NoError(t, syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	at, err := syscall.Getsockname(fd)
	require.NoError(t, err)
	return at.(*syscall.SockaddrInet4).Port
}

// Listens waits until p, or a process that it has started, listens at an address: that takes a moment
// after its start. If another program listens there, the check fails: it is not the peer.
func (p *Process) Listens(t TB, addr string) {
	at, err := net.ResolveTCPAddr("tcp", addr)
	require.NoError(t, err)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		pids, err := listeners(at.AddrPort())
		require.NoError(t, err)
		found := false
		for _, pid := range pids {
			group, err := syscall.Getpgid(pid)
			if err != nil { // it has ended
				continue
			}
			if group != p.cmd.Process.Pid {
				require.Failf(t, "the port is taken", "at %s listens %s", addr, programOf(pid))
			}
			found = true
		}
		if found {
			return
		}
		select {
		case <-tick.C:
		case <-p.ended:
			require.Failf(t, "the server has ended", "%s: %v", p.cmd.Path, p.cmd.ProcessState)
		case <-t.Context().Done():
			require.NoError(t, context.Cause(t.Context()), "%s does not listen at %s", p.cmd.Path, addr)
		}
	}
}

// programOf names a process.
func programOf(pid int) string {
	name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)) // it may have ended
	return fmt.Sprintf("process %d (%s)", pid, strings.TrimSpace(string(name)))
}

// listeners returns the processes that listen at an address of IPv4, or at its port of all addresses.
func listeners(at netip.AddrPort) (pids []int, err error) {
	ip := at.Addr().Unmap()
	var sockets []string
	for _, name := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		table, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(table)) {
			f := strings.Fields(line) // the address is the second, then come the state and the inode
			if len(f) < 10 || f[3] != "0A" {
				continue
			}
			bound, err := socketAddr(f[1])
			if err != nil {
				return nil, fmt.Errorf("%s: %q: %w", name, line, err)
			}
			if bound.Port() == at.Port() && (bound.Addr() == ip || bound.Addr().IsUnspecified()) {
				sockets = append(sockets, "socket:["+f[9]+"]")
			}
		}
	}
	if len(sockets) == 0 {
		return nil, nil
	}
	descriptors, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return nil, err
	}
	for _, fd := range descriptors {
		if is, err := os.Readlink(fd); err == nil && slices.Contains(sockets, is) {
			pid, err := strconv.Atoi(strings.Split(fd, "/")[2])
			if err != nil {
				return nil, err
			}
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// socketAddr reads an address of the kernel's tables: hexadecimal words in the order of the machine,
// a colon, and the port.
func socketAddr(s string) (at netip.AddrPort, err error) {
	host, number, _ := strings.Cut(s, ":")
	ip, err := hex.DecodeString(host)
	if err != nil {
		return at, err
	}
	port, err := strconv.ParseUint(number, 16, 16)
	if err != nil {
		return at, err
	}
	for word := range slices.Chunk(ip, 4) {
		binary.NativeEndian.PutUint32(word, binary.BigEndian.Uint32(word))
	}
	addr, ok := netip.AddrFromSlice(ip)
	if !ok {
		return at, fmt.Errorf("%d bytes are no address", len(ip))
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(port)), nil
}
