package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"net/http"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/interop/battery"
	"github.com/wsstream/wsstream/interop/trial"
	"github.com/wsstream/wsstream/interop/zws"
)

// zwsRows are ZeroMQ's sockets over ws://, bound and connected.
func zwsRows() []*trial.Row {
	var rows []*trial.Row
	for _, role := range []trial.Role{trial.Server, trial.Client} {
		known := map[string]string{}
		if role == trial.Server {
			known["our ping"] = "its pong is empty. `PingInterval` takes it for a sign of life, and `Conn.Ping` " +
				"waits in vain."
		}
		rows = append(rows, &trial.Row{
			Name: "ZeroMQ (ZWS 2.0)", Role: role,
			Needs:   []trial.Need{trial.Packages("python3-zmq")},
			Version: packageVersion("libzmq5"),
			Known:   known,
			Pitfalls: []string{
				"libzmq takes no fragments: set `MaxFrameSize: -1`.",
				"A client offers `ZWS2.0/NULL`, which is no token, and `ZWS2.0`. A server chooses the second.",
			},
			Run: func(t *trial.T) {
				p := t.Start("peers/python", nil, systemPython, "zmq_peer.py", string(role))
				if role == trial.Server {
					runZWSServer(t, p)
				} else {
					runZWSClient(t, p)
				}
			},
		})
	}
	return rows
}

func dialZWS(t *trial.T, p *trial.Process, theirs, ours string) *zws.Conn {
	url := strings.TrimPrefix(awaitSay(t, p, 0, theirs), theirs+" ")
	c, err := zws.Dial(t.Context(), url, ours, &wsstream.DialOptions{MaxMessageSize: 2 << 20})
	require.NoError(t, err)
	t.Cleanup(c.Conn().CloseNow)
	require.Equal(t, theirs, c.Peer())
	return c
}

func runZWSServer(t *trial.T, p *trial.Process) {
	ok := t.Check("REQ to its REP", func(t *trial.T) {
		c := dialZWS(t, p, "REP", "REQ")
		for _, n := range []int{0, 1, 124, 125, 126, 65_534, 65_535, 1 << 20} {
			parts := [][]byte{{}, []byte("part"), {}, make([]byte, n)}
			require.NoError(t, c.Send(t.Context(), parts...))
			got, err := c.Receive(t.Context())
			require.NoError(t, err)
			require.Len(t, got, len(parts))
			for i := range parts {
				require.True(t, bytes.Equal(parts[i], got[i]), "part %d of %d bytes", i, n)
			}
		}
	})
	if !ok {
		return
	}
	t.Check("our ping", func(t *trial.T) {
		c := dialZWS(t, p, "REP", "REQ")
		ctx, cancel := context.WithTimeout(t.Context(), floodPause)
		defer cancel()
		_, err := c.Conn().Ping(ctx)
		require.NoError(t, err)
	})
	t.Check("our close", func(t *trial.T) {
		c := dialZWS(t, p, "REP", "REQ")
		require.NoError(t, c.Conn().Shutdown(t.Context(), wsstream.CloseInfo{Code: 1000}))
	})
	t.Check(battery.FloodTo, func(t *trial.T) {
		c := dialZWS(t, p, "PULL", "PUSH")
		floodTo(t, func(ctx context.Context, i int) error {
			return c.Send(ctx, binary.BigEndian.AppendUint32(make([]byte, 0, floodSize), uint32(i))[:floodSize])
		})
		require.Equal(t, "pulled 1024", awaitSay(t, p, 0, "pulled"))
	})
	t.Check(battery.FloodFrom, func(t *trial.T) {
		c := dialZWS(t, p, "PUSH", "PULL")
		floodFrom(t, p, 0, func(i int) {
			parts, err := c.Receive(t.Context())
			require.NoError(t, err)
			require.Len(t, parts[0], floodSize)
			require.EqualValues(t, i, binary.BigEndian.Uint32(parts[0]))
		})
	})
	t.Check("killed", func(t *trial.T) {
		c := dialZWS(t, p, "REP", "REQ")
		p.Kill()
		_, err := c.Receive(t.Context())
		unclean(t, err)
	})
}

func runZWSClient(t *trial.T, p *trial.Process) {
	ended := make(chan error, 1)
	accepted := make(chan struct{}, 1)
	url := serveHTTP(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := zws.Accept(w, r, "REP", &wsstream.AcceptOptions{MaxMessageSize: 2 << 20})
		if err != nil {
			ended <- err
			return
		}
		defer c.Conn().CloseNow()
		accepted <- struct{}{}
		for {
			parts, err := c.Receive(t.Context())
			if err == nil {
				err = c.Send(t.Context(), parts...)
			}
			if err != nil {
				ended <- err
				return
			}
		}
	}))
	t.Check("its REQ to our REP", func(t *trial.T) {
		p.Tell(t, "%s/", url)
		select {
		case <-accepted:
		case err := <-ended:
			require.NoError(t, err)
		case <-t.Context().Done():
			require.Fail(t, "the client did not come")
		}
		require.Equal(t, "asked", awaitSay(t, p, 0, ""))
		t.Note(battery.Closes, "its close: we saw %v", trial.Take(t, ended, "the end was not seen"))
	})
}
