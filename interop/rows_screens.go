package main

import (
	"context"
	"image"
	"image/color"
	"io"
	"strconv"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/interop/battery"
	"github.com/wsstream/wsstream/interop/browser"
	"github.com/wsstream/wsstream/interop/guacamole"
	"github.com/wsstream/wsstream/interop/rfb"
	"github.com/wsstream/wsstream/interop/trial"
)

// screenRows are clients, in a page of Chromium, of protocols for remote screens.
func screenRows() []*trial.Row {
	needs := []trial.Need{browser.NeedChromium, node, npms, npm}
	return []*trial.Row{
		{
			Name: "noVNC", Role: trial.Client, Needs: needs,
			Version: npmVersion("@novnc/novnc"),
			Pitfalls: []string{
				"It offers no subprotocol unless its page names one, such as `binary`: a server accepts both.",
				"It asks for each picture, so a server that answers requests alone never floods it.",
			},
			Run: func(t *trial.T) { runNoVNC(t, servePage(t, startChromium, "/page/client.html?of=novnc")) },
		},
		{
			Name: "Guacamole", Role: trial.Client, Needs: needs,
			Version: npmVersion("guacamole-common-js"),
			Known: map[string]string{
				guacamoleLengths: "it counts such a character as two, and the protocol counts it as one.",
			},
			Pitfalls: []string{
				"It takes what a server sends, drawn or not. Let the server wait for the answer to `sync`.",
				"It takes its tunnel for dead after 15 s in which nothing came, and does not count " +
					"WebSocket's pings.",
			},
			Run: func(t *trial.T) { runGuacamole(t, servePage(t, startChromium, "/page/client.html?of=guacamole")) },
		},
	}
}

// anyPage lets pages of other ports connect.
var anyPage = []string{"127.0.0.1:*"}

var (
	red  = color.RGBA{R: 255, A: 255}
	blue = color.RGBA{B: 255, A: 255}
)

func filled(c color.Color) *image.RGBA {
	p := image.NewRGBA(image.Rect(0, 0, 64, 48))
	for i := range 64 * 48 {
		p.Set(i%64, i/64, c)
	}
	return p
}

func runNoVNC(t *trial.T, p *pageServer) {
	conns := make(connections, 8)
	pictures := make(chan *image.RGBA, 1)
	events := make(chan rfb.Event, 8)
	url := serveHTTP(t, &rfb.Server{
		Name: "a screen 水", Width: 64, Height: 48,
		Picture: func(ctx context.Context, _ *image.RGBA) (*image.RGBA, error) {
			select {
			case p := <-pictures:
				if p == nil {
					return nil, io.EOF
				}
				return p, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		},
		Input: func(ctx context.Context, e rfb.Event) {
			select {
			case events <- e:
			case <-ctx.Done():
			}
		},
		Options: wsstream.AcceptOptions{Origins: anyPage, Trace: conns.trace()},
	})
	open := func(t *trial.T, protocols ...string) *wsstream.Conn {
		since := p.Events()
		order(t, p, "open", url, append([]string{}, protocols...))
		require.Equal(t, `name: ["a screen 水"]`, awaitSay(t, p, since, "name"))
		return conns.next(t)
	}
	ok := t.Check("the handshake and raw pictures", func(t *trial.T) {
		conn := open(t, "binary")
		opened, err := conn.Opened().Wait(t.Context())
		require.NoError(t, err)
		require.Equal(t, "binary", opened.Protocol)
		pictures <- filled(red)
		require.Equal(t, "[255,0,0]", order(t, p, "shown", 63, 47))
		pictures <- filled(blue)
		awaitPixel(t, p, "[0,0,255]")
		order(t, p, "close")
		info, err := conn.Closed().Wait(t.Context())
		require.NoError(t, err)
		t.Note(battery.Closes, "its end: we saw %v", info)
	})
	if !ok {
		return
	}
	t.Check("no subprotocol", func(t *trial.T) {
		conn := open(t)
		opened, err := conn.Opened().Wait(t.Context())
		require.NoError(t, err)
		require.Empty(t, opened.Protocol)
		order(t, p, "close")
		_, err = conn.Closed().Wait(t.Context())
		require.NoError(t, err)
	})
	t.Check("keys, the mouse and texts", func(t *trial.T) {
		open(t, "binary")
		order(t, p, "key", 0x61)
		require.Equal(t, rfb.Key{Down: true, Symbol: 0x61}, trial.Take(t, events, "no key"))
		require.Equal(t, rfb.Key{Symbol: 0x61}, trial.Take(t, events, "no key"))
		order(t, p, "paste", "é!")
		require.Equal(t, rfb.Text("\xe9!"), trial.Take(t, events, "no text"))
		order(t, p, "click", 10, 20)
		for e := range events { // it moves there first
			at, ok := e.(rfb.Pointer)
			require.True(t, ok, "%v", e)
			require.Equal(t, [2]uint16{10, 20}, [2]uint16{at.X, at.Y})
			if at.Buttons == 1 {
				break
			}
		}
		require.Equal(t, rfb.Pointer{X: 10, Y: 20}, trial.Take(t, events, "no release"))
		order(t, p, "close")
	})
	t.Check("our end", func(t *trial.T) {
		conn := open(t, "binary")
		since := p.Events()
		pictures <- nil
		require.Equal(t, "disconnected: [true]", awaitSay(t, p, since, "disconnected"))
		info, err := conn.Closed().Wait(t.Context())
		require.NoError(t, err)
		t.Note(battery.Closes, "ours: we saw %v", info)
	})
	t.Check("killed", func(t *trial.T) {
		conn := open(t, "binary")
		p.Kill()
		_, err := conn.Closed().Wait(t.Context())
		unclean(t, err)
	})
}

// awaitPixel waits until the screen has a color.
func awaitPixel(t *trial.T, p driven, color string) {
	for order(t, p, "shown", 0, 0) != color {
		require.NoError(t, t.Context().Err())
	}
}

const guacamoleLengths = "a character beyond 16 bits"

func runGuacamole(t *trial.T, p *pageServer) {
	tunnels := make(chan *guacamole.Tunnel, 8)
	in := make(chan guacamole.Instruction, 8)
	ended := make(chan error, 8)
	end := make(chan error, 1)
	url := serveHTTP(t, &guacamole.Server{
		Serve: func(ctx context.Context, tunnel *guacamole.Tunnel) error {
			tunnels <- tunnel
			go func() { // ends with the tunnel
				for {
					i, err := tunnel.Pull(ctx)
					if err != nil {
						ended <- err
						return
					}
					select {
					case in <- i: // also what was left at the end
					case <-t.Context().Done():
					}
				}
			}()
			select {
			case err := <-end:
				return err
			case <-ctx.Done():
				return nil
			}
		},
		Options: wsstream.AcceptOptions{Origins: anyPage},
	})
	open := func(t *trial.T) *guacamole.Tunnel {
		for len(in) > 0 {
			<-in
		}
		require.Equal(t, "true", order(t, p, "open", url, "width=64&height=48"))
		tunnel := trial.Take(t, tunnels, "the client did not come")
		t.Cleanup(tunnel.Conn().CloseNow)
		return tunnel
	}
	send := func(t *trial.T, tunnel *guacamole.Tunnel, i ...string) {
		require.NoError(t, tunnel.Write(t.Context(), i...))
	}
	// next is the client's next instruction but those that only say that it lives.
	next := func(t *trial.T) guacamole.Instruction {
		for {
			if i := trial.Take(t, in, "the client says nothing"); i[0] != "nop" {
				return i
			}
		}
	}
	closed := func(t *trial.T, tunnel *guacamole.Tunnel) {
		order(t, p, "close")
		info, err := tunnel.Conn().Closed().Wait(t.Context())
		require.NoError(t, err)
		t.Note(battery.Closes, "its end: we saw %v", info)
	}
	ok := t.Check("instructions both ways", func(t *trial.T) {
		tunnel := open(t)
		since := p.Events()
		send(t, tunnel, "name", "水;,.")
		require.Equal(t, `name: ["水;,."]`, awaitSay(t, p, since, "name"))
		send(t, tunnel, "size", "0", "64", "48")
		send(t, tunnel, "rect", "0", "0", "0", "64", "48")
		send(t, tunnel, "cfill", "14", "0", "255", "0", "0", "255")
		send(t, tunnel, "sync", "17")
		require.Equal(t, guacamole.Instruction{"sync", "17"}, next(t))
		require.Equal(t, "[255,0,0]", order(t, p, "pixel", 63, 47))
		order(t, p, "key", 1, 0x61)
		require.Equal(t, guacamole.Instruction{"key", "97", "1"}, next(t))
		order(t, p, "mouse", 10, 20, true)
		require.Equal(t, guacamole.Instruction{"mouse", "10", "20", "1"}, next(t))
		begin(t, p, "type", "hello 水")
		require.Equal(t, guacamole.Instruction{"clipboard", "0", "text/plain"}, next(t))
		require.Equal(t, guacamole.Instruction{"blob", "0", "aGVsbG8g5rC0"}, next(t))
		send(t, tunnel, "ack", "0", "OK", "0")
		require.Equal(t, guacamole.Instruction{"end", "0"}, next(t))
		closed(t, tunnel)
		require.Equal(t, guacamole.Instruction{"disconnect"}, next(t))
		require.Equal(t, io.EOF, trial.Take(t, ended, "its end was not pulled"))
	})
	if !ok {
		return
	}
	t.Check("its pings", func(t *trial.T) { // without an answer it is unstable after 1.5 s
		tunnel := open(t)
		since := p.Events()
		pause(t, floodPause)
		order(t, p, "raw", "marker")
		p.Await(t, since, "its message", func(e trial.Event) bool {
			require.NotContains(t, e.Say, "UNSTABLE")
			return strings.HasPrefix(e.Say, "raw")
		})
		closed(t, tunnel)
	})
	t.Check(guacamoleLengths, func(t *trial.T) {
		tunnel := open(t)
		order(t, p, "raw", "opcode", "😀")
		require.Equal(t, guacamole.Instruction{"opcode", "😀"}, next(t))
		closed(t, tunnel)
	})
	t.Check("our end", func(t *trial.T) {
		tunnel := open(t)
		since := p.Events()
		end <- guacamole.End(1008, 771)
		require.Equal(t, "error: [771]", awaitSay(t, p, since, "error"))
		info, err := tunnel.Conn().Closed().Wait(t.Context())
		require.NoError(t, err)
		t.Note(battery.Closes, "ours 1008: we saw %v", info)
	})
	t.Check(battery.FloodTo, func(t *trial.T) {
		tunnel := open(t)
		piece := strings.Repeat("x", floodSize)
		floodTo(t, func(ctx context.Context, i int) error {
			return tunnel.Write(ctx, "item", strconv.Itoa(i), piece)
		})
		send(t, tunnel, "sync", "1")
		require.Equal(t, guacamole.Instruction{"sync", "1"}, next(t))
		require.Equal(t, strconv.Itoa(floodCount), order(t, p, "items"))
		closed(t, tunnel)
	})
	t.Check("killed", func(t *trial.T) {
		tunnel := open(t)
		p.Kill()
		_, err := tunnel.Conn().Closed().Wait(t.Context())
		unclean(t, err)
	})
}
