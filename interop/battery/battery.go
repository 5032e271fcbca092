// Package battery has the checks that each peer with plain messages goes through.
//
// A peer is a program that echoes each message in its own type, and obeys text messages that begin
// with an exclamation mark:
//
//	!close CODE REASON  closes the connection; both may be missing
//	!ping TEXT          sends a ping, and says "!pong TEXT" after its pong
//	!fragments          sends the text of Fragments in frames that are cut inside characters
//	!flood COUNT SIZE   sends COUNT binary messages of SIZE bytes, each with its number in the first
//	                    four bytes, waits for its library where that can wait, and says "!flooded"
//	!sink MS            reads nothing for MS milliseconds, then reads numbered binary messages until
//	                    the text "!sunk", and says "!sunk N", or "!lost I" if message I was missing
//
// If its floods are of texts, a number is four digits.
//
// It answers "!no" to what its library has no call for. It writes events to its standard output:
// see trial.Event. A server says its URL first; a client dials each URL that it reads from its
// standard input.
package battery

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/interop/trial"
)

// Fragments is what a peer sends as the answer to !fragments: in four frames, of which the first
// and the third end inside a character and the second is empty.
const Fragments = "水水水"

// Subprotocol is what both sides offer and expect.
const Subprotocol = "battery.wsstream"

// A Peer connects a peer with us, once for each check.
type Peer interface {
	// Open returns our end of a new connection. o and a are the options of Dial and of Accept: one
	// of them is used.
	Open(t *trial.T, o Options) *wsstream.Conn

	// Process is the process of the peer.
	Process() *trial.Process
}

// Options are those of our end, whether it dials or accepts.
type Options struct {
	// AgreeProtocol fails a handshake in which the peer does not choose the subprotocol that is
	// offered to it.
	AgreeProtocol bool

	Compression    *wsstream.CompressionOptions
	MaxFrameSize   int
	MaxMessageSize int // zero: that of large
}

// large is the size of the largest messages.
const large = 4 << 20

// Dial returns the options of Dial.
func (o Options) Dial() *wsstream.DialOptions {
	return &wsstream.DialOptions{
		MaxMessageSize:      cmp.Or(o.MaxMessageSize, large),
		MaxFrameSize:        o.MaxFrameSize,
		Compression:         o.Compression,
		Subprotocols:        []string{Subprotocol},
		SubprotocolOptional: !o.AgreeProtocol,
	}
}

// Accept returns the options of Accept.
func (o Options) Accept() *wsstream.AcceptOptions {
	return &wsstream.AcceptOptions{
		MaxMessageSize: cmp.Or(o.MaxMessageSize, large),
		MaxFrameSize:   o.MaxFrameSize,
		Compression:    o.Compression,
		Subprotocols:   []string{Subprotocol},
		Origins:        []string{"*"}, // clients that are no browsers send what they like
	}
}

// Settings are what a peer needs beside the defaults.
type Settings struct {
	MaxFrameSize int  // of what we send
	TextOnly     bool // the peer has no call that sends binary messages
	TextFloods   bool // floods are of texts, whose numbers are four digits
	EveryClose   bool // compares more closes than two
	Waits        bool // both floods must stall
	SaysOpen     bool // the peer loses what comes before it says "open"
	CompressAll  bool // the peer needs all messages compressed, if it agrees to compression
	Agreed       Agreed
	EndUntold    bool // the peer is not told of a connection that was cut: no check waits for that
}

// Agreed are the answers' Sec-WebSocket-Extensions in the three checks of compression, as they must
// be. Empty ones may be anything.
type Agreed struct{ Takeover, NoTakeover, Small string }

// Ours are our answers to a client that offers client_max_window_bits and no other parameter.
var Ours = Agreed{
	Takeover:   "permessage-deflate",
	NoTakeover: noTakeover,
	Small:      "permessage-deflate; client_max_window_bits=9",
}

// NoTakeover are the answers of a peer that keeps no context.
var NoTakeover = Agreed{noTakeover, noTakeover, noTakeover}

const noTakeover = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

// Run runs the battery. The peer is killed at its end.
func Run(t *trial.T, p Peer, s Settings) {
	b := &battery{p, s}
	ok := t.Check("messages of 0 B to 1 MiB", b.sizes)
	if !ok { // most others would fail alike
		return
	}
	t.Check("messages of 4 MiB", b.large)
	t.Check("empty messages", b.empty)
	t.Check("200 JSON texts", b.texts)
	t.Check("our fragments", b.ourFragments)
	t.Check("its fragments", b.itsFragments)
	t.Check("subprotocol", b.subprotocol)
	t.Check("our ping", b.ourPing)
	t.Check("its ping", b.itsPing)
	t.Check("our close", b.ourClose)
	t.Check("its close", b.itsClose)
	if s.EveryClose {
		t.Check("every close", b.everyClose)
	}
	t.Check("our close in its flood", b.closeInFlood)
	t.Check("our cut", b.cut)
	t.Check("flood to it", b.floodTo)
	t.Check("flood from it", b.floodFrom)
	t.Check("compression", b.compression)
	t.Check("compression without context takeover", b.noTakeover)
	t.Check("compression with small windows", b.smallWindows)
	t.Check("killed", b.killed)
}

// patience is how long a peer may take to say how a connection ended, which no check asks for.
const patience = 10 * time.Second

type battery struct {
	peer     Peer
	settings Settings
}

// A link is one connection of a check.
type link struct {
	*wsstream.Conn
	t     *trial.T
	peer  *trial.Process
	since int // events of the peer before the connection

	textOnly bool
}

func (b *battery) open(t *trial.T, o Options) *link {
	since := b.peer.Process().Events()
	o.MaxFrameSize = b.settings.MaxFrameSize
	conn := b.peer.Open(t, o)
	l := &link{conn, t, b.peer.Process(), since, b.settings.TextOnly}
	t.Cleanup(func() {
		conn.CloseNow()
		<-conn.Closed().Done()
		if !b.settings.EndUntold { // the next check must not take this end for its own
			l.peer.AwaitEnd(since, patience)
		}
	})
	_, err := conn.Opened().Wait(t.Context())
	require.NoError(t, err)
	if b.settings.SaysOpen {
		l.peer.Await(t, since, "the opening", func(e trial.Event) bool { return e.Say == "open" })
	}
	return l
}

func (l *link) write(m wsstream.Message) {
	require.NoError(l.t, l.Writable().Write(l.t.Context(), m))
}

func (l *link) pull() wsstream.Message {
	m, err := l.Readable().Pull(l.t.Context())
	require.NoError(l.t, err)
	return m
}

// command sends a command and returns the peer's answer, which begins with an exclamation mark.
func (l *link) command(format string, args ...any) string {
	l.order(format, args...)
	return l.answer()
}

func (l *link) order(format string, args ...any) {
	l.write(wsstream.Text(fmt.Sprintf("!"+format, args...)))
}

func (l *link) answer() string {
	m := l.pull()
	require.Equal(l.t, wsstream.TypeText, m.Type)
	if string(m.Data) == "!no" {
		l.t.Cannot()
	}
	return string(m.Data)
}

// echo sends a message and wants it back.
func (l *link) echo(m wsstream.Message) {
	if m.Type == wsstream.TypeText || !l.textOnly {
		echo(l.t, l.Conn, m)
	}
}

func echo(t *trial.T, conn *wsstream.Conn, m wsstream.Message) {
	sent := string(m.Data)
	require.NoError(t, conn.Writable().Write(t.Context(), m))
	got, err := conn.Readable().Pull(t.Context())
	require.NoError(t, err)
	require.Equal(t, m.Type, got.Type, "%d bytes", len(sent))
	if sent != string(got.Data) { // which may be too long to be shown
		require.Failf(t, "another message came back", "%d bytes as %d", len(sent), len(got.Data))
	}
}

var sizes = []int{1, 125, 126, 127, 4096, 65_535, 65_536, 65_537, 1 << 20}

func (b *battery) sizes(t *trial.T) {
	l := b.open(t, Options{})
	for _, n := range sizes {
		l.echo(wsstream.Text(text(n)))
		l.echo(wsstream.Binary(noise(n)))
	}
}

func (b *battery) large(t *trial.T) {
	l := b.open(t, Options{})
	l.echo(wsstream.Text(text(large)))
	l.echo(wsstream.Binary(noise(large)))
}

func (b *battery) empty(t *trial.T) {
	l := b.open(t, Options{})
	l.echo(wsstream.Text(""))
	l.echo(wsstream.Binary(nil))
}

func (b *battery) texts(t *trial.T) {
	l := b.open(t, Options{})
	written := make(chan error, 1)
	go func() { // ends with its writes, or with the connection
		for i := range 200 {
			if err := l.Writable().Write(t.Context(), wsstream.Text(jsonText(i))); err != nil {
				written <- err
				return
			}
		}
		written <- nil
	}()
	for i := range 200 {
		require.Equal(t, jsonText(i), string(l.pull().Data))
	}
	require.NoError(t, <-written)
}

func (b *battery) ourFragments(t *trial.T) {
	l := b.open(t, Options{})
	w, err := l.Writable().NewMessage(t.Context(), wsstream.TypeText)
	require.NoError(t, err)
	for i := range len(Fragments) { // a frame of each byte
		_, err := w.Write([]byte(Fragments[i : i+1]))
		require.NoError(t, err)
		require.NoError(t, l.Writable().Flush(t.Context()))
	}
	require.NoError(t, w.Close())
	require.Equal(t, Fragments, string(l.pull().Data))
}

func (b *battery) itsFragments(t *trial.T) {
	l := b.open(t, Options{})
	require.Equal(t, Fragments, l.command("fragments"))
}

func (b *battery) subprotocol(t *trial.T) {
	l := b.open(t, Options{AgreeProtocol: true})
	opened, err := l.Opened().Wait(t.Context())
	require.NoError(t, err)
	require.Equal(t, Subprotocol, opened.Protocol)
	l.echo(wsstream.Text("agreed"))
}

func (b *battery) ourPing(t *trial.T) {
	l := b.open(t, Options{})
	_, err := l.Ping(t.Context())
	require.NoError(t, err)
	l.echo(wsstream.Text("after the ping"))
}

func (b *battery) itsPing(t *trial.T) {
	l := b.open(t, Options{})
	require.Equal(t, "!pong battery", l.command("ping battery"))
}

// bye is a reason with a character of three bytes.
const bye = "bye 水"

func (b *battery) ourClose(t *trial.T) {
	l := b.open(t, Options{})
	l.echo(wsstream.Text("first"))
	err := l.Shutdown(t.Context(), wsstream.CloseInfo{Code: 4000, Reason: bye})
	info, closedErr := l.Closed().Wait(t.Context())
	end := l.peer.Closed(t, l.since)
	t.Note(Closes, "ours 4000: %s", sides(ended(end), our(info, closedErr)))
	require.NoError(t, err)
	require.Equal(t, 4000, end.Code)
	require.Equal(t, 4000, info.Code)
}

func (b *battery) itsClose(t *trial.T) {
	l := b.open(t, Options{})
	l.order("close 4001 %s", bye)
	_, err := l.Readable().Pull(t.Context())
	require.Error(t, err)
	info, closedErr := l.Closed().Wait(t.Context())
	end := l.peer.Closed(t, l.since)
	t.Note(Closes, "its 4001: %s", sides(ended(end), our(info, closedErr)))
	require.NoError(t, closedErr)
	require.Equal(t, wsstream.CloseInfo{Code: 4001, Reason: bye}, info)
}

func (b *battery) closeInFlood(t *trial.T) {
	l := b.open(t, Options{})
	l.order("flood %d %d", count, piece)
	for range 20 {
		if string(l.pull().Data) == "!no" {
			t.Cannot()
		}
	}
	require.NoError(t, l.Close(wsstream.CloseInfo{Code: 4002, Reason: bye}))
	ctx, cancel := limited(t, pause/10)
	defer cancel()
	<-ctx.Done() // the Close meets a flood that we do not read
	n := 20
	for {
		m, err := l.Readable().Pull(t.Context())
		if err != nil {
			break
		}
		if m.Type == wsstream.TypeBinary { // not "!flooded"
			n++
		}
	}
	info, closedErr := l.Closed().Wait(t.Context())
	end := l.peer.Closed(t, l.since)
	t.Note(Closes, "ours 4002 in its flood: %s", sides(ended(end), our(info, closedErr)))
	t.Note(InFlood, "%d of %d", n, count)
	require.NoError(t, closedErr)
	require.Equal(t, 4002, info.Code)
}

func (b *battery) cut(t *trial.T) {
	l := b.open(t, Options{})
	l.echo(wsstream.Text("first"))
	l.CloseNow()
	end := l.peer.Closed(t, l.since)
	t.Note(Closes, "our cut: it saw %s", ended(end))
	require.Equal(t, 1006, end.Code)
	require.False(t, end.Clean != nil && *end.Clean, "it took a cut for a close")
}

func (b *battery) killed(t *trial.T) {
	l := b.open(t, Options{})
	l.echo(wsstream.Text("first"))
	l.peer.Kill()
	_, err := l.Closed().Wait(t.Context())
	require.Equal(t, 1006, wsstream.CloseCode(err))
	<-l.peer.Ended()
}

func ended(e trial.End) string {
	s := code(wsstream.CloseInfo{Code: e.Code, Reason: e.Reason})
	if e.Clean != nil && !*e.Clean {
		s += ", not clean"
	}
	return s
}

func our(info wsstream.CloseInfo, err error) string {
	if err != nil {
		return fmt.Sprintf("%d, not clean", wsstream.CloseCode(err))
	}
	return code(info)
}

// limited returns a context for a wait that may be in vain.
func limited(t *trial.T, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), d)
}
