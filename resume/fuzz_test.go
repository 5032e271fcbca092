package resume

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
)

// A naive is what a message of records says, as a slow reader understands it.
type naive struct {
	messages []wsstream.Message
	received uint64
	ack      status
	end      *wsstream.CloseInfo
	bad      bool
}

// readNaive reads a message of records. taken is a window of window bytes, and no message may be
// longer than limit.
func readNaive(b []byte, window uint64, limit int) (n naive) {
	bad := naive{bad: true}
	records, whole := 0, bytes.NewReader(b)
	for held := uint64(0); whole.Len() > 0; records++ {
		var header struct {
			Kind   byte
			Length uint32
		}
		if binary.Read(whole, binary.BigEndian, &header) != nil ||
			int64(header.Length) > int64(whole.Len()) {
			return bad
		}
		body := make([]byte, header.Length)
		_, _ = whole.Read(body)
		size := uint64(5 + len(body))
		switch header.Kind {
		case 1, 2:
			if n.end != nil || held >= window || len(body) > limit ||
				header.Kind == 1 && !utf8.Valid(body) {
				return bad
			}
			held += size
			n.received += size
			n.messages = append(n.messages,
				wsstream.Message{Type: wsstream.Type(header.Kind), Data: body})
		case 3:
			i := wsstream.CloseInfo{}
			if len(body) > 0 {
				if len(body) == 1 || len(body) > 125 || !utf8.Valid(body[2:]) {
					return bad
				}
				i.Code, i.Reason = int(body[0])<<8+int(body[1]), string(body[2:])
				if !sendable(i.Code) {
					return bad
				}
			}
			if n.end != nil {
				return bad
			}
			n.end = &i
			n.received += size
		case 4:
			if len(body) != 16 {
				return bad
			}
			received := binary.BigEndian.Uint64(body)
			taken := binary.BigEndian.Uint64(body[8:])
			if taken > received || received > 1<<53-1 {
				return bad
			}
			n.ack = status{max(n.ack.received, received), max(n.ack.taken, taken)}
		default:
			return bad
		}
	}
	if records == 0 || records > 1 && len(b) > 65536 {
		return bad
	}
	return n
}

// FuzzRecords reads any message as records, and compares with a slow reader. What is a greeting, an
// ACK or an END is encoded again as it was.
func FuzzRecords(f *testing.F) {
	text := append(appendHeader(nil, kindText, 2), "hi"...)
	end := appendEnd(nil, wsstream.CloseInfo{Code: 1000, Reason: "bye"})
	ack := status{received: 20, taken: 7}.ack().Data
	g := greeting{status: status{3, 2}, window: 1000, max: 100, id: newID(), welcome: true}
	for _, b := range [][]byte{
		nil, text, end, ack, g.encode(true).Data, g.encode(false).Data,
		appendEnd(nil, wsstream.CloseInfo{}),
		slices.Concat(text, ack, text, ack, end, ack), slices.Concat(end, text), text[:6],
		appendHeader(nil, kindBinary, maxBody), bytes.Repeat(appendHeader(nil, kindText, 0), 201),
		append(appendHeader(nil, kindText, 1), 0xff), slices.Concat(end, end),
	} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		const window, limit = 1000, 100
		s := new(Session)
		s.max, s.in.session, s.in.window = limit, s, window
		in := wsstream.Binary(bytes.Clone(b))
		got, err := s.in.sortLocked(&in)
		want := readNaive(b, window, limit)
		require.Equal(t, want.bad, err != nil, "%v", err)
		if err == nil {
			require.Equal(t, want.ack, got.ack)
			require.Equal(t, want.end, got.end)
			require.Equal(t, want.received, s.in.now.received)
			require.Equal(t, len(want.messages), got.count)
			var q queue
			for range 2 {
				if len(got.data) > 0 {
					q.push(bytes.Clone(got.data))
				}
			}
			for range 2 {
				for _, m := range want.messages {
					kind, body, _ := q.next()
					require.Equal(t, m, wsstream.Message{Type: typeOf(kind), Data: body})
				}
			}
			require.True(t, q.empty())
			require.Zero(t, q.bytes)
		}
		for _, hello := range []bool{true, false} {
			g, err := parseGreeting(wsstream.Binary(b), hello)
			if err != nil {
				continue
			}
			again := g.encode(hello).Data
			if hello && b[headerLen+welcomeLen] > 1 { // a flag that is neither 0 nor 1
				again[headerLen+welcomeLen] = b[headerLen+welcomeLen]
			}
			require.Equal(t, b, again)
		}
		if kind, body, rest, ok := cutRecord(b); ok && len(rest) == 0 {
			if i, err := parseEnd(body); kind == kindEnd && err == nil {
				require.Equal(t, b, appendEnd(nil, i))
			}
			if s, err := parseStatus(body); kind == kindAck && len(body) == statusLen && err == nil {
				require.Equal(t, b, s.ack().Data)
			}
		}
	})
}

func same(a, b wsstream.Message) bool {
	return a.Type == b.Type && a.NoCompress == b.NoCompress && bytes.Equal(a.Data, b.Data)
}

// FuzzReplay drives a replay with a program, and compares with a list of messages. Each byte is a
// step: its lower three bits say which, the others how much.
func FuzzReplay(f *testing.F) {
	f.Add([]byte{0, 8, 16, 3, 24, 4, 5, 6})
	f.Add([]byte{0xf8, 0xf9, 0xf8, 3, 0xfa, 3, 4, 12, 5, 3, 3, 7, 6})
	f.Add([]byte{1, 9, 1, 9, 3, 3, 3, 3, 4, 4, 4, 5, 13, 3, 6, 7})
	f.Add(bytes.Repeat([]byte{0xf8, 3, 4}, 40))
	f.Fuzz(func(t *testing.T, program []byte) {
		program = program[:min(len(program), 200)]
		var r replay
		var all []wsstream.Message // that were added and not dropped
		ends := []uint64{0}        // of them; the first is the beginning
		sent, received, known := 0, 0, 0
		for n, step := range program {
			much := int(step >> 3)
			switch step & 7 {
			case 0, 1, 2: // a message
				m := wsstream.Binary(bytes.Repeat([]byte{byte(n)}, much*much*much))
				if m.NoCompress = step&1 == 1; step&2 == 2 {
					m.Type = wsstream.TypeText
				}
				r.add(m)
				all = append(all, m)
				ends = append(ends, ends[len(ends)-1]+uint64(headerLen+len(m.Data)))
			case 3: // a batch is sent
				if sent == len(all) {
					continue
				}
				m, _ := r.batch()
				require.NotEmpty(t, m.Data)
				k := sent
				for rest := m.Data; len(rest) > 0; k++ {
					kind, body, behind, ok := cutRecord(rest)
					require.True(t, ok)
					require.True(t, same(all[k], wsstream.Message{
						Type: typeOf(kind), Data: body, NoCompress: m.NoCompress,
					}))
					rest = behind
				}
				require.True(t, k == sent+1 || len(m.Data) <= maxBatch)
				r.gave(len(m.Data))
				sent = k
				known = max(known, sent)
			case 4: // an acknowledgement
				to := min(received+1+much, sent)
				require.True(t, r.ack(status{ends[to], ends[to]}))
				received = max(received, to)
			case 5: // another connection
				sent = received + min(much, known-received)
				r.sent = ends[sent]
				require.True(t, r.ack(status{ends[sent], ends[received]}))
				received = sent
			case 6: // what the peer has not received
				list := r.unacknowledged()
				require.Len(t, list, len(all)-received)
				for k, m := range list {
					require.True(t, same(all[received+k], m))
				}
			case 7: // an Abort, or an acknowledgement that cannot be
				if much%2 == 0 {
					r.forgetUnsent()
					all, ends = all[:known], ends[:known+1]
					sent = min(sent, known)
				} else if sent < len(all) {
					require.False(t, r.ack(status{received: ends[sent] + 1}))
				}
			}
			require.Equal(t, ends[len(ends)-1], r.end)
			require.Equal(t, ends[sent], r.sent)
			require.Equal(t, ends[received], r.received)
			require.Equal(t, ends[known], r.known)
		}
	})
}
