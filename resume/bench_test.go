package resume_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/resume"
	"github.com/wsstream/wsstream/stream"
)

// BenchmarkConn and BenchmarkSession send messages over loopback TCP, from the server to a client
// in the same process. They differ in the session alone. In BenchmarkConnOfCopies the server copies
// each message first, as a session must. Its memory for copies is as large as a session's window.

var benchSizes = []int{1 << 10, 64 << 10}

func BenchmarkConn(b *testing.B) {
	for _, size := range benchSizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			h := wsstream.Handler(func(c *wsstream.Conn, r *http.Request) error {
				return flood(r.Context(), c.Writable(), size)
			}, nil)
			url := benchServer(b, h)
			conn := wsstream.Dial(b.Context(), url, nil)
			defer conn.CloseNow()
			drain(b, conn.Readable(), size)
		})
	}
}

func BenchmarkConnOfCopies(b *testing.B) {
	for _, size := range benchSizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			h := wsstream.Handler(func(c *wsstream.Conn, r *http.Request) error {
				return flood(r.Context(), &copying{Writable: c.Writable()}, size)
			}, nil)
			url := benchServer(b, h)
			conn := wsstream.Dial(b.Context(), url, nil)
			defer conn.CloseNow()
			drain(b, conn.Readable(), size)
		})
	}
}

// A copying copies each message, and writes the copy.
type copying struct {
	*wsstream.Writable
	copies [resume.DefaultWindow]byte
	at     int // where the next copy begins
}

func (c *copying) Write(ctx context.Context, m wsstream.Message) error {
	if c.at+len(m.Data) > len(c.copies) {
		c.at = 0
	}
	from := c.at
	c.at += copy(c.copies[from:], m.Data)
	m.Data = c.copies[from:c.at]
	return c.Writable.Write(ctx, m)
}

func BenchmarkSession(b *testing.B) {
	for _, size := range benchSizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			h := resume.NewServer(func(s *resume.Session, r *http.Request) error {
				return flood(r.Context(), s.Writable(), size)
			}, nil)
			url := benchServer(b, h)
			s := resume.Dial(b.Context(), url, nil)
			defer s.CloseNow()
			drain(b, s.Readable(), size)
		})
	}
}

func benchServer(b *testing.B, h http.Handler) (url string) {
	server := httptest.NewServer(h)
	b.Cleanup(server.Close)
	return "ws" + strings.TrimPrefix(server.URL, "http")
}

// flood writes messages until the stream ends.
func flood(ctx context.Context, w stream.Writable[wsstream.Message], size int) error {
	m := wsstream.Binary(make([]byte, size))
	for {
		if err := w.Write(ctx, m); err != nil {
			return err
		}
	}
}

// drain measures one Pull for each message.
func drain(b *testing.B, r stream.PullerInto[wsstream.Message], size int) {
	var m wsstream.Message
	ctx := context.Background()
	require.NoError(b, r.PullInto(ctx, &m))
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		if err := r.PullInto(ctx, &m); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkConnAnswers and BenchmarkSessionAnswers measure a small message and its answer.

func BenchmarkConnAnswers(b *testing.B) {
	url := benchServer(b, wsstream.Handler(func(c *wsstream.Conn, r *http.Request) error {
		return echo(r.Context(), c.Writable(), c.Readable())
	}, nil))
	conn := wsstream.Dial(b.Context(), url, nil)
	defer conn.CloseNow()
	ask(b, conn.Writable(), conn.Readable())
}

func BenchmarkSessionAnswers(b *testing.B) {
	url := benchServer(b, resume.NewServer(func(s *resume.Session, r *http.Request) error {
		return echo(r.Context(), s.Writable(), s.Readable())
	}, nil))
	s := resume.Dial(b.Context(), url, nil)
	defer s.CloseNow()
	ask(b, s.Writable(), s.Readable())
}

// echo answers each message with itself until the stream ends.
func echo(
	ctx context.Context, w stream.Writable[wsstream.Message], r stream.PullerInto[wsstream.Message],
) error {
	var m wsstream.Message
	for {
		if err := r.PullInto(ctx, &m); err != nil {
			return err
		}
		if err := w.Write(ctx, m); err != nil {
			return err
		}
	}
}

// ask measures a Write and the Pull of its answer.
func ask(
	b *testing.B, w stream.Writable[wsstream.Message], r stream.PullerInto[wsstream.Message],
) {
	var m wsstream.Message
	ctx := context.Background()
	data := wsstream.Binary(make([]byte, 32))
	b.ReportAllocs()
	for b.Loop() {
		if err := w.Write(ctx, data); err != nil {
			b.Fatal(err)
		}
		if err := r.PullInto(ctx, &m); err != nil {
			b.Fatal(err)
		}
	}
}
