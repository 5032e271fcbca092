package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/interop/battery"
	wsnats "github.com/wsstream/wsstream/interop/nats"
	"github.com/wsstream/wsstream/interop/trial"
)

var natsServer = &trial.GoProgram{Package: "github.com/nats-io/nats-server/v2"}

// natsRows are the server of NATS, with nats.go over our NetConn.
func natsRows() []*trial.Row {
	return []*trial.Row{{
		Name: "NATS", Role: trial.Server,
		Needs: []trial.Need{natsServer},
		Version: func(ctx context.Context) (string, error) {
			return trial.Output(ctx, natsServer.Path(), "--version")
		},
		Pitfalls: []string{
			"It holds 64 MiB for a subscriber that reads nothing, and then cuts it off.",
			"It sends a backlog as one message: read it as a stream, with NetConn or NextMessage.",
		},
		Run: runNATS,
	}}
}

// A natsClient is a client in a check.
type natsClient struct {
	*nats.Conn
	t     *trial.T
	conns chan *wsstream.Conn
}

func openNATS(t *trial.T, addr string, o *wsstream.DialOptions) *natsClient {
	c := &natsClient{t: t, conns: make(chan *wsstream.Conn, 8)}
	var err error
	c.Conn, err = nats.Connect("nats://"+addr, nats.ReconnectWait(50*time.Millisecond),
		nats.SetCustomDialer(&wsnats.Dialer{
			Scheme: "ws", Options: o, Opened: func(conn *wsstream.Conn) { c.conns <- conn },
		}))
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// echo answers requests to a subject.
func (c *natsClient) echo(subject string) {
	_, err := c.Subscribe(subject, func(m *nats.Msg) { _ = m.Respond(m.Data) })
	require.NoError(c.t, err)
	require.NoError(c.t, c.FlushWithContext(c.t.Context()))
}

func (c *natsClient) request(subject string, data []byte) {
	m, err := c.RequestWithContext(c.t.Context(), subject, data)
	require.NoError(c.t, err)
	require.True(c.t, bytes.Equal(data, m.Data), "%d bytes came back as %d", len(data), len(m.Data))
}

func runNATS(t *trial.T) {
	port, ws := t.FreePort(), t.FreePort()
	addr := fmt.Sprintf("127.0.0.1:%d", ws)
	p := t.Start("", nil, natsServer.Path(), "-c", writeFile(t, "nats.conf", fmt.Sprintf(`
host: 127.0.0.1
port: %d
websocket { host: 127.0.0.1, port: %d, no_tls: true, compression: true }
`, port, ws)))
	p.Listens(t, addr)
	ok := t.Check("publish, subscribe and requests of 0 B to 1 MiB", func(t *trial.T) {
		c := openNATS(t, addr, nil)
		c.echo("echo")
		for _, n := range []int{0, 1, 125, 126, 4096, 65_535, 65_536, 1 << 20} {
			c.request("echo", bytes.Repeat([]byte("x"), n))
		}
	})
	if !ok {
		return
	}
	t.Check("compression", func(t *trial.T) {
		c := openNATS(t, addr, &wsstream.DialOptions{Compression: &wsstream.CompressionOptions{}})
		c.echo("deflate")
		for range 20 {
			c.request("deflate", bytes.Repeat([]byte("compress me "), 1000))
		}
		opened, err := (<-c.conns).Opened().Wait(t.Context())
		require.NoError(t, err)
		require.NotEmpty(t, opened.Extensions)
		t.Note(battery.Deflate, "%s", opened.Extensions)
	})
	t.Check("reconnect after a cut", func(t *trial.T) {
		c := openNATS(t, addr, nil)
		c.echo("again")
		(<-c.conns).CloseNow()
		trial.Take(t, c.conns, "it did not connect again")
		require.NoError(t, c.FlushWithContext(t.Context()))
		c.request("again", []byte("hello"))
	})
	t.Check("our close", func(t *trial.T) {
		c := openNATS(t, addr, nil)
		conn := <-c.conns
		c.Close()
		info, err := conn.Closed().Wait(t.Context())
		require.NoError(t, err)
		t.Note(battery.Closes, "ours 1000: we saw %v", info)
	})
	t.Check("a flood to a subscriber that reads nothing", func(t *trial.T) { natsFlood(t, addr) })
	t.Check("killed", func(t *trial.T) {
		c := openNATS(t, addr, nil)
		conn := <-c.conns
		p.Kill()
		_, err := conn.Closed().Wait(t.Context())
		unclean(t, err)
	})
}

// natsFlood subscribes without nats.go, which holds what its program does not take.
func natsFlood(t *trial.T, addr string) {
	conn := wsstream.Dial(t.Context(), "ws://"+addr, nil)
	t.Cleanup(conn.CloseNow)
	hello := "CONNECT {\"verbose\":false}\r\nSUB flood 1\r\nPING\r\n"
	require.NoError(t, conn.Writable().Write(t.Context(), wsstream.Binary([]byte(hello))))
	for {
		m, err := conn.Readable().Pull(t.Context())
		require.NoError(t, err)
		if strings.Contains(string(m.Data), "PONG") {
			break
		}
	}
	from := openNATS(t, addr, nil)
	piece := make([]byte, floodSize)
	floodTo(t, func(ctx context.Context, _ int) error {
		return errors.Join(from.Publish("flood", piece), from.FlushWithContext(ctx))
	})
	const line = len("MSG flood 1 32768\r\n\r\n")
	var all, largest int64
	for all < floodCount*int64(floodSize+line) {
		m, err := conn.Readable().NextMessage(t.Context())
		require.NoError(t, err)
		n, err := io.Copy(io.Discard, m)
		require.NoError(t, err)
		all += n
		largest = max(largest, n)
	}
	require.EqualValues(t, floodCount*(floodSize+line), all)
	require.LessOrEqual(t, conn.Stats().Received.HeldMax, int64(64<<10))
	t.Note("its largest message", "%s, of which wsstream held %s",
		trial.Bytes(largest), trial.Bytes(conn.Stats().Received.HeldMax))
}
