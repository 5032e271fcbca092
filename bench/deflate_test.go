package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	coderws "github.com/coder/websocket"
	gorillaws "github.com/gorilla/websocket"

	"github.com/wsstream/wsstream"
)

// An end is one side of a connection.
type end struct {
	read  func() ([]byte, error)
	write func([]byte) error
}

// A compressor is a library that compresses all it sends. The dialler's connections count what they
// read.
type compressor struct {
	name   string
	accept func(w http.ResponseWriter, r *http.Request) (end, error)
	dial   func(url string, nd netDial) (end, error)
}

func ours(name string, o *wsstream.CompressionOptions) compressor {
	side := func(conn *wsstream.Conn) end {
		var m wsstream.Message
		return end{
			func() ([]byte, error) {
				err := conn.Readable().PullInto(context.Background(), &m)
				return m.Data, err
			},
			func(p []byte) error {
				return conn.Writable().Write(context.Background(),
					wsstream.Message{Type: wsstream.TypeText, Data: p})
			},
		}
	}
	return compressor{
		name,
		func(w http.ResponseWriter, r *http.Request) (end, error) {
			conn, err := wsstream.Accept(w, r, &wsstream.AcceptOptions{Compression: o})
			if err != nil {
				return end{}, err
			}
			return side(conn), nil
		},
		func(url string, nd func(context.Context, string, string) (net.Conn, error)) (end, error) {
			conn := wsstream.Dial(context.Background(), url,
				&wsstream.DialOptions{Compression: o, NetDial: nd})
			_, err := conn.Opened().Wait(context.Background())
			return side(conn), err
		},
	}
}

func coder(name string, mode coderws.CompressionMode) compressor {
	side := func(c *coderws.Conn) end {
		return end{
			func() ([]byte, error) {
				_, p, err := c.Read(context.Background())
				return p, err
			},
			func(p []byte) error { return c.Write(context.Background(), coderws.MessageText, p) },
		}
	}
	return compressor{
		name,
		func(w http.ResponseWriter, r *http.Request) (end, error) {
			c, err := coderws.Accept(w, r, &coderws.AcceptOptions{CompressionMode: mode})
			if err != nil {
				return end{}, err
			}
			return side(c), nil
		},
		func(url string, nd func(context.Context, string, string) (net.Conn, error)) (end, error) {
			client := &http.Client{Transport: &http.Transport{DialContext: nd}}
			c, _, err := coderws.Dial(context.Background(), url,
				&coderws.DialOptions{CompressionMode: mode, HTTPClient: client})
			if err != nil {
				return end{}, err
			}
			return side(c), nil
		},
	}
}

func gorilla() compressor {
	side := func(c *gorillaws.Conn) end {
		return end{
			func() ([]byte, error) {
				_, p, err := c.ReadMessage()
				return p, err
			},
			func(p []byte) error { return c.WriteMessage(gorillaws.TextMessage, p) },
		}
	}
	return compressor{
		"gorilla, no takeover",
		func(w http.ResponseWriter, r *http.Request) (end, error) {
			up := gorillaws.Upgrader{EnableCompression: true}
			c, err := up.Upgrade(w, r, nil)
			if err != nil {
				return end{}, err
			}
			return side(c), nil
		},
		func(url string, nd func(context.Context, string, string) (net.Conn, error)) (end, error) {
			c, _, err := (&gorillaws.Dialer{EnableCompression: true, NetDialContext: nd}).Dial(url, nil)
			if err != nil {
				return end{}, err
			}
			return side(c), nil
		},
	}
}

// A counting net.Conn counts what it reads.
type counting struct {
	net.Conn
	n *atomic.Int64
}

func (c counting) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// A netDial is the option of that name.
type netDial = func(ctx context.Context, network, addr string) (net.Conn, error)

// dialUntil dials, and counts what is read where n is not nil; the end of the benchmark cuts.
func dialUntil(b *testing.B, n *atomic.Int64) netDial {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		b.Cleanup(func() { nc.Close() })
		if n == nil {
			return nc, nil
		}
		return counting{nc, n}, nil
	}
}

// texts are messages of JSON text, size bytes each, all different.
func texts(size int) [][]byte {
	r := rand.New(rand.NewPCG(1, 77))
	all := make([][]byte, 256)
	for i := range all {
		var b strings.Builder
		for b.Len() < size {
			fmt.Fprintf(&b, `{"id":%d,"name":"user-%d","price":%.2f,"tags":["a%d","b"],"active":%v},`,
				r.Uint32(), r.IntN(1000), r.Float64()*100, r.IntN(50), r.IntN(2) == 0)
		}
		all[i] = []byte(b.String()[:size])
	}
	return all
}

// BenchmarkDeflate sends messages of JSON text to an echo and reads them back, as fast as they go.
// ratio is payload over bytes on the wire, headers included.
func BenchmarkDeflate(b *testing.B) {
	apart := &wsstream.CompressionOptions{NoContextTakeover: true, PeerNoContextTakeover: true}
	for _, size := range []int{1 << 10, 16 << 10} {
		messages := texts(size)
		for _, c := range []compressor{
			ours("wsstream, no takeover", apart),
			gorilla(),
			coder("coder, no takeover", coderws.CompressionNoContextTakeover),
			ours("wsstream, takeover", &wsstream.CompressionOptions{}),
			ours("wsstream, takeover, 15 bits", &wsstream.CompressionOptions{WindowBits: 15}),
			coder("coder, takeover", coderws.CompressionContextTakeover),
		} {
			b.Run(fmt.Sprintf("%dB/%s", size, c.name), func(b *testing.B) {
				srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					e, err := c.accept(w, r)
					for err == nil {
						var p []byte
						if p, err = e.read(); err == nil {
							err = e.write(p)
						}
					}
				}))
				defer srv.Close()
				url := "ws" + strings.TrimPrefix(srv.URL, "http")

				var wire atomic.Int64
				one, err := c.dial(url, dialUntil(b, &wire))
				echo(b, one, err, messages, len(messages))
				ratio := float64(size*len(messages)) / float64(wire.Load())

				many, err := c.dial(url, dialUntil(b, nil))
				b.SetBytes(int64(size))
				b.ReportAllocs()
				b.ResetTimer()
				echo(b, many, err, messages, b.N)
				b.ReportMetric(ratio, "ratio")
			})
		}
	}
}

// echo sends n messages and reads them back.
func echo(b *testing.B, e end, err error, messages [][]byte, n int) {
	if err != nil {
		b.Fatal(err)
	}
	wrote := make(chan error, 1)
	go func() { // ends with the messages
		for i := range n {
			if err := e.write(messages[i%len(messages)]); err != nil {
				wrote <- err
				return
			}
		}
		wrote <- nil
	}()
	for i := range n {
		p, err := e.read()
		if err != nil || len(p) != len(messages[i%len(messages)]) {
			b.Fatal(i, len(p), err)
		}
	}
	if err := <-wrote; err != nil {
		b.Fatal(err)
	}
}
