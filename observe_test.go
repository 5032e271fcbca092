package wsstream

import (
	"io"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestClosedSettlesAfterTheMeterHasCounted(t *testing.T) {
	var m Meter
	o, err := common{Meter: &m}.check(true)
	require.NoError(t, err)
	c := newConn("", o)
	m.opened(c)
	m.mu.Lock() // the count has to wait
	go c.seen.end(c, &outcome{end: io.EOF})
	for range 10_000 {
		runtime.Gosched()
		_, _, settled := c.Closed().Peek()
		require.False(t, settled)
	}
	m.mu.Unlock()
	<-c.Closed().Done()
	require.EqualValues(t, 1, m.Totals().Clean)
}
