package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/interop/battery"
	"github.com/wsstream/wsstream/interop/trial"
)

// transcriptRows are peers that no package manager installs, played from what they publish, and the
// document of the battery's protocol.
func transcriptRows() []*trial.Row {
	transcript := func(context.Context) (string, error) { return "transcript", nil }
	return []*trial.Row{
		{
			Name: "µWebSockets", Role: trial.Server, Version: transcript, Run: runMicro,
			Pitfalls: []string{
				"It is not installable here: a raw peer plays what its source says.",
				"By default it takes messages of at most 16 KiB, and cuts the connection without a Close " +
					"at a larger one. Its user must raise `maxPayloadLength`.",
				"By default it drops what it sends to a client that is 64 KiB behind (`maxBackpressure`).",
			},
		},
		{
			Name: "WebSocket King", Role: trial.Client, Version: transcript, Run: runKing,
			Pitfalls: []string{
				"It is a page: a raw peer plays what a browser sends for it.",
				"A server must allow it: `Origins: []string{\"websocketking.com\"}`.",
			},
		},
		{
			Name: "AsyncAPI", Role: "document", Core: true, Needs: []trial.Need{node, npms, npm},
			Version: npmVersion("@asyncapi/parser"), Run: runAsyncAPI,
		},
	}
}

// microPayload is the default of maxPayloadLength in µWebSockets' App.h.
const microPayload = 16 << 10

// micro plays a server of µWebSockets with its defaults, which echoes. "close" makes it call end.
func micro(nc net.Conn) error {
	defer func() { _ = nc.Close() }()
	first := func([]byte) bool { return true } // it agrees to the first subprotocol that is offered
	if _, err := (ws.Upgrader{Protocol: first}).Upgrade(nc); err != nil {
		return err
	}
	for {
		h, err := ws.ReadHeader(nc)
		if err != nil {
			return err
		}
		if h.Length > microPayload {
			return nil // forceClose: no Close frame
		}
		p := make([]byte, h.Length)
		if _, err := io.ReadFull(nc, p); err != nil {
			return err
		}
		ws.Cipher(p, h.Mask, 0)
		switch {
		case h.OpCode == ws.OpClose: // end with the peer's code: a Close, and FIN behind it
			return ws.WriteFrame(nc, ws.NewCloseFrame(p))
		case h.OpCode == ws.OpPing:
			err = ws.WriteFrame(nc, ws.NewPongFrame(p))
		case h.OpCode == ws.OpText && string(p) == "ping": // sendPingsAutomatically
			err = ws.WriteFrame(nc, ws.NewPingFrame(nil))
		case h.OpCode == ws.OpPong:
			err = ws.WriteFrame(nc, ws.NewTextFrame([]byte("pong")))
		case h.OpCode == ws.OpText && string(p) == "close":
			body := ws.NewCloseFrameBody(4001, "bye")
			if err := ws.WriteFrame(nc, ws.NewCloseFrame(body)); err != nil {
				return err
			}
			if err := nc.(*net.TCPConn).CloseWrite(); err != nil {
				return err
			}
			_, err := io.Copy(io.Discard, nc) // it reads nothing more but the FIN
			return err
		default:
			err = ws.WriteFrame(nc, ws.NewFrame(h.OpCode, true, p))
		}
		if err != nil {
			return err
		}
	}
}

func runMicro(t *trial.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() { // ends with the listener
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go micro(nc) //nolint:errcheck // ends with the connection, whose end the check sees
		}
	}()
	open := func(t *trial.T) *wsstream.Conn {
		o := &wsstream.DialOptions{Subprotocols: []string{"first", "second"}}
		conn := wsstream.Dial(t.Context(), "ws://"+l.Addr().String(), o)
		t.Cleanup(conn.CloseNow)
		opened, err := conn.Opened().Wait(t.Context())
		require.NoError(t, err)
		require.Equal(t, "first", opened.Protocol)
		return conn
	}
	say := func(t *trial.T, conn *wsstream.Conn, text string) {
		require.NoError(t, conn.Writable().Write(t.Context(), wsstream.Text(text)))
	}
	t.Check("messages of 0 B to 16 KiB", func(t *trial.T) {
		conn := open(t)
		for _, n := range []int{0, 1, 125, 126, microPayload} {
			say(t, conn, strings.Repeat("x", n))
			m, err := conn.Readable().Pull(t.Context())
			require.NoError(t, err)
			require.Len(t, m.Data, n)
		}
	})
	t.Check("a message above 16 KiB", func(t *trial.T) {
		conn := open(t)
		say(t, conn, strings.Repeat("x", microPayload+1))
		_, err := conn.Readable().Pull(t.Context())
		unclean(t, err)
		t.Note(battery.Closes, "at a message above 16 KiB: we saw %d", wsstream.CloseCode(err))
	})
	t.Check("pings both ways", func(t *trial.T) {
		conn := open(t)
		_, err := conn.Ping(t.Context())
		require.NoError(t, err)
		say(t, conn, "ping")
		m, err := conn.Readable().Pull(t.Context())
		require.NoError(t, err)
		require.Equal(t, "pong", string(m.Data))
	})
	t.Check("our close", func(t *trial.T) {
		conn := open(t)
		require.NoError(t, conn.Shutdown(t.Context(), wsstream.CloseInfo{Code: 4000, Reason: "bye"}))
		info, err := conn.Closed().Wait(t.Context())
		require.NoError(t, err)
		t.Note(battery.Closes, "ours 4000: we saw %v", info)
	})
	t.Check("its close with FIN behind it", func(t *trial.T) {
		conn := open(t)
		say(t, conn, "close")
		info, err := conn.Closed().Wait(t.Context())
		require.NoError(t, err)
		require.Equal(t, wsstream.CloseInfo{Code: 4001, Reason: "bye"}, info)
		t.Note(battery.Closes, "its 4001: we saw %v", info)
	})
}

// kingRequest is the handshake of a page of websocketking.com in Chromium.
const kingRequest = "GET / HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nPragma: no-cache\r\n" +
	"Cache-Control: no-cache\r\nUpgrade: websocket\r\nOrigin: https://websocketking.com\r\n" +
	"Sec-WebSocket-Version: 13\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n" +
	"Accept-Language: en-US,en;q=0.9\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
	"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"

// king sends the handshake, and returns the connection and the status of the response.
func king(t *trial.T, url string) (net.Conn, *bufio.Reader, int) {
	addr := battery.Addr(t, url)
	nc, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = nc.Close() })
	_, err = fmt.Fprintf(nc, kingRequest, addr)
	require.NoError(t, err)
	r := bufio.NewReader(nc)
	response, err := http.ReadResponse(r, nil)
	require.NoError(t, err)
	return nc, r, response.StatusCode
}

func readFrame(r io.Reader) (h ws.Header, p []byte, err error) {
	if h, err = ws.ReadHeader(r); err != nil {
		return h, nil, err
	}
	p = make([]byte, h.Length)
	_, err = io.ReadFull(r, p)
	return h, p, err
}

func runKing(t *trial.T) {
	ends := make(chan error, 1)
	serve := func(origins ...string) string {
		return serveHTTP(t, wsstream.Handler(func(conn *wsstream.Conn, r *http.Request) error {
			for {
				m, err := conn.Readable().Pull(r.Context())
				if err == nil {
					err = conn.Writable().Write(r.Context(), m)
				}
				if err != nil {
					ends <- err
					return err
				}
			}
		}, &wsstream.AcceptOptions{Origins: origins, Compression: &wsstream.CompressionOptions{}}))
	}
	t.Check("an origin that is not allowed", func(t *trial.T) {
		_, _, status := king(t, serve())
		require.Equal(t, http.StatusForbidden, status)
	})
	t.Check("texts, and its close without a code", func(t *trial.T) {
		nc, r, status := king(t, serve("websocketking.com"))
		require.Equal(t, http.StatusSwitchingProtocols, status)
		for _, text := range []string{`{"message":"水"}`, ""} {
			require.NoError(t, ws.WriteFrame(nc, ws.MaskFrame(ws.NewTextFrame([]byte(text)))))
			h, p, err := readFrame(r)
			require.NoError(t, err)
			require.Equal(t, ws.OpText, h.OpCode)
			require.Equal(t, text, string(p))
		}
		require.NoError(t, ws.WriteFrame(nc, ws.MaskFrame(ws.NewCloseFrame(nil))))
		h, p, err := readFrame(r)
		require.NoError(t, err)
		require.Equal(t, ws.OpClose, h.OpCode)
		require.Equal(t, io.EOF, <-ends)
		t.Note(battery.Closes, "its close without a code: we saw io.EOF, it saw %d bytes", len(p))
	})
}

// documents are the AsyncAPI documents of the project, relative to the folder of the module.
var documents = []string{
	"battery/asyncapi.yaml",
	"../examples/upload/asyncapi.yaml",
	"../examples/fanout/asyncapi.yaml",
	"../resume/asyncapi.yaml",
}

// runAsyncAPI validates the documents with AsyncAPI's own parser.
func runAsyncAPI(t *trial.T) {
	const valid = "errors: 0, warnings: 0"
	validate := func(t *trial.T, file string) string {
		p := t.Start(nodeDir, nil, "node", "asyncapi.mjs", file)
		return awaitSay(t, p, 0, "errors")
	}
	for _, document := range documents {
		name := strings.TrimPrefix(document, "../")
		t.Check(name+" is valid", func(t *trial.T) {
			file, err := filepath.Abs(document)
			require.NoError(t, err)
			said := validate(t, file)
			t.Note(name, "%s", said)
			require.Equal(t, valid, said)
		})
	}
	t.Check("a document with a broken reference is not", func(t *trial.T) {
		text, err := os.ReadFile(documents[0])
		require.NoError(t, err)
		const order = "'#/components/messages/order'"
		broken := strings.Replace(string(text), order, "'#/components/messages/none'", 1)
		require.NotEqual(t, valid, validate(t, writeFile(t, "broken.yaml", broken)))
	})
}
