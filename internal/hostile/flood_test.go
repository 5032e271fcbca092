package hostile

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
)

// rounds calls send for every round of an attack of a million frames that stays just below the
// limit: maxRow frames, and then a pause of more than a second.
func rounds(send func()) (frames int) {
	for range million / maxRow {
		send()
		frames += maxRow
		<-time.After(time.Second + time.Millisecond)
	}
	return frames
}

// drains drops all that the victim sends, as the peer. It returns how many bytes came, once the
// transport has ended.
func (v *victim) drains() <-chan int64 {
	done := make(chan int64, 1)
	go func() { // ends with the transport
		n, _ := io.Copy(io.Discard, v.far)
		done <- n
	}()
	return done
}

func TestFramesWithoutDataBelowTheFloodLimitHoldNothing(t *testing.T) {
	long := strings.Repeat("x", 125)
	for name, tc := range map[string]struct {
		begin, frame wstest.Frame
		silent       bool // the peer does not read
	}{
		"pings":                             {frame: wstest.Ping("")},
		"long pings":                        {frame: wstest.Ping(long)},
		"pings of a peer that never reads":  {frame: wstest.Ping(long), silent: true},
		"pongs":                             {frame: wstest.Pong("")},
		"long pongs":                        {frame: wstest.Pong(long)},
		"empty fragments":                   {wstest.Text("x").Part(), wstest.Cont(nil, false), false},
		"pings inside a message":            {wstest.Text("x").Part(), wstest.Ping(""), false},
		"pings in a message of no payload":  {wstest.Text("").Part(), wstest.Ping(""), false},
		"empty fragments behind an empty 1": {wstest.Text("").Part(), wstest.Cont(nil, false), false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := attacked(t, nil)
				if tc.begin.Op != 0 {
					v.peer.Send(tc.begin)
					<-time.After(2 * time.Second)                              // an empty one is the first of a row
					go func() { _, _ = v.conn.Readable().Pull(t.Context()) }() // ends with the connection
				}
				var answered <-chan int64
				if !tc.silent {
					answered = v.drains()
				}
				row := bytes.Repeat(v.peer.Encode(tc.frame), maxRow)
				frames := 0
				objects, _ := allocated(func() {
					frames = rounds(func() { require.NoError(t, <-v.floods(row, 1)) })
				})
				stats := v.conn.Stats()
				require.Less(t, objects, frames/5, "objects")
				require.LessOrEqual(t, stats.Received.HeldMax, int64(readBuffer))
				require.LessOrEqual(t, stats.Sent.HeldMax, int64(8<<10), "pongs")
				require.Less(t, v.near.reads.Load(), int64(frames/5), "reads")
				require.Less(t, v.near.writes.Load(), int64(frames/5), "writes")
				v.conn.CloseNow()
				if answered != nil {
					require.LessOrEqual(t, <-answered, int64(frames*(2+len(tc.frame.Payload)))+4,
						"a pong is no longer than its ping")
				}
			})
		})
	}
}

func TestFramesWithoutDataAboveTheFloodLimitEndIt(t *testing.T) {
	for name, frame := range map[string]wstest.Frame{
		"pings":           wstest.Ping(""),
		"pongs":           wstest.Pong(""),
		"empty fragments": wstest.Cont(nil, false),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := attacked(t, &wsstream.AcceptOptions{ReadWindow: 256 << 10})
				start := time.Now()
				v.conn.Readable().Discard() // so that nothing is held, and the first row passes
				if !frame.Op.IsControl() {
					v.peer.Send(wstest.Text("x").Part())
				}
				row := bytes.Repeat(v.peer.Encode(frame), maxRow)
				answered := v.drains()
				require.NoError(t, <-v.floods(row, 1))
				<-time.After(990 * time.Millisecond)
				require.NoError(t, <-v.floods(row[:len(row)/maxRow], 1))
				require.ErrorContains(t, v.closed(t), "1008")
				<-answered
				took(t, 990*time.Millisecond+wsstream.DefaultCloseTimeout, start, "the peer does not hang up")
			})
		})
	}
}

func TestMessagesOfAByteCostNoMoreThanTheirCredit(t *testing.T) {
	var m wsstream.Message
	for name, read := range map[string]func(v *victim, n int) error{
		"PullInto": func(v *victim, n int) error {
			for range n {
				if err := v.conn.Readable().PullInto(v.conn.Context(), &m); err != nil {
					return err
				}
			}
			return nil
		},
		"Discard": func(v *victim, _ int) error { v.conn.Readable().Discard(); return nil },
		"no call": func(*victim, int) error { return nil },
	} {
		for _, payload := range []string{"", "x"} {
			t.Run(fmt.Sprintf("%s/%d bytes", name, len(payload)), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					v := attacked(t, nil)
					frame := v.peer.Encode(wstest.Binary([]byte(payload)))
					row := bytes.Repeat(frame, 1000)
					objects, _ := allocated(func() {
						flooded := v.floods(row, million/1000)
						require.NoError(t, read(v, million))
						<-time.After(time.Hour) // no CPU is used while the peer waits
						if name == "no call" {
							v.conn.CloseNow()
						}
						require.Equal(t, name == "no call", <-flooded != nil)
					})
					require.LessOrEqual(t, v.conn.Stats().Received.HeldMax,
						int64(wsstream.DefaultReadWindow+readBuffer))
					require.Less(t, objects, million/10, "objects")
					require.Less(t, v.near.reads.Load(), int64(million/20), "reads")
				})
			})
		}
	}
}

func TestFragmentsThatNeverEndAreLimited(t *testing.T) {
	const limit = 32 << 10 // MaxMessageSize
	for name, tc := range map[string]struct {
		read func(v *victim) error
		code string // of the Close frame that the peer gets; "": the peer has to wait, or goes on
		held int64
	}{
		"no call": {func(*victim) error { return nil }, "", wsstream.DefaultReadWindow + readBuffer},
		"Pull": {func(v *victim) error {
			_, err := v.conn.Readable().Pull(v.conn.Context())
			return err
		}, "1009", wsstream.DefaultReadWindow + readBuffer},
		"NextMessage": {func(v *victim) error {
			m, err := v.conn.Readable().NextMessage(v.conn.Context())
			if err == nil {
				_, err = io.Copy(io.Discard, m)
			}
			return err
		}, "", wsstream.DefaultReadWindow + readBuffer},
		"a reader that is closed": {func(v *victim) error {
			m, err := v.conn.Readable().NextMessage(v.conn.Context())
			if err == nil {
				_ = m.Close()
				_, err = v.conn.Readable().Pull(v.conn.Context())
			}
			return err
		}, "", wsstream.DefaultReadWindow + readBuffer},
	} {
		for _, ping := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/a ping in each gap: %v", name, ping), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					v := attacked(t, &wsstream.AcceptOptions{MaxMessageSize: limit})
					answered := v.drains()
					gap := v.peer.Encode(wstest.Cont([]byte("x"), false))
					if ping {
						gap = append(gap, v.peer.Encode(wstest.Ping(""))...)
					}
					v.peer.Send(wstest.Text("").Part())
					read := make(chan error, 1)
					objects, _ := allocated(func() {
						flooded := v.floods(bytes.Repeat(gap, 1000), million/1000)
						go func() { read <- tc.read(v) }() // ends with the connection
						<-time.After(time.Hour)
						select {
						case err := <-flooded:
							require.NotEqual(t, "no call", name)
							require.NoError(t, err, "what follows a failure is read and dropped")
						default:
							require.Equal(t, "no call", name, "only a full window makes the peer wait")
						}
					})
					require.LessOrEqual(t, v.conn.Stats().Received.HeldMax, tc.held)
					require.LessOrEqual(t, v.conn.Stats().Sent.HeldMax, int64(8<<10), "pongs")
					require.Less(t, objects, million/10, "objects")
					if tc.code != "" {
						err := <-read
						require.ErrorContains(t, err, "we closed with "+tc.code)
						require.ErrorContains(t, err, "MaxMessageSize")
					}
					v.conn.CloseNow()
					require.LessOrEqual(t, <-answered, int64(2*million+200))
				})
			})
		}
	}
}

func TestDataBehindAFailureIsReadAndDroppedForCloseTimeout(t *testing.T) {
	for name, bad := range map[string]wstest.Frame{
		"a breach":     {Fin: true, Op: 3},
		"bad UTF-8":    wstest.Text("\xff"),
		"a large one":  wstest.Binary(make([]byte, 1001)),
		"a bad Close":  wstest.Close(999, ""),
		"an odd Close": {Fin: true, Op: wstest.OpClose, Payload: []byte{3}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := attacked(t, &wsstream.AcceptOptions{MaxMessageSize: 1000, CloseTimeout: 3 * time.Second})
				start := time.Now()
				v.far.Drip(64<<10, 10*time.Millisecond)
				v.peer.Send(bad)
				answered := v.drains()
				flooded := v.floods(v.peer.Encode(wstest.Binary(make([]byte, 1000))), 1<<30)
				objects, _ := allocated(func() {
					_, err := v.conn.Readable().Pull(t.Context())
					require.ErrorContains(t, err, "we closed with")
				})
				require.LessOrEqual(t, time.Since(start), 3*time.Second+20*time.Millisecond)
				require.Error(t, <-flooded)
				require.Less(t, <-answered, int64(200))
				require.LessOrEqual(t, v.conn.Stats().Received.HeldMax, int64(wsstream.DefaultReadWindow+readBuffer))
				require.Less(t, objects, 3000)
				require.LessOrEqual(t, v.near.reads.Load(), int64(3*100*2+10), "a read or two for each drip")
			})
		})
	}
}

func TestDataBehindACloseIsNotRead(t *testing.T) {
	for name, behind := range map[string]wstest.Frame{
		"Closes":   wstest.Close(1000, strings.Repeat("x", 100)),
		"data":     wstest.Binary(make([]byte, 100)),
		"pings":    wstest.Ping(""),
		"a breach": {Fin: true, Op: 0xb},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := attacked(t, nil)
				start := time.Now()
				raw := append(v.peer.Encode(wstest.Close(1000, "")),
					bytes.Repeat(v.peer.Encode(behind), 1000)...)
				answered := v.drains()
				flooded := v.floods(raw, million)
				_, err := v.conn.Readable().Pull(t.Context())
				require.Equal(t, io.EOF, err)
				require.NoError(t, v.closed(t))
				took(t, 0, start, "the server does not wait for a peer that goes on")
				require.Error(t, <-flooded)
				require.Equal(t, int64(4), <-answered, "one Close of four bytes is the answer")
				require.LessOrEqual(t, v.near.reads.Load(), int64(20))
			})
		})
	}
}
