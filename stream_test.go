package wsstream_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/internal/pipes"
	"github.com/wsstream/wsstream/stream"
	"github.com/wsstream/wsstream/wstest"
)

// These tests check that a Conn is a source, a sink and a duplex for package stream.

func TestBytesCountsMessagesByTheirData(t *testing.T) {
	q := stream.NewQueueOf(wsstream.Bytes(10))
	for _, step := range []struct {
		m    wsstream.Message
		left int
	}{
		{wsstream.Text("four"), 6},
		{wsstream.Binary(nil), 5},
		{wsstream.Text("sixsix").Prepare(), -1},
	} {
		ok, err := q.TryWrite(step.m)
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, step.left, q.DesiredSize())
	}
	ok, err := q.TryWrite(wsstream.Text(""))
	require.NoError(t, err)
	require.False(t, ok)
}

// A relayed is a client and a server with a relay between them:
//
//	client — near ⇄ far — server
type relayed struct {
	client, near, far, server *wsstream.Conn
	end                       chan error        // what Join returned
	cut                       func(cause error) // ends the relay's context
	nearPair, farPair         *wstest.Duo       // the transports
}

// relay joins two pairs. It is called in a bubble.
func relay(t *testing.T, o *wstest.PairOptions) *relayed { return relayOf(t, o, o) }

func relayOf(t *testing.T, near, far *wstest.PairOptions) *relayed {
	a, b := wstest.Pair(t, near), wstest.Pair(t, far)
	ctx, cut := withCause(t)
	r := &relayed{
		client: a.Client, near: a.Server, far: b.Client, server: b.Server,
		end: make(chan error, 1), cut: cut, nearPair: a, farPair: b,
	}
	// Ends with the connections, or cut.
	go func() { r.end <- stream.Join(ctx, r.near.Duplex(), r.far.Duplex()) }()
	return r
}

func TestRelayWithJoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := relay(t, nil)
		for i := range 100 {
			there, back := fmt.Sprint("there ", i), wsstream.Binary([]byte{byte(i)})
			send(t, r.client, there)
			m, err := r.server.Readable().Pull(t.Context())
			require.NoError(t, err)
			require.Equal(t, wsstream.Text(there), m)
			require.NoError(t, r.server.Writable().Write(t.Context(), back))
			m, err = r.client.Readable().Pull(t.Context())
			require.NoError(t, err)
			require.Equal(t, back, m, "the type too")
		}
	})
}

func TestRelayEndsWithEitherSide(t *testing.T) {
	leave := map[string]func(t *testing.T, c *wsstream.Conn){
		"closes": func(t *testing.T, c *wsstream.Conn) {
			require.NoError(t, c.Close(wsstream.CloseInfo{Code: 1000}))
		},
		"shuts down": func(t *testing.T, c *wsstream.Conn) {
			require.NoError(t, c.Shutdown(t.Context(), wsstream.CloseInfo{Code: 1000}))
		},
		"closes its writable": func(t *testing.T, c *wsstream.Conn) {
			require.NoError(t, c.Writable().Close(t.Context()))
		},
		"cancels its readable": func(t *testing.T, c *wsstream.Conn) {
			require.NoError(t, c.Readable().Cancel(nil))
		},
	}
	for _, side := range []string{"client", "server"} {
		for name, leave := range leave {
			t.Run("the "+side+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := relay(t, nil)
					leaves, stays := r.client, r.server
					if side == "server" {
						leaves, stays = stays, leaves
					}
					send(t, leaves, "last")
					m, err := stays.Readable().Pull(t.Context())
					require.NoError(t, err)
					require.Equal(t, "last", string(m.Data))
					leave(t, leaves)
					require.NoError(t, <-r.end)
					_, err = stays.Readable().Pull(t.Context())
					require.Equal(t, io.EOF, err)
					for _, c := range []*wsstream.Conn{leaves, stays, r.near, r.far} {
						_, err := c.Closed().Wait(t.Context())
						require.NoError(t, err)
					}
				})
			})
		}
	}
}

// A leaving is how one side of a relay ends, and how that looks from the other side.
type leaving struct {
	leave func(ctx context.Context, c *wsstream.Conn) error
	code  int // that the other side gets
	why   string
	whole bool // all that was written before arrives
}

// leavings are all ends that a side has. io.EOF is passed on as 1000, a code with its reason, a
// loss as 1011.
var leavings = map[string]leaving{
	"1000":    {closes(1000, "done"), 1000, "", true},
	"no code": {closes(0, ""), 1000, "", true},
	"1001":    {closes(1001, "away"), 1001, "away", true},
	"1003":    {closes(1003, ""), 1003, "", true},
	"1011":    {closes(1011, "broken"), 1011, "broken", true},
	"1012":    {closes(1012, "restart"), 1012, "restart", true},
	"1013":    {closes(1013, "later"), 1013, "later", true},
	"1014":    {closes(1014, "gateway"), 1014, "gateway", true},
	"3000":    {closes(3000, "log in"), 3000, "log in", true},
	"4002, the longest reason": {
		closes(4002, strings.Repeat("x", 123)),
		4002,
		strings.Repeat("x", 123),
		true,
	},
	"shut down": {func(ctx context.Context, c *wsstream.Conn) error {
		return c.Shutdown(ctx, wsstream.CloseInfo{Code: 4003})
	}, 4003, "", true},
	"Writable.Close": {
		func(ctx context.Context, c *wsstream.Conn) error { return c.Writable().Close(ctx) },
		1000,
		"",
		true,
	},
	"Readable.Cancel": {
		func(_ context.Context, c *wsstream.Conn) error { return c.Readable().Cancel(nil) },
		1000,
		"",
		true,
	},
	"a failure": {
		func(ctx context.Context, c *wsstream.Conn) error { return c.Writable().Fail(ctx, errDisk) },
		1011,
		"",
		true,
	},
	"a failure with a code": {func(ctx context.Context, c *wsstream.Conn) error {
		return c.Writable().Fail(ctx, coded)
	}, 4010, "no quota", true},
	"an abort": {
		func(_ context.Context, c *wsstream.Conn) error { return c.Writable().Abort(errDisk) },
		1011,
		"",
		false,
	},
	"a loss": {
		func(_ context.Context, c *wsstream.Conn) error { c.CloseNow(); return nil },
		1011,
		"",
		false,
	},
	"a Close in half a message": {halfAMessage, 1011, "", true},
}

var (
	errDisk = errors.New("disk failed")
	coded   = &wsstream.Error{CloseInfo: wsstream.CloseInfo{Code: 4010, Reason: "no quota"}}
)

func closes(code int, reason string) func(context.Context, *wsstream.Conn) error {
	return func(_ context.Context, c *wsstream.Conn) error {
		return c.Close(wsstream.CloseInfo{Code: code, Reason: reason})
	}
}

func halfAMessage(ctx context.Context, c *wsstream.Conn) error {
	w, err := c.Writable().NewMessage(ctx, wsstream.TypeText)
	if err != nil {
		return err
	}
	if _, err = w.Write([]byte("not all")); err != nil {
		return err
	}
	return c.Close(wsstream.CloseInfo{Code: 1000})
}

// TestRelayPassesEveryEndOnAndLosesNothing has each end, from each side. The windows of the relay
// and of the others are small or large. The side that stays is slow: it takes longer than
// CloseTimeout for what the other has left. Before the end both say what they have.
func TestRelayPassesEveryEndOnAndLosesNothing(t *testing.T) {
	for name, end := range leavings {
		for _, window := range []struct{ relay, others int }{
			{256, 256}, {64 << 20, 64 << 20}, {64 << 20, 256}, {256, 64 << 20},
		} {
			for _, side := range []string{"client", "server"} {
				t.Run(fmt.Sprintf("%s/windows of %v/from the %s", name, window, side), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						relays, others := wsstream.DialOptions{ReadWindow: window.relay, WriteWindow: window.relay},
							wsstream.DialOptions{ReadWindow: window.others, WriteWindow: window.others}
						r := relayOf(t,
							&wstest.PairOptions{Dial: &others, Accept: accepting(relays), Limit: 512},
							&wstest.PairOptions{Dial: &relays, Accept: accepting(others), Limit: 512})
						leaves, stays := r.client, r.server
						if side == "server" {
							leaves, stays = stays, leaves
						}
						passesOn(t, r, leaves, stays, end, 40*time.Millisecond)
					})
				})
			}
		}
	}
}

func accepting(o wsstream.DialOptions) *wsstream.AcceptOptions {
	return &wsstream.AcceptOptions{ReadWindow: o.ReadWindow, WriteWindow: o.WriteWindow}
}

func TestRelayOverTCPPassesEndsOnAndLosesNothing(t *testing.T) {
	for _, name := range []string{
		"1000", "1001", "4002, the longest reason", "a failure with a code",
	} {
		for _, window := range []int{256, 64 << 20} {
			for _, flip := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/windows of %d/flipped %t", name, window, flip), func(t *testing.T) {
					o := wsstream.DialOptions{ReadWindow: window, WriteWindow: window}
					client, near := overSocket(t, o)
					far, server := overSocket(t, o)
					r := &relayed{end: make(chan error, 1)}
					go func() { r.end <- stream.Join(t.Context(), near.Duplex(), far.Duplex()) }()
					if flip {
						client, server = server, client
					}
					passesOn(t, r, client, server, leavings[name], 0)
				})
			}
		}
	}
}

// overSocket returns two Conns that are connected over TCP.
func overSocket(t *testing.T, o wsstream.DialOptions) (client, server *wsstream.Conn) {
	near, far := pipes.TCP(t, 0)
	o.NetDial = func(context.Context, string, string) (net.Conn, error) { return near, nil }
	client = wsstream.Dial(t.Context(), "ws://example.test/", &o)
	server, err := wsstream.AcceptConn(t.Context(), far, accepting(o))
	require.NoError(t, err)
	t.Cleanup(func() {
		for _, c := range []*wsstream.Conn{client, server} {
			c.CloseNow()
			<-c.Closed().Done()
		}
	})
	return client, server
}

func passesOn(
	t *testing.T,
	r *relayed,
	leaves, stays *wsstream.Conn,
	end leaving,
	pause time.Duration,
) {
	const n = 300
	heard := make(chan int)
	go func() { heard <- hears(t, leaves, n, 0) }()
	for _, c := range []*wsstream.Conn{leaves, stays} {
		// A message that it does not write is missed by the other.
		go func() { _ = says(t.Context(), c, n) }()
	}
	require.Equal(t, n, hears(t, stays, n, 0))
	require.Equal(t, n, <-heard)

	left := make(chan error, 1)
	go func() {
		err := says(t.Context(), leaves, n) // the last words, for a side that is slow
		leaves.Readable().Discard()
		left <- errors.Join(err, end.leave(t.Context(), leaves))
	}()
	got := hears(t, stays, n, pause)
	if end.whole {
		require.Equal(t, n, got)
	}
	_, err := stays.Readable().Pull(t.Context())
	require.NoError(t, <-left)
	if end.code == 1000 {
		require.Equal(t, io.EOF, err)
		require.NoError(t, <-r.end)
	} else {
		require.Equal(t, end.code, wsstream.CloseCode(err), err)
		require.Error(t, <-r.end)
	}
	info, err := stays.Closed().Wait(t.Context())
	require.NoError(t, err, "for the side that stays it was a closing handshake")
	require.Equal(t, wsstream.CloseInfo{Code: end.code, Reason: end.why}, info)
}

// says writes the numbers below n, and hears counts those that come in order until there are n or
// the end.
func says(ctx context.Context, c *wsstream.Conn, n int) error {
	for i := range n {
		if err := c.Writable().Write(ctx, wsstream.Text(fmt.Sprint("message ", i))); err != nil {
			return err
		}
	}
	return nil
}

func hears(t *testing.T, c *wsstream.Conn, n int, pause time.Duration) int {
	for i := range n {
		if pause > 0 {
			<-time.After(pause)
		}
		m, err := c.Readable().Pull(t.Context())
		if err != nil {
			return i
		}
		if string(m.Data) != fmt.Sprint("message ", i) {
			return -1
		}
	}
	return n
}

func TestRelayThatIsCutOnOneSideFailsOnTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := relay(t, nil)
		r.client.CloseNow()
		err := <-r.end
		lost, ok := errors.AsType[*wsstream.Error](err)
		require.True(t, ok, err)
		require.Equal(t, 1006, lost.Code)
		info, err := r.server.Closed().Wait(t.Context())
		require.NoError(t, err, "1006 is never on the wire")
		require.Equal(t, 1011, info.Code)
	})
}

func TestRelayClosesBothSidesWithTheCodeOfItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := relay(t, nil)
		cause := &wsstream.Error{CloseInfo: wsstream.CloseInfo{Code: 1001, Reason: "restart"}}
		r.cut(cause)
		require.Equal(t, error(cause), <-r.end)
		for _, c := range []*wsstream.Conn{r.client, r.server} {
			info, err := c.Closed().Wait(t.Context())
			require.NoError(t, err)
			require.Equal(t, cause.CloseInfo, info)
		}
	})
}

// TestRelayHoldsItsWindowsAndOneMessage: the server pulls nothing.
func TestRelayHoldsItsWindowsAndOneMessage(t *testing.T) {
	const window, size = 4096, 1000
	synctest.Test(t, func(t *testing.T) {
		r := relay(t, &wstest.PairOptions{
			Dial:   &wsstream.DialOptions{ReadWindow: window, WriteWindow: window},
			Accept: &wsstream.AcceptOptions{ReadWindow: window, WriteWindow: window},
			Limit:  window,
		})
		m, sent := wsstream.Text(strings.Repeat("x", size)), 0
		for { // until nothing moves any more: the server pulls nothing
			ok, err := r.client.Writable().TryWrite(m)
			require.NoError(t, err)
			if ok {
				sent++
				continue
			}
			synctest.Wait()
			if r.client.Writable().DesiredSize() <= 0 {
				break
			}
		}
		require.Less(t, sent*size, 4*window+2*window+5*(size+100)+4096,
			"four windows, two transports, and a message each")
		for _, f := range []wsstream.Flow{r.near.Stats().Received, r.far.Stats().Sent} {
			require.Positive(t, f.HeldMax)
			require.LessOrEqual(t, f.HeldMax, int64(window+size+100+4096),
				"the window, one message and a read buffer")
		}
		for range sent {
			got, err := r.server.Readable().Pull(t.Context())
			require.NoError(t, err)
			require.Len(t, got.Data, size)
		}
	})
}

func TestPipeFromOneConnToAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.Pair(t, nil), wstest.Pair(t, nil)
		send(t, a.Client, "short", strings.Repeat("long", 10_000), "", "end")
		require.NoError(t, a.Client.Close(wsstream.CloseInfo{Code: 1000}))
		piped := make(chan error, 1)
		// Ends with a.
		go func() { piped <- stream.Pipe(t.Context(), b.Client.Writable(), a.Server.Readable(), nil) }()
		got, err := stream.Collect(t.Context(), b.Server.Readable())
		require.NoError(t, err, "the end is passed on")
		require.NoError(t, <-piped)
		var texts []string
		for _, m := range got {
			texts = append(texts, string(m.Data))
		}
		require.Equal(t, []string{"short", strings.Repeat("long", 10_000), "", "end"}, texts,
			"though the memory was used again")
	})
}

// TestPipeNoticesALostDestination: the source is silent meanwhile.
func TestPipeNoticesALostDestination(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.Pair(t, nil), wstest.Pair(t, nil)
		piped := make(chan error, 1)
		// Ends with b.
		go func() { piped <- stream.Pipe(t.Context(), b.Client.Writable(), a.Server.Readable(), nil) }()
		synctest.Wait()
		b.Server.CloseNow()
		_, ok := errors.AsType[*wsstream.Error](<-piped)
		require.True(t, ok)
		_, err := a.Client.Closed().Wait(t.Context())
		require.NoError(t, err, "the source is cancelled, and so closed in order")
	})
}

func TestBatchNowTakesTheMessagesThatHaveCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := wstest.Pair(t, nil)
		batches := stream.BatchNow(d.Client.Readable(), stream.Count(9))
		for _, text := range []string{"a", "b", "c"} {
			require.NoError(t, d.Server.Writable().Write(t.Context(), wsstream.Text(text)))
		}
		synctest.Wait()
		burst, err := batches.Pull(t.Context())
		require.NoError(t, err)
		require.Len(t, burst, 3)
		require.NoError(t, d.Server.Writable().Write(t.Context(), wsstream.Text("d")))
		later, err := batches.Pull(t.Context())
		require.NoError(t, err)
		require.Len(t, later, 1)
	})
}

func TestFeedNoticesTheEndOfItsConnWhileNothingIsPublished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := wstest.Pair(t, nil)
		room := stream.NewBroadcast[wsstream.Message](nil)
		sub := stream.Subscribe(room, stream.Count(1), stream.Block())
		fed := sub.Feed(d.Server.Context(), d.Server.Writable(), nil)
		require.NoError(t, room.Publish(t.Context(), wsstream.Text("hi")))
		m, err := d.Client.Readable().Pull(t.Context())
		require.NoError(t, err)
		require.Equal(t, "hi", string(m.Data))
		require.NoError(t, d.Client.Writable().Close(t.Context()))
		synctest.Wait()
		moved, err, settled := fed.Peek()
		require.True(t, settled)
		require.ErrorIs(t, err, wsstream.ErrClosed)
		require.EqualValues(t, 1, moved)
		require.Zero(t, room.Len())
	})
}

// TestFeedsOfManyConnsDeliverAllInOrder has a room over TCP with members that read, one that reads
// late, and one that does not read.
func TestFeedsOfManyConnsDeliverAllInOrder(t *testing.T) {
	const members, messages, late, stopped = 6, 2000, 0, 1
	room := stream.NewBroadcast[wsstream.Message](nil)
	var clients []*wsstream.Conn
	var feeds []*stream.Future[int64]
	var subs []*stream.Subscription[wsstream.Message]
	for i := range members {
		near, far := pipes.TCP(t, 64<<10)
		client, server := conns(t, config{}, near, far)
		var sub *stream.Subscription[wsstream.Message]
		if i == stopped {
			sub = stream.Subscribe(room, stream.Count(4), stream.DropOldest())
		} else {
			sub = stream.Subscribe(room, stream.Count(4), stream.Block())
		}
		clients, subs = append(clients, client), append(subs, sub)
		feeds = append(feeds, sub.Feed(server.Context(), server.Writable(), nil))
	}
	results := make(chan error, members)
	begin := make(chan struct{})
	for i, c := range clients {
		if i == stopped {
			continue
		}
		go func() { // ends with the room
			if i == late {
				<-begin
			}
			for n := 0; ; n++ {
				m, err := c.Readable().Pull(t.Context())
				if err == io.EOF && n == messages {
					results <- nil
					return
				}
				if err == nil && !strings.HasPrefix(string(m.Data), fmt.Sprintf("%d ", n)) {
					err = fmt.Errorf("%.10q in place of %d", m.Data, n)
				}
				if err != nil {
					results <- fmt.Errorf("member %d, message %d: %w", i, n, err)
					return
				}
			}
		}()
	}
	pad := strings.Repeat("x", 4000)
	for n := range messages {
		if n == 10 {
			close(begin)
		}
		text := wsstream.Text(fmt.Sprintf("%d %s", n, pad[:n%len(pad)])).Prepare()
		require.NoError(t, room.Publish(t.Context(), text))
	}
	require.NoError(t, room.Close(t.Context()))
	for range members - 1 {
		require.NoError(t, <-results)
	}
	clients[stopped].CloseNow()
	for i, f := range feeds {
		moved, err := f.Wait(t.Context())
		if i == stopped {
			require.NotZero(t, subs[i].Dropped())
			require.InDelta(t, messages, moved+subs[i].Dropped(), 4, "but for those it held")
			continue
		}
		require.NoError(t, err)
		require.EqualValues(t, messages, moved)
	}
}
