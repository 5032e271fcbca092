package wsstream_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
	"github.com/wsstream/wsstream/wstest/memnet"
)

// TestOurCloseReachesAPeerThatIsStillWriting fails 1,000 connections: each peer gets the Close, and the end of the
// stream behind it, never a reset.
func TestOurCloseReachesAPeerThatIsStillWriting(t *testing.T) {
	const each, atOnce = 334, 2
	big := wstest.Binary(make([]byte, 200))
	for _, tc := range []struct {
		code   uint16
		breaks wstest.Frame
	}{
		{code: 1002, breaks: wstest.Cont(nil, true)},
		{code: 1007, breaks: wstest.Text("\xff")},
		{code: 1009, breaks: big},
	} {
		t.Run(fmt.Sprint(tc.code), func(t *testing.T) {
			failed := make(chan error)
			for i := range atOnce {
				go func() {
					var err error
					for n := i; n < each && err == nil; n += atOnce {
						err = failsWhileThePeerWrites(t, n%2 == 0, tc.code, tc.breaks)
					}
					failed <- err
				}()
			}
			for range atOnce {
				require.NoError(t, <-failed)
			}
		})
	}
}

// failsWhileThePeerWrites breaks a rule in the middle of a flood.
func failsWhileThePeerWrites(t *testing.T, client bool, code uint16, breaks wstest.Frame) error {
	near, far, err := tcpEnds()
	if err != nil {
		return err
	}
	defer far.Close()
	c := config{MaxMessageSize: 100, CloseTimeout: 20 * time.Second}
	conn, peer, err := quickly(t, c, client, near, far)
	if err != nil {
		return err
	}
	defer func() {
		conn.CloseNow()
		<-conn.Closed().Done()
	}()

	stop, stopped := make(chan struct{}), make(chan error, 1)
	go func() {
		flood := peer.Encode(wstest.Binary(make([]byte, 16<<10)))
		_, err := far.Write(append(peer.Encode(wstest.Text("first")), peer.Encode(breaks)...))
		for n := 0; n < 32 && err == nil; n++ {
			_, err = far.Write(flood)
		}
		if err == nil {
			<-stop
			stopped <- far.CloseWrite()
			return
		}
		stopped <- fmt.Errorf("the peer's write: %w", err)
	}()

	m, err := conn.Readable().Pull(t.Context())
	if err != nil || string(m.Data) != "first" {
		return fmt.Errorf("before the rule was broken: %q, %w", m.Data, err)
	}
	pulled := make(chan error, 1)
	go func() {
		_, err := conn.Readable().Pull(t.Context())
		pulled <- err
	}()
	f, err := peer.Next()
	if err != nil || f.Op != ws.OpClose || binary.BigEndian.Uint16(f.Payload) != code {
		return fmt.Errorf("instead of the Close: %v, %w", f, err)
	}
	if _, err := peer.Next(); err != io.EOF {
		return fmt.Errorf("behind the Close: %w", err)
	}
	close(stop)
	if err := <-stopped; err != nil {
		return err
	}
	if err := <-pulled; err == nil || err == io.EOF {
		return fmt.Errorf("the pull: %w", err)
	}
	_, err = conn.Closed().Wait(t.Context())
	if err == nil {
		return fmt.Errorf("the end was clean")
	}
	return nil
}

func TestAClientFindsThePeersCloseAlthoughItsWriteFailed(t *testing.T) {
	for range 50 {
		e := overTCP(t, config{CloseTimeout: 20 * time.Second}, true)
		e.peer.Send(wstest.Text("last words"), wstest.Close(1013, "try again later"))
		// Who closes with input unread resets the connection: our writes will fail.
		require.NoError(t, e.conn.Writable().Write(t.Context(), wsstream.Text("unread")))
		e.peer.CloseWrite()
		m, err := e.conn.Readable().Pull(patient(t))
		require.NoError(t, err)
		require.Equal(t, "last words", string(m.Data))
		info, _ := e.conn.Closed().Wait(patient(t))
		require.Equal(t, wsstream.CloseInfo{Code: 1013, Reason: "try again later"}, info)
	}
}

func TestAWriteThatFailedLeavesTheEndToThePeersClose(t *testing.T) {
	// The transport takes nothing more while the peer's Close is still on its way.
	for name, client := range map[string]bool{"client": true, "server": false} {
		t.Run(name, func(t *testing.T) {
			near, far := tcpPipe(t, 0)
			nc := &brokenConn{Conn: near, failed: make(chan struct{}, 1)}
			e := open(t, config{}, client, nc, far)
			nc.now.Store(true)
			writing := goWrite(t, e, wsstream.Text("lost"))
			<-nc.failed
			e.peer.Send(wstest.Text("last words"), wstest.Close(1013, "try again later"))
			require.Equal(t, "last words", e.pull(t))
			info, end := e.closed(t)
			theError, ok := end.(*wsstream.Error)
			require.True(t, ok, "what was accepted is lost: %v", end)
			require.Equal(t, wsstream.CloseInfo{Code: 1013, Reason: "try again later"}, theError.CloseInfo)
			require.Equal(t, info, theError.CloseInfo)
			require.ErrorIs(t, end, errBroken)
			if r := <-writing; r.err != nil {
				require.Equal(t, end, r.err)
			}
		})
	}
}

// A brokenConn fails Writes from now on.
type brokenConn struct {
	net.Conn
	now    atomic.Bool
	failed chan struct{}
}

var errBroken = errors.New("the transport takes no more")

func (b *brokenConn) Write(p []byte) (int, error) {
	if !b.now.Load() {
		return b.Conn.Write(p)
	}
	select {
	case b.failed <- struct{}{}:
	default:
	}
	return 0, errBroken
}

func TestAStalledTLSPeerHoldsUpNoCut(t *testing.T) {
	for name, cut := range map[string]func(t *testing.T, conn *wsstream.Conn){
		"CloseNow": func(_ *testing.T, conn *wsstream.Conn) { conn.CloseNow() },
		"CloseTimeout": func(t *testing.T, conn *wsstream.Conn) {
			require.NoError(t, conn.Close(wsstream.CloseInfo{Code: 1000}))
		},
		"Abort": func(t *testing.T, conn *wsstream.Conn) { require.NoError(t, conn.Writable().Abort(nil)) },
	} {
		for role, client := range map[string]bool{"client": true, "server": false} {
			t.Run(name+"/"+role, func(t *testing.T) {
				near, far := tlsPipe(t, 4<<10)
				if !client {
					near, far = far, near
				}
				c := config{CloseTimeout: 10 * time.Millisecond}
				conn, _, err := quickly(t, c, client, near, far)
				require.NoError(t, err)
				written := make(chan error, 1)
				go func() {
					var err error
					for err == nil {
						err = conn.Writable().Write(t.Context(), wsstream.Binary(make([]byte, 1<<20)))
					}
					written <- err
				}()
				for conn.Stats().Sent.Stalled < 20*time.Millisecond {
					runtime.Gosched()
				}
				start := time.Now()
				cut(t, conn)
				_, err = conn.Closed().Wait(patient(t))
				require.Less(t, time.Since(start), 2*time.Second) // tls.Conn.Close waits 5 s
				require.ErrorContains(t, err, "1006")
				require.Error(t, <-written)
			})
		}
	}
}

func TestACutWaitsForNoCloseNotifyOfTLS(t *testing.T) {
	for role, client := range map[string]bool{"client": true, "server": false} {
		t.Run(role, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := memnet.Pipe(0)
				near, far := tlsOver(t, a, b)
				under := a
				if !client {
					near, far, under = far, near, b
				}
				conn, _, err := quickly(t, config{}, client, near, far)
				require.NoError(t, err)
				under.SetWriteDeadline(time.Now().Add(time.Second))
				_, err = under.Write(make([]byte, 1<<20)) // now there is no room for a close_notify, and no Write waits
				require.ErrorIs(t, err, os.ErrDeadlineExceeded)
				under.SetWriteDeadline(time.Time{})
				start := time.Now()
				conn.CloseNow()
				<-conn.Closed().Done()
				require.Zero(t, time.Since(start)) // tls.Conn.Close waits 5 s
			})
		})
	}
}

func TestAFailureOverTLSWaitsForNoCloseNotify(t *testing.T) {
	for role, client := range map[string]bool{"client": true, "server": false} {
		t.Run(role, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := memnet.Pipe(0)
				under := &fullConn{closed: make(chan struct{})}
				var near, far net.Conn
				if under.left.Store(1 << 40); client {
					under.Conn = a
					near, far = tlsOver(t, under, b)
				} else {
					under.Conn = b
					far, near = tlsOver(t, a, under)
				}
				conn, peer, err := quickly(t, config{CloseTimeout: time.Second}, client, near, far)
				require.NoError(t, err)
				under.left.Store(1)
				start := time.Now()
				pulled := goDo(func() (wsstream.Message, error) { return conn.Readable().Pull(t.Context()) })
				peer.Send(wstest.Frame{Fin: true, Op: 3})
				peer.WantClose("our Close takes the last room", 1002)
				_, err = conn.Closed().Wait(t.Context())
				require.ErrorContains(t, err, "1002")
				require.Equal(t, err, (<-pulled).err)
				require.Equal(t, time.Second, time.Since(start)) // CloseTimeout
			})
		})
	}
}

// A fullConn has room for so many more Writes; later ones wait until it is closed.
type fullConn struct {
	net.Conn
	left   atomic.Int64
	once   sync.Once
	closed chan struct{}
}

func (f *fullConn) Write(p []byte) (int, error) {
	if f.left.Add(-1) < 0 {
		<-f.closed
		return 0, net.ErrClosed
	}
	return f.Conn.Write(p)
}

func (f *fullConn) Close() error {
	f.once.Do(func() { close(f.closed) })
	return f.Conn.Close()
}

// quickly makes the handshake without the harness, whose helpers belong to the test's goroutine.
func quickly(t *testing.T, c config, client bool, near, far net.Conn) (*wsstream.Conn, *wstest.Peer, error) {
	peer := wstest.NewPeer(t, far, !client)
	if client {
		conn := wsstream.Dial(t.Context(), "ws://example.test/", c.dial(near))
		peer.ServeHandshake()
		_, err := conn.Opened().Wait(t.Context())
		return conn, peer, err
	}
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		peer.SendRaw(wstest.UpgradeRequest("/"))
	}()
	conn, err := wsstream.AcceptConn(t.Context(), near, c.accept())
	<-asked
	if err == nil {
		peer.ReadResponse()
	}
	return conn, peer, err
}

// tcpEnds is tcpPipe for any goroutine.
func tcpEnds() (near, far *net.TCPConn, err error) {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	near, err = net.DialTCP("tcp", nil, l.Addr().(*net.TCPAddr)) // the backlog takes it
	if err != nil {
		return nil, nil, err
	}
	far, err = l.AcceptTCP()
	return near, far, err
}

// tlsPipe is tcpPipe with TLS on top, its handshake done.
func tlsPipe(t *testing.T, limit int) (near, far net.Conn) {
	a, b := tcpPipe(t, limit)
	return tlsOver(t, a, b)
}

// tlsOver puts TLS on a transport, and makes its handshake.
func tlsOver(t *testing.T, a, b net.Conn) (near, far net.Conn) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotAfter:     time.Now().Add(time.Hour),
		DNSNames:     []string{"example.test"},
		IsCA:         true,

		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(cert)

	client := tls.Client(a, &tls.Config{RootCAs: roots, ServerName: "example.test"})
	server := tls.Server(b, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	t.Cleanup(func() {
		a.Close()
		b.Close()
	})
	served := make(chan error, 1)
	go func() { served <- server.HandshakeContext(t.Context()) }()
	require.NoError(t, client.HandshakeContext(t.Context()))
	require.NoError(t, <-served)
	return client, server
}
