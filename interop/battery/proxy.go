package battery

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/interop/trial"
	"github.com/wsstream/wsstream/stream"
)

// A Front is a proxy in front of a site of ours.
type Front struct {
	Site *Site
	URL  string      // the site's, through the proxy
	TLS  *tls.Config // of a client of the proxy, if the URL is wss
	Kill func()      // ends the proxy by force
}

// Through runs the checks of a proxy: both ends are wsstream. The last one kills the proxy.
func Through(t *trial.T, f *Front) {
	if !t.Check("messages of 0 B to 4 MiB", f.sizes) { // most others would fail alike
		return
	}
	t.Check("subprotocol", f.subprotocol)
	t.Check("pings both ways", f.pings)
	t.Check("closes both ways", f.closes)
	t.Check("cuts both ways", f.cuts)
	t.Check("compression", f.compression)
	t.Check("flood to the server", func(t *trial.T) { f.flood(t, FloodTo, true) })
	t.Check("flood from the server", func(t *trial.T) { f.flood(t, FloodFrom, false) })
	t.Check("killed", f.killed)
}

// Open connects a client and a server through the proxy.
func (f *Front) Open(t *trial.T, o Options) (client, server *wsstream.Conn) {
	f.Site.Options <- o
	dial := o.Dial()
	dial.TLSConfig = f.TLS
	client = wsstream.Dial(t.Context(), f.URL, dial)
	t.Cleanup(client.CloseNow)
	_, err := client.Opened().Wait(t.Context())
	if err != nil {
		f.Site.Forget()
	}
	require.NoError(t, err)
	server = f.Site.Accepted(t)
	t.Cleanup(server.CloseNow)
	return client, server
}

// echoing is Open with a server that echoes.
func (f *Front) echoing(t *trial.T, o Options) *wsstream.Conn {
	client, server := f.Open(t, o)
	echo := func() { _ = stream.Pipe(t.Context(), server.Writable(), server.Readable(), nil) }
	go echo() // ends with the server's Conn
	return client
}

func (f *Front) sizes(t *trial.T) {
	client := f.echoing(t, Options{})
	for _, n := range append([]int{0, large}, sizes...) {
		echo(t, client, wsstream.Text(text(n)))
		echo(t, client, wsstream.Binary(noise(n)))
	}
}

func (f *Front) subprotocol(t *trial.T) {
	client, server := f.Open(t, Options{AgreeProtocol: true})
	for _, conn := range []*wsstream.Conn{client, server} {
		opened, err := conn.Opened().Wait(t.Context())
		require.NoError(t, err)
		require.Equal(t, Subprotocol, opened.Protocol)
	}
}

func (f *Front) pings(t *trial.T) {
	client, server := f.Open(t, Options{})
	_, err := client.Ping(t.Context())
	require.NoError(t, err)
	_, err = server.Ping(t.Context())
	require.NoError(t, err)
}

func (f *Front) closes(t *trial.T) {
	for _, byClient := range []bool{true, false} {
		one, other := f.Open(t, Options{})
		if !byClient {
			one, other = other, one
		}
		info := wsstream.CloseInfo{Code: 4000, Reason: bye}
		require.NoError(t, one.Shutdown(t.Context(), info))
		got, err := other.Closed().Wait(t.Context())
		require.NoError(t, err)
		require.Equal(t, info, got)
	}
}

func (f *Front) cuts(t *trial.T) {
	for _, byClient := range []bool{true, false} {
		one, other := f.Open(t, Options{})
		if !byClient {
			one, other = other, one
		}
		one.CloseNow()
		_, err := other.Closed().Wait(t.Context())
		require.Equal(t, 1006, wsstream.CloseCode(err))
	}
}

func (f *Front) compression(t *trial.T) {
	client := f.echoing(t, Options{Compression: &wsstream.CompressionOptions{}})
	opened, err := client.Opened().Wait(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, opened.Extensions)
	t.Note(Deflate, "%s", opened.Extensions)
	for i := range 50 {
		echo(t, client, wsstream.Text(jsonText(i)))
	}
}

// flood sends a flood to an end that reads nothing for three seconds.
func (f *Front) flood(t *trial.T, what string, toServer bool) {
	from, to := f.Open(t, Options{})
	if !toServer {
		from, to = to, from
	}
	began := time.Now()
	ctx, cancel := limited(t, pause)
	defer cancel()
	n, err := write(ctx, from, 0, numbered)
	if err != nil {
		require.ErrorIs(t, err, context.DeadlineExceeded)
	}
	stalled := n
	t.Note(what, "%s", bound(stalled))
	if stalled < count {
		held(t, from, began)
	}
	rest := make(chan error, 1)
	go func() { // ends with its writes, or with the Conn
		_, err := write(t.Context(), from, n, numbered)
		rest <- errors.Join(err, from.Writable().Close(t.Context()))
	}()
	for i := range count {
		m, err := to.Readable().Pull(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, i, binary.BigEndian.Uint32(m.Data))
	}
	_, err = to.Readable().Pull(t.Context())
	require.Error(t, err)
	require.NoError(t, <-rest)
}

// write writes the messages of a flood from the n-th on. It returns the number of the first that
// was not written.
func write(
	ctx context.Context, to *wsstream.Conn, n int, number func(int) wsstream.Message,
) (int, error) {
	for ; n < count; n++ {
		if err := to.Writable().Write(ctx, number(n)); err != nil {
			return n, err
		}
	}
	return n, nil
}

func (f *Front) killed(t *trial.T) {
	client, server := f.Open(t, Options{})
	f.Kill()
	for _, conn := range []*wsstream.Conn{client, server} {
		_, err := conn.Closed().Wait(t.Context())
		require.Equal(t, 1006, wsstream.CloseCode(err))
	}
}

// Quiet waits with a connection on which nothing is sent, and returns how it ended, or nil.
func Quiet(t *trial.T, conn *wsstream.Conn, d time.Duration) error {
	ctx, cancel := limited(t, d)
	defer cancel()
	_, err := conn.Closed().Wait(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}
