package soak

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// sides are the Records of a connection that the client has closed in order.
func sides() (c, s Record) {
	c = Record{ID: 1, Side: Client, Began: time.Second, Open: 2 * time.Second, Ended: time.Minute,
		Sent: 10, Tried: 11, Received: 5, Largest: 100, End: normal, Acts: []Act{ActClose},
		Windows: smallWindow, HeldIn: smallWindow, HeldOut: smallWindow}
	s = Record{ID: 1, Side: Server, Began: time.Second, Open: 2 * time.Second, Ended: time.Minute,
		Sent: 5, Tried: 5, Received: 10, Largest: 100, End: normal,
		Windows: smallWindow, HeldIn: smallWindow, HeldOut: smallWindow}
	return c, s
}

func TestLedgerFindsABreachOfEachRule(t *testing.T) {
	restart := []window{{From: time.Second, To: 2 * time.Second}}
	for name, tc := range map[string]struct {
		windows []window
		change  func(c, s *Record)
		says    string // empty: no fault
	}{
		"nothing": {change: func(*Record, *Record) {}},
		"the Write that failed may have been sent": {
			change: func(_, s *Record) { s.Received = 11 },
		},
		"a message that was not written": {
			change: func(_, s *Record) { s.Received = 12 },
			says:   "received 12 messages, and only 11 were written",
		},
		"a message lost before a clean end": {
			change: func(_, s *Record) { s.Received = 9 },
			says:   "the server received 9 messages and a clean end, and 10 were accepted",
		},
		"a message lost after the sender's clean close": {
			change: func(_, s *Record) { s.Received, s.End = 9, lost },
			says:   "the client sent 10 messages and had a clean end, and 9 arrived",
		},
		"a message lost because of a cut": {
			change: func(c, s *Record) {
				s.Received, c.End, s.End, c.Acts = 9, lost, lost, []Act{ActReset}
			},
		},
		"messages that an Abort drops": {
			change: func(c, s *Record) {
				c.Received, c.End, s.End = 3, failed, aborted
				c.Acts, s.Acts = nil, []Act{ActServerAbort}
			},
		},
		"messages that a CloseNow drops": {
			change: func(c, s *Record) {
				c.Received, c.End, s.End = 3, goes, goes
				c.Acts, s.Acts = []Act{ActCloseNow}, []Act{ActShutdown}
			},
		},
		"an end without an act": {
			change: func(c, _ *Record) { c.Acts = nil },
			says:   "the acts [] do not explain it",
		},
		"an end of another act": {
			change: func(c, _ *Record) { c.End = lost },
			says:   `for the client it ended 1006 unclean, error, and the acts ["Close(1000)"]`,
		},
		"an io.EOF after a shutdown": {
			windows: restart,
			change: func(c, s *Record) {
				c.End, s.End = goes, End{Code: goes.Code, InOrder: true, EOF: true}
				c.Acts, s.Acts = nil, []Act{ActShutdown}
			},
			says: "for the server it ended 1001 in order, io.EOF",
		},
		"half a message before a Close": {
			change: func(c, s *Record) { c.Unfinished, s.End.EOF = true, false },
		},
		"a whole message before a Close": {
			change: func(_, s *Record) { s.End.EOF = false },
			says:   "for the server it ended 1000 in order, error",
		},
		"bytes unread above the windows": {
			change: func(_, s *Record) { s.HeldIn = 2*smallWindow + 1<<10 },
			says:   "bytes unread, more than",
		},
		"bytes unsent above the windows": {
			change: func(_, s *Record) { s.HeldOut = smallWindow + 1<<10 },
			says:   "bytes unsent, more than",
		},
		"a client that is back in time": {
			windows: restart,
			change:  func(c, _ *Record) { c.Away, c.Open = time.Second, 2*time.Second+mostAway },
		},
		"a client that is back late": {
			windows: restart,
			change:  func(c, _ *Record) { c.Away, c.Open = time.Second, 3*time.Second+mostAway },
			says:    "its client was back 2m8.5s after it could",
		},
		"a handshake that fails": {
			change: func(c, s *Record) {
				*c, s.End, s.Received = Record{ID: 1, Ended: time.Second}, lost, 0
			},
			says: "the handshake failed, and no act explains it",
		},
		"a handshake that fails because of a restart": {
			windows: restart,
			change: func(c, s *Record) {
				*c, s.End, s.Received = Record{ID: 1, Ended: time.Second}, lost, 0
			},
		},
		"a connection that only the server had": {
			change: func(c, _ *Record) { c.ID = 2 },
			says:   "connection 1: the server had it, and no client",
		},
		"a connection that only the client had": {
			change: func(c, _ *Record) { c.ID, c.Acts = 2, nil },
			says:   "connection 2: the client had it, and the server did not",
		},
		"a fault that a side has found": {
			change: func(c, _ *Record) { c.Faults = []string{"message 3 has a wrong checksum"} },
			says:   "connection 1, the client: message 3 has a wrong checksum",
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := NewLedger()
			c, s := sides()
			tc.change(&c, &s)
			l.Add(tc.windows, []Record{c})
			l.Add(tc.windows, []Record{s})
			l.Close()
			if tc.says == "" {
				require.Zero(t, l.Broken, sprint(l))
				return
			}
			requireFault(t, l, tc.says)
		})
	}
}
