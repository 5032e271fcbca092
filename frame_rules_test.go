package wsstream_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
)

// Every rule of RFC 6455 for what comes, sections 5 and 8.1, through every way to read it.

// A rule is what a peer sends behind a good message, and what follows.
type rule struct {
	name   string
	frames []wstest.Frame
	raw    func(e *end) []byte // instead of frames
	code   uint16              // what the peer is told; 0: it has kept the rules
	want   []string            // the messages that are read
	text   bool                // only reading the message finds it
	plain  bool                // only without compression is it wrong
	brief  bool                // it is one of many of its kind: it comes in one write
}

func rules() []rule {
	part := func(s string) wstest.Frame { return wstest.Text(s).Part() }
	more := func(s string) wstest.Frame { return wstest.Cont([]byte(s), false) }
	last := func(s string) wstest.Frame { return wstest.Cont([]byte(s), true) }
	binary := func(s string) wstest.Frame { return wstest.Binary([]byte(s)) }
	length := func(first byte, length ...byte) func(e *end) []byte {
		return func(e *end) []byte { return e.raw(first, length, "") }
	}
	long := strings.Repeat("p", 125)
	list := []rule{
		// Section 5.1: masking.
		{
			name: "a mask of the other role",
			frames: []wstest.Frame{
				{Fin: true, Op: wstest.OpText, Payload: []byte("x"), WrongMask: true},
			},
			code: 1002,
		},
		{
			name: "a mask of the other role on a continuation",
			code: 1002,
			frames: []wstest.Frame{
				part("a"),
				{Fin: true, Op: wstest.OpContinuation, WrongMask: true},
			},
		},
		{
			name:   "a mask of the other role on a ping",
			frames: []wstest.Frame{{Fin: true, Op: wstest.OpPing, WrongMask: true}},
			code:   1002,
		},
		{
			name:   "a mask of the other role on a Close",
			frames: []wstest.Frame{{Fin: true, Op: wstest.OpClose, WrongMask: true}},
			code:   1002,
		},

		// Section 5.2: lengths.
		{name: "125 in 16 bits", raw: length(0x82, 126, 0, 125), code: 1002},
		{name: "65535 in 64 bits", raw: length(0x82, 127, 0, 0, 0, 0, 0, 0, 255, 255), code: 1002},
		{name: "2^63", raw: length(0x82, 127, 128, 0, 0, 0, 0, 0, 0, 0), code: 1002},
		{
			name:   "126 bytes",
			frames: []wstest.Frame{binary(strings.Repeat("l", 126))},
			want:   []string{strings.Repeat("l", 126)},
		},
		{
			name:   "65536 bytes",
			frames: []wstest.Frame{binary(strings.Repeat("L", 1<<16))},
			want:   []string{strings.Repeat("L", 1<<16)},
		},
		{
			name:   "no bytes",
			frames: []wstest.Frame{wstest.Text(""), binary("")},
			want:   []string{"", ""},
		},

		// Section 5.4: fragments.
		{name: "a continuation of nothing", frames: []wstest.Frame{last("x")}, code: 1002},
		{name: "a fragment that continues nothing", frames: []wstest.Frame{more("x")}, code: 1002},
		{
			name:   "a text inside a text",
			frames: []wstest.Frame{part("a"), wstest.Text("b")},
			code:   1002,
		},
		{
			name:   "a binary inside a text",
			frames: []wstest.Frame{part("a"), binary("b")},
			code:   1002,
		},
		{
			name:   "a fragment inside a binary",
			frames: []wstest.Frame{binary("a").Part(), part("b")},
			code:   1002,
		},
		{
			name:   "a continuation after the last",
			frames: []wstest.Frame{part("a"), last("b"), last("c")},
			code:   1002,
			want:   []string{"ab"},
		},
		{
			name: "fragments",
			frames: []wstest.Frame{
				part("one"),
				more("two"),
				last("three"),
				wstest.Text("next"),
			},
			want: []string{"onetwothree", "next"},
		},
		{
			name: "empty fragments",
			frames: []wstest.Frame{
				part(""),
				more(""),
				more("x"),
				more(""),
				last(""),
				part(""),
				last(""),
			},
			want: []string{"x", ""},
		},
		{name: "control frames between fragments", want: []string{"ab"},
			frames: []wstest.Frame{
				part("a"),
				wstest.Ping(long),
				wstest.Pong("unasked"),
				more(""),
				wstest.Ping(""),
				last("b")},
		},

		// Section 5.5: control frames.
		{
			name:   "a Close of one byte",
			frames: []wstest.Frame{{Fin: true, Op: wstest.OpClose, Payload: []byte{3}}},
			code:   1002,
		},
		{
			name:   "a Close with a code that may not be sent",
			frames: []wstest.Frame{wstest.Close(1005, "")},
			code:   1002,
		},
		{
			name:   "a Close with a reason that is not UTF-8",
			frames: []wstest.Frame{wstest.Close(1000, "\xff")},
			code:   1007,
		},

		// Section 8.1: text.
		{
			name:   "text that ends inside a character",
			frames: []wstest.Frame{wstest.Text("a\xe2\x82")},
			code:   1007,
			text:   true,
		},
		{
			name:   "the same, its last fragment empty",
			frames: []wstest.Frame{part("a\xe2\x82"), last("")},
			code:   1007,
			text:   true,
		},
		{
			name:   "the same, its last two fragments empty",
			frames: []wstest.Frame{part("\xc3"), more(""), last("")},
			code:   1007,
			text:   true,
		},
		{
			name:   "the same, all in its last fragment",
			frames: []wstest.Frame{part(""), last("\xf0\x9f\x98")},
			code:   1007,
			text:   true,
		},
		{name: "a character in each of its fragments", want: []string{"€😀"},
			frames: []wstest.Frame{
				part("\xe2"),
				more("\x82"),
				more("\xac\xf0\x9f"),
				more(""),
				last("\x98\x80")},
		},
		{
			name:   "binary is not checked",
			frames: []wstest.Frame{binary("\xff"), binary("\xc3").Part(), last("")},
			want:   []string{"\xff", "\xc3"},
		},
	}
	for rsv := byte(1); rsv < 8; rsv++ { // section 5.2: reserved bits
		for _, op := range []wstest.Op{
			wstest.OpText, wstest.OpBinary, wstest.OpPing, wstest.OpPong, wstest.OpClose,
		} {
			list = append(list, rule{
				name:   fmt.Sprintf("opcode %x with reserved bits %03b", op, rsv),
				frames: []wstest.Frame{{Fin: true, Op: op, Rsv: rsv}},
				code:   1002,
				plain:  rsv == rsv1 && op.IsData(),
			})
		}
		list = append(list, rule{
			name: fmt.Sprintf("a continuation with reserved bits %03b", rsv),
			frames: []wstest.Frame{
				binary("a").Part(),
				{Fin: true, Op: wstest.OpContinuation, Rsv: rsv},
			},
			code: 1002,
		})
	}
	// Section 5.2: reserved opcodes.
	for _, op := range []wstest.Op{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		list = append(list,
			rule{
				name:   fmt.Sprintf("reserved opcode %x", op),
				frames: []wstest.Frame{{Fin: true, Op: op}},
				code:   1002,
			},
			rule{
				name:   fmt.Sprintf("reserved opcode %x between fragments", op),
				frames: []wstest.Frame{part("a"), {Fin: true, Op: op}},
				code:   1002,
			},
		)
	}
	// Section 5.5: their form.
	for _, op := range []wstest.Op{wstest.OpPing, wstest.OpPong, wstest.OpClose} {
		list = append(list,
			rule{
				name:   fmt.Sprintf("a fragment of control %x", op),
				frames: []wstest.Frame{{Op: op}},
				code:   1002,
			},
			rule{
				name: fmt.Sprintf("126 bytes of control %x", op),
				code: 1002,
				frames: []wstest.Frame{
					{Fin: true, Op: op, Payload: bytes.Repeat([]byte{0x0f}, 126)},
				},
			},
		)
	}
	for _, bad := range notUTF8 { // section 8.1, in one frame, in two and with nothing behind it
		for at := range len(bad.text) {
			list = append(list, rule{
				name:   fmt.Sprintf("%q in two fragments, %d bytes and the rest", bad.text, at),
				frames: []wstest.Frame{part(bad.text[:at]), last(bad.text[at:])},
				code:   1007,
				text:   true,
				brief:  true,
			})
		}
		list = append(list, rule{
			name:   fmt.Sprintf("%q", bad.text),
			frames: []wstest.Frame{wstest.Text(bad.text)},
			code:   1007,
			text:   true,
		})
	}
	return list
}

// What messages are read from.
type (
	source = *wsstream.Readable
	reader = *wsstream.MessageReader
)

// A reading is a way to read all messages to the end. It hands each message that it has read to
// got, and returns the error that has ended it.
type reading struct {
	name  string
	all   func(ctx context.Context, r source, got func(string)) error
	skips bool // it reads no payload
	peeks bool // it reads a byte
}

func readings() []reading {
	type all = func(ctx context.Context, r source, got func(string)) error
	pulling := func(pull func(ctx context.Context, r source) (string, error)) all {
		return func(ctx context.Context, r source, got func(string)) error {
			for {
				s, err := pull(ctx, r)
				if err != nil {
					return err
				}
				got(s)
			}
		}
	}
	streaming := func(read func(m reader) (string, error)) all {
		return pulling(func(ctx context.Context, r source) (string, error) {
			m, err := r.NextMessage(ctx)
			if err != nil {
				return "", err
			}
			return read(m)
		})
	}
	var into wsstream.Message
	return []reading{
		{
			name: "Pull",
			all: pulling(func(ctx context.Context, r source) (string, error) {
				m, err := r.Pull(ctx)
				return string(m.Data), err
			}),
		},
		{
			name: "PullInto",
			all: pulling(func(ctx context.Context, r source) (string, error) {
				err := r.PullInto(ctx, &into)
				return string(into.Data), err
			}),
		},
		{
			name: "Handle",
			all: func(_ context.Context, r source, got func(string)) error {
				ended := make(chan error, 1)
				err := r.Handle(func(m wsstream.Message) error {
					got(string(m.Data))
					return nil
				}, func(err error) { ended <- err })
				if err != nil {
					return err
				}
				return <-ended
			},
		},
		{
			name: "Pull, many a context ended before",
			all: pulling(func(ctx context.Context, r source) (string, error) {
				for {
					brief, cancel := context.WithTimeout(ctx, time.Nanosecond)
					m, err := r.Pull(brief)
					cancel()
					if err != context.DeadlineExceeded {
						return string(m.Data), err
					}
				}
			}),
		},
		{
			name: "NextMessage behind a Pull whose context ended",
			all: pulling(func(ctx context.Context, r source) (string, error) {
				brief, cancel := context.WithTimeout(ctx, time.Nanosecond)
				defer cancel()
				if m, err := r.Pull(brief); err != context.DeadlineExceeded {
					return string(m.Data), err
				}
				m, err := r.NextMessage(ctx)
				if err != nil {
					return "", err
				}
				got, err := io.ReadAll(m)
				return string(got), err
			}),
		},
		{
			name: "NextMessage, whole reads",
			all: streaming(func(m reader) (string, error) {
				got, err := io.ReadAll(m)
				return string(got), err
			}),
		},
		{
			name: "NextMessage, reads of one byte",
			all: streaming(func(m reader) (string, error) {
				got, err := io.ReadAll(iotest.OneByteReader(m))
				return string(got), err
			}),
		},
		{
			name: "NextMessage, WriteTo",
			all: streaming(func(m reader) (string, error) {
				var got bytes.Buffer
				_, err := m.WriteTo(&got)
				return got.String(), err
			}),
		},
		{
			name:  "MessageReader.Close",
			skips: true,
			all: streaming(func(m reader) (string, error) {
				return "", m.Close()
			}),
		},
		{
			name:  "MessageReader.Close after a byte",
			skips: true,
			peeks: true,
			all: streaming(func(m reader) (string, error) {
				_, err := m.Read(make([]byte, 1))
				if err == io.EOF {
					err = nil
				}
				_ = m.Close()
				return "", err
			}),
		},
		{
			name:  "Discard",
			skips: true,
			all: func(ctx context.Context, r source, _ func(string)) error {
				r.Discard()
				_, err := r.Pull(ctx)
				return err
			},
		},
	}
}

// packAll compresses the messages of frames, and cuts what comes out into as many fragments. Frames
// with reserved bits stay as they are.
func packAll(t *testing.T, p *packer, frames []wstest.Frame) []wstest.Frame {
	frames = append([]wstest.Frame{}, frames...)
	for i := range frames {
		if op := frames[i].Op; op != wstest.OpText && op != wstest.OpBinary || frames[i].Rsv != 0 {
			continue
		}
		own, payload := []int{i}, frames[i].Payload // the fragments that are not empty
		for j := i + 1; j < len(frames) && !frames[i].Fin; j++ {
			if op := frames[j].Op; op == wstest.OpText || op == wstest.OpBinary {
				break
			}
			if frames[j].Op == wstest.OpContinuation {
				own, payload = append(own, j), append(slices.Clip(payload), frames[j].Payload...)
				if frames[j].Fin {
					break
				}
			}
		}
		if len(payload) > 0 {
			own = slices.DeleteFunc(own, func(at int) bool { return len(frames[at].Payload) == 0 })
		}
		b := p.pack(t, string(payload))
		for k, at := range own {
			n := len(b) / (len(own) - k)
			frames[at].Payload, b = b[:n], b[n:]
		}
		frames[i].Rsv = rsv1
	}
	return frames
}

func TestFrameRulesForEveryWayToRead(t *testing.T) {
	for _, way := range readings() {
		for _, c := range []struct {
			name string
			config
		}{{"plain", config{}}, {"compressed", packing}} {
			for _, bytewise := range []bool{false, true} {
				for _, rule := range rules() {
					if rule.plain && c.Compression != nil || bytewise && rule.brief ||
						way.peeks && rule.text {
						continue
					}
					how := map[bool]string{true: "byte by byte", false: "in one write"}[bytewise]
					name := strings.Join([]string{way.name, c.name, how, rule.name}, "/")
					t.Run(name, func(t *testing.T) {
						inBubble(t, c.config, func(t *testing.T, e *end) {
							rule.holds(t, e, way, c.Compression != nil, bytewise)
						})
					})
				}
			}
		}
	}
}

func (r rule) holds(t *testing.T, e *end, way reading, packs, bytewise bool) {
	good := []wstest.Frame{wstest.Text("go").Part(), wstest.Cont([]byte("od"), true)}
	frames := slices.Concat(good, r.frames)
	if packs {
		frames = packAll(t, newPacker(t), frames)
	}
	var b []byte
	for _, f := range frames {
		b = append(b, e.peer.Encode(f)...)
	}
	if r.raw != nil {
		b = append(b, r.raw(e)...)
	}
	var got []string
	var err error
	done := make(chan struct{})
	go func() { // ends with the connection
		defer close(done)
		err = way.all(t.Context(), e.conn.Readable(), func(s string) { got = append(got, s) })
	}()
	if bytewise && len(b) < 1000 {
		for i := range b {
			e.peer.SendRaw(b[i : i+1])
			synctest.Wait()
		}
	} else {
		e.peer.SendRaw(b)
	}
	if code := r.code; code == 0 || r.text && way.skips {
		e.peer.Send(wstest.Close(1000, ""))
		for f := (wstest.Frame{}); f.Op != wstest.OpClose; {
			var err error
			f, err = e.peer.Next()
			require.NoError(t, err)
			if f.Op != wstest.OpPong {
				require.Equal(t, wstest.Close(1000, "").String(), f.String())
			}
		}
		e.peer.Close()
		<-done
		require.Equal(t, io.EOF, err)
	} else {
		require.NotEmpty(t, e.peer.WantClose("the peer is told which rule it broke", code))
		e.peer.Close()
		<-done
		require.ErrorContains(t, err, fmt.Sprintf("we closed with %d", code))
		_, end := e.closed(t)
		require.Equal(t, end, err)
	}
	if !way.skips {
		require.Equal(t, append([]string{"good"}, r.want...), got)
	}
}

// The cases of the Autobahn suite, sections 3 to 5, in which a breach comes in the same read as
// a good message. The suite calls it strict to answer the good message first.
func TestFrameRulesAnswerGoodMessagesBeforeABreach(t *testing.T) {
	behindText := func(bad wstest.Frame) []wstest.Frame {
		return []wstest.Frame{wstest.Text("Hello, world!"), bad, wstest.Ping("")}
	}
	reserved := func(op wstest.Op, payload string) []wstest.Frame {
		return behindText(wstest.Frame{Fin: true, Op: op, Payload: []byte(payload)})
	}
	rsv := func(rsv byte) []wstest.Frame {
		bad := wstest.Text("Hello, world!")
		bad.Rsv = rsv
		return behindText(bad)
	}
	for _, tc := range []struct {
		name   string // of the case
		frames []wstest.Frame
		answer string
		code   uint16
	}{
		{"3.2", rsv(2), "Hello, world!", 1002},
		{"3.3", rsv(3), "Hello, world!", 1002},
		{"3.4", rsv(4), "Hello, world!", 1002},
		{"4.1.3", reserved(5, ""), "Hello, world!", 1002},
		{"4.1.4", reserved(6, "Hello, world!"), "Hello, world!", 1002},
		{"4.1.5", reserved(7, "Hello, world!"), "Hello, world!", 1002},
		{"4.2.3", reserved(13, ""), "Hello, world!", 1002},
		{"4.2.4", reserved(14, "Hello, world!"), "Hello, world!", 1002},
		{"4.2.5", reserved(15, "Hello, world!"), "Hello, world!", 1002},
		{"5.15", []wstest.Frame{
			wstest.Text("fragment1").Part(), wstest.Cont([]byte("fragment2"), true),
			wstest.Cont([]byte("fragment3"), false), wstest.Text("fragment4"),
		}, "fragment1fragment2", 1002},
		{"none: bad text", behindText(wstest.Text("\xff"))[:2], "Hello, world!", 1007},
	} {
		for _, way := range readings() {
			if way.skips {
				continue
			}
			for _, cut := range []string{"in one write", "frame by frame", "byte by byte"} {
				t.Run(fmt.Sprintf("%s/%s/%s", tc.name, way.name, cut), func(t *testing.T) {
					inBubble(t, config{MaxMessageSize: 100}, func(t *testing.T, e *end) {
						done := make(chan error, 1)
						go func() { // ends with the connection
							done <- way.all(t.Context(), e.conn.Readable(), func(s string) {
								_ = e.conn.Writable().Write(t.Context(), wsstream.Text(s))
							})
						}()
						e.sendCut(cut, tc.frames)
						e.peer.Want("the good message's answer", wstest.Text(tc.answer))
						e.peer.WantClose("and then the Close", tc.code)
						e.peer.Close()
						require.ErrorContains(t, <-done, fmt.Sprintf("we closed with %d", tc.code))
					})
				})
			}
		}
	}
}

// sendCut sends frames in one write, frame by frame or byte by byte.
func (e *end) sendCut(cut string, frames []wstest.Frame) {
	for i, f := range frames {
		switch cut {
		case "in one write":
			if i == 0 {
				e.peer.Send(frames...)
			}
		case "frame by frame":
			e.peer.Send(f)
		default:
			for _, b := range e.peer.Encode(f) {
				e.peer.SendRaw([]byte{b})
			}
		}
	}
}

func TestFrameRulesFailAConnectionThatNoCallReads(t *testing.T) {
	for name, call := range map[string]func(e *end){
		"nothing was ever pulled": func(*end) {},
		"a message is open": func(e *end) {
			m, err := e.conn.Readable().NextMessage(context.Background())
			if err == nil {
				_, _ = m.Read(make([]byte, 1))
			}
		},
		"Discard":             func(e *end) { e.conn.Readable().Discard() },
		"Cancel":              func(e *end) { _ = e.conn.Readable().Cancel(nil) },
		"Close":               func(e *end) { _ = e.conn.Close(wsstream.CloseInfo{Code: 1000}) },
		"a Pull comes behind": func(e *end) { _, _ = e.conn.Readable().Pull(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			onEveryPath(t, config{ReadWindow: 256}, func(t *testing.T, e *end) {
				bad := wstest.Frame{Fin: true, Op: 3}
				e.peer.Send(wstest.Text("good"), wstest.Binary(make([]byte, 200)), bad)
				call(e)
				f, err := e.peer.Next()
				require.NoError(t, err)
				require.Equal(t, wstest.OpClose, f.Op)
				if name != "Close" && name != "Cancel" { // which send their own
					code, _ := ws.ParseCloseFrameData(f.Payload)
					require.EqualValues(t, 1002, code)
				}
				e.peer.Close()
				_, err = e.closed(t)
				require.ErrorContains(t, err, "reserved op code")
			})
		})
	}
}
