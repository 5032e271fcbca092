package wire

import (
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"
)

func TestTryWriteToOneConnAfterTheOtherLeavesItToTheSenders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var conns [4]*Conn
		var valves [4]*valve
		for i := range conns {
			conns[i], valves[i] = valved(t, Config{})
			valves[i].set(func() { valves[i].room = all })
		}
		valves[3].set(func() { valves[3].room = 3 })
		conns[2].flags.set(answersNow)
		sent := func() (n [4]int) {
			for i, v := range valves {
				v.set(func() { n[i] = len(v.wire) })
			}
			return n
		}
		<-time.After(lull)
		senders.hold(1 << 20) // no sender starts
		for range 2 {
			for _, c := range conns {
				ok, err := c.TryWrite(ws.OpText, make([]byte, 8), false)
				require.NoError(t, err)
				require.True(t, ok)
			}
		}
		require.Equal(t, [4]int{10, 0, 10, 0}, sent(), "the lone message, and the answer")
		<-time.After(crowded)
		require.False(t, conns[1].gathersLocked(), "all was silent for a lull")
		ok, err := conns[1].TryWrite(ws.OpText, make([]byte, 8), false)
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, [4]int{10, 0, 10, 0}, sent(), "it is queued, and does not overtake")

		senders.hold(1)
		senders.send()
		require.Equal(t, [4]int{20, 30, 20, 3}, sent())
		require.Empty(t, senders.queue)
		require.Len(t, valves[3].let(all), 20, "the flusher waits for the rest")
		require.Zero(t, senders.senders)
	})
}

func TestARareMessageLeavesImmediatelyWhileTheSendersHaveEnoughToDo(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	synctest.Test(t, func(t *testing.T) {
		c, v := valved(t, Config{})
		v.set(func() { v.room = all })
		write := func() (sent bool) {
			senders.alone() // another Conn was written to
			ok, err := c.TryWrite(ws.OpText, make([]byte, 8), false)
			require.NoError(t, err)
			require.True(t, ok)
			v.set(func() { sent = len(v.wire) > 0; v.wire = nil })
			return sent
		}
		senders.hold(2)
		senders.fill(2 * perSender)
		<-time.After(rare)
		require.True(t, write())
		<-time.After(rare - 1)
		require.False(t, write(), "it is not rare")

		senders.send()
		senders.hold(2)
		senders.fill(2*perSender - 1)
		v.set(func() { v.wire = nil })
		<-time.After(rare)
		require.False(t, write(), "the senders have too little to do")
		senders.hold(1)
		senders.send()
	})
}

// fill puts n Conns into the queue that have nothing to send.
func (r *crowd) fill(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for range n {
		r.queue = append(r.queue, new(Conn))
	}
}

// hold sets the number of senders that run.
func (r *crowd) hold(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.senders = n
}

func TestAConnWithMoreToSendTakesItsTurnBehindTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, v := valved(t, Config{})
		b, _ := valved(t, Config{})
		v.set(func() { v.room = all })
		senders.hold(1 << 20)
		a.mu.Lock()
		for range maxVector + 1 { // more than one system call takes
			a.send.out.push(share([]byte{0x8a, 0}))
		}
		a.queueSendLocked()
		a.mu.Unlock()
		b.queueUpLocked()
		senders.first().sendQueued()
		require.Equal(t, []*Conn{b, a}, senders.queue[senders.next:])
		senders.hold(1)
		senders.send()
		require.Len(t, v.let(0), 2*(maxVector+1))
	})
}

func TestSendersStartAsTheirQueueGrows(t *testing.T) {
	var r crowd
	var all []*Conn
	starts := 0
	add := func(n int) {
		for range n {
			all = append(all, new(Conn))
			if r.queued(all[len(all)-1]) {
				starts++
			}
		}
	}
	add(perSender)
	require.Equal(t, 1, starts)
	add(1)
	require.Equal(t, min(2, runtime.GOMAXPROCS(0)), starts)
	add(10 * maxKeptQueue)
	require.Equal(t, runtime.GOMAXPROCS(0), starts)

	var got []*Conn
	for range len(all) - 5 {
		got = append(got, r.first())
	}
	add(3)
	for c := r.first(); c != nil; c = r.first() {
		got = append(got, c)
	}
	require.True(t, slices.Equal(all, got), "the order")
	for range starts - 1 {
		require.Nil(t, r.first())
	}
	require.Zero(t, r.senders)
	require.Nil(t, r.queue, "a long queue's memory is freed")
	require.Zero(t, r.next)
}

func TestSendersCountOnlyTheConnsThatWait(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	r := crowd{queue: make([]*Conn, 2*perSender), next: perSender + 1, senders: 1}
	require.False(t, r.queued(new(Conn)), "one sender is enough for these")
	require.True(t, r.queued(new(Conn)))
}
