package main_test

import (
	"bytes"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/bench/internal/library"
)

// A scenario is something that a program does with one connection, message by message.
type scenario struct {
	name string

	// peer does the peer's part of n messages of size bytes.
	peer func(l *link, size, n int) error

	// step does the library's part of one message.
	step func(c library.Conn, payload []byte) error
}

var scenarios = []scenario{
	{
		// A message goes out, and the next one only when its answer has come.
		name: "pingpong",
		peer: func(l *link, size, n int) error { return l.peer.Echo(l.peer.Frame(size), n) },
		step: func(c library.Conn, payload []byte) error {
			if err := c.Write(payload); err != nil {
				return err
			}
			return read(c, len(payload))
		},
	},
	{
		// The library writes as fast as it can, and the peer swallows what comes.
		name: "source",
		peer: func(l *link, _, n int) error { return l.peer.Swallow(n) },
		step: func(c library.Conn, payload []byte) error { return c.Write(payload) },
	},
	{
		// The peer floods, and the library reads messages as fast as it can.
		name: "sink",
		peer: func(l *link, size, n int) error { return l.peer.Flood(l.peer.Frame(size), n) },
		step: func(c library.Conn, payload []byte) error { return read(c, len(payload)) },
	},
}

// sizes are the messages' lengths in bytes.
var sizes = []struct {
	name  string
	bytes int
}{
	{"64B", 64},
	{"64KiB", 64 << 10},
}

func read(c library.Conn, size int) error {
	n, err := c.Read()
	if err == nil && n != size {
		return fmt.Errorf("read a message of %d bytes, not %d", n, size)
	}
	return err
}

func payload(size int) []byte { return bytes.Repeat([]byte{'x'}, size) }

// run sends n messages of the scenario over l. It returns when both sides have done their part: what was written
// has been read.
func (s scenario) run(l *link, size, n int) error {
	done := make(chan error, 1)
	go func() { done <- s.peer(l, size, n) }() // ends with its n messages, or with the link
	p := payload(size)
	for range n {
		if err := s.step(l.conn, p); err != nil {
			return err
		}
	}
	return <-done
}

// forEach runs f as a benchmark for each role, scenario and size.
func forEach(b *testing.B, f func(b *testing.B, open func(testing.TB, library.Library) opener, s scenario, size int)) {
	for _, role := range roles {
		for _, s := range scenarios {
			for _, size := range sizes {
				b.Run(fmt.Sprintf("%s/%s-%s", role.name, s.name, size.name), func(b *testing.B) {
					f(b, role.open, s, size.bytes)
				})
			}
		}
	}
}

// BenchmarkMessage measures one message of each scenario with each library. Allocations are the library's: the peer,
// in the same process, makes none.
func BenchmarkMessage(b *testing.B) {
	forEach(b, func(b *testing.B, open func(testing.TB, library.Library) opener, s scenario, size int) {
		for _, lib := range library.All {
			b.Run(lib.Name, func(b *testing.B) {
				l := open(b, lib)()
				done := make(chan struct{})
				go func() { // ends with the link
					defer close(done)
					_ = s.peer(l, size, math.MaxInt)
				}()
				p := payload(size)
				b.ReportAllocs()
				b.SetBytes(int64(size))
				for b.Loop() {
					if err := s.step(l.conn, p); err != nil {
						b.Fatal(err)
					}
				}
				l.close()
				<-done
			})
		}
	})
}

func TestEveryLibraryDoesEveryScenario(t *testing.T) {
	for _, role := range roles {
		for _, s := range scenarios {
			for _, size := range sizes {
				for _, lib := range library.All {
					t.Run(fmt.Sprintf("%s/%s-%s/%s", role.name, s.name, size.name, lib.Name), func(t *testing.T) {
						l := role.open(t, lib)()
						defer l.close()
						require.NoError(t, s.run(l, size.bytes, 100))
					})
				}
			}
		}
	}
}
