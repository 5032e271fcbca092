//go:build linux && (amd64 || arm64)

package wire

import (
	"math"
	"net"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// onTheHeap returns how many bytes of the heap each result of create takes: its size, rounded up to
// a size class of the allocator.
func onTheHeap(create func() any) int {
	const n = 1000
	all := make([]any, n)
	least := math.MaxInt
	for range 5 { // goroutines of other tests may allocate meanwhile
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for i := range all {
			all[i] = create()
		}
		runtime.ReadMemStats(&after)
		least = min(least, int(after.TotalAlloc-before.TotalAlloc)/n)
	}
	runtime.KeepAlive(all)
	return least
}

func TestSizeOfAConnIsAsDocumented(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	nc, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	defer nc.Close()

	c := &Conn{nc: nc}
	engine := onTheHeap(func() any { return new(Conn) })
	t.Logf("wire.Conn has %d bytes, and takes %d", unsafe.Sizeof(Conn{}), engine)
	documented(t, "the engine", engine)
	documented(t, "the socket", onTheHeap(func() any { return newPollable(c) }))
}

// documented checks that docs/memory.md says what a part of a connection takes.
func documented(t *testing.T, part string, takes int) {
	t.Helper()
	page, err := os.ReadFile("../../docs/memory.md")
	require.NoError(t, err)
	says := regexp.MustCompile(`([0-9,]+) bytes for\s+` + part).FindSubmatch(page)
	require.NotNil(t, says, "docs/memory.md says nothing about %s", part)
	bytes, err := strconv.Atoi(strings.ReplaceAll(string(says[1]), ",", ""))
	require.NoError(t, err)
	require.Equal(
		t,
		bytes,
		takes,
		"%s takes %d bytes of the heap, by the size class of the allocator that it fits into, "+
			"and docs/memory.md says %d. Correct the page, or make the part smaller: one byte beyond a class costs each "+
			"connection the whole next class.",
		part,
		takes,
		bytes,
	)
}
