package rfb

import (
	"bytes"
	"context"
	"encoding/binary"
	"image"
	"image/color"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/wsstream/wsstream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// client connects to a server, whose subprotocol it offers.
func client(t *testing.T, s *Server) net.Conn {
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	conn := wsstream.Dial(t.Context(), strings.Replace(h.URL, "http", "ws", 1),
		&wsstream.DialOptions{Subprotocols: []string{"binary"}})
	t.Cleanup(conn.CloseNow)
	return wsstream.NetConn(conn, wsstream.TypeBinary)
}

// want reads bytes, and sends others.
func want(t *testing.T, nc net.Conn, bytes, answer string) {
	t.Helper()
	got := make([]byte, len(bytes))
	_, err := io.ReadFull(nc, got)
	require.NoError(t, err)
	require.Equal(t, bytes, string(got))
	_, err = io.WriteString(nc, answer)
	require.NoError(t, err)
}

// dot returns a picture of 2 by 1 pixels.
func dot(c color.Color) *image.RGBA {
	p := image.NewRGBA(image.Rect(0, 0, 2, 1))
	p.Set(1, 0, c)
	return p
}

const (
	format32 = "\x20\x18\x00\x01\x00\xff\x00\xff\x00\xff\x00\x08\x10\x00\x00\x00"
	whole    = "\x03\x00\x00\x00\x00\x00\x00\x02\x00\x01" // a request for a picture
	change   = "\x03\x01\x00\x00\x00\x00\x00\x02\x00\x01" // for one that differs
	rect     = "\x00\x00\x00\x01\x00\x00\x00\x00\x00\x02\x00\x01\x00\x00\x00\x00"
)

// shake does the client's part of the handshake, and sends what follows.
func shake(t *testing.T, nc net.Conn, then string) {
	want(t, nc, version, version)
	want(t, nc, "\x01\x01", "\x01")
	want(t, nc, "\x00\x00\x00\x00", "\x01")
	want(t, nc, "\x00\x02\x00\x01"+format32+"\x00\x00\x00\x03dot", then)
}

func TestAClientGetsAPictureForEachRequest(t *testing.T) {
	red, blue := dot(color.RGBA{R: 255, A: 255}), dot(color.RGBA{B: 255, A: 255})
	asked := make(chan *image.RGBA, 8)
	changed := make(chan struct{})
	s := &Server{
		Name: "dot", Width: 2, Height: 1,
		Picture: func(ctx context.Context, seen *image.RGBA) (*image.RGBA, error) {
			asked <- seen
			if seen == nil {
				return red, nil
			}
			select {
			case <-changed:
				return blue, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		},
	}
	nc := client(t, s)
	shake(t, nc, "\x00\x00\x00\x00"+format32+whole)
	want(t, nc, rect+"\x00\x00\x00\x00\xff\x00\x00\xff", change)
	require.Nil(t, <-asked)
	require.Same(t, red, <-asked)
	close(changed)
	want(t, nc, rect+"\x00\x00\x00\x00\x00\x00\xff\xff", whole)
	want(t, nc, rect+"\x00\x00\x00\x00\xff\x00\x00\xff", "")
	require.Nil(t, <-asked, "the client asked for a whole picture")
	require.Empty(t, asked)
	require.NoError(t, nc.Close())
}

func TestTheEndOfTheScreenIsTheEndOfTheConnection(t *testing.T) {
	nc := client(t, &Server{
		Name: "dot", Width: 2, Height: 1,
		Picture: func(context.Context, *image.RGBA) (*image.RGBA, error) { return nil, io.EOF },
	})
	shake(t, nc, whole)
	_, err := nc.Read(make([]byte, 1))
	require.Equal(t, io.EOF, err)
}

func TestAPictureOfAnotherSizeIsAnError(t *testing.T) {
	s := &Server{
		Name: "dot", Width: 2, Height: 2,
		Picture: func(context.Context, *image.RGBA) (*image.RGBA, error) { return dot(color.Black), nil },
	}
	wanted := make(chan update, 1)
	wanted <- update{}
	require.ErrorContains(t, s.draw(t.Context(), nil, wanted), "a picture of (2,1)")
}

func TestAPartOfALargerPictureIsSentAsItIs(t *testing.T) {
	p := image.NewRGBA(image.Rect(0, 0, 5, 5))
	p.Set(2, 3, color.White)
	sub := p.SubImage(image.Rect(2, 2, 4, 4)).(*image.RGBA)
	b := raw(sub)
	require.Len(t, b, 16+4*4)
	require.Equal(t, "\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff\x00\x00\x00\x00", string(b[16:]))
}

func TestAHandshakeOfAnotherVersionOrSecurityFails(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer string // of the client, to all
		err    error
	}{
		{"version", "RFB 003.003\n", errVersion},
		{"security", version + "\x02", errSecurity},
		{"end", version[:3], io.ErrUnexpectedEOF},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &Server{Name: "dot", Width: 2, Height: 1}
			require.ErrorIs(t, s.handshake(io.Discard, strings.NewReader(c.answer)), c.err)
		})
	}
}

func TestMessagesOfTheClientAreEvents(t *testing.T) {
	for _, c := range []struct {
		name, message string
		want          any
	}{
		{"format", "\x00\x00\x00\x00" + format32, nil},
		{"encodings", "\x02\x00\x00\x02\x00\x00\x00\x00\xff\xff\xff\x11", nil},
		{"request", whole, update{}},
		{"incremental request", change, update{Incremental: true}},
		{"key", "\x04\x01\x00\x00\x00\x00\xff\x0d", Key{Down: true, Symbol: 0xff0d}},
		{"pointer", "\x05\x04\x00\x0a\x01\x00", Pointer{Buttons: 4, X: 10, Y: 256}},
		{"text", "\x06\x00\x00\x00\x00\x00\x00\x02hi", Text("hi")},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := strings.NewReader(c.message + "x")
			got, err := parse(in)
			require.NoError(t, err)
			require.Equal(t, c.want, got)
			require.Equal(t, 1, in.Len(), "it read its own bytes alone")
			for n := 1; n < len(c.message); n++ {
				_, err := parse(strings.NewReader(c.message[:n]))
				require.ErrorIs(t, err, io.ErrUnexpectedEOF, "%d bytes of it", n)
			}
		})
	}
	_, err := parse(strings.NewReader(""))
	require.Equal(t, io.EOF, err)
}

func TestABadMessageOfTheClientIsAnError(t *testing.T) {
	other := strings.Replace(format32, "\x20", "\x08", 1)
	_, err := parse(strings.NewReader("\x00\x00\x00\x00" + other))
	require.ErrorIs(t, err, errFormat)
	_, err = parse(strings.NewReader("\x06\x00\x00\x00\xff\xff\xff\xff"))
	require.ErrorIs(t, err, errText)
	_, err = parse(strings.NewReader("\x09"))
	require.ErrorContains(t, err, "type 9")
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(whole + "\x06\x00\x00\x00\x00\x00\x00\x02hi"))
	f.Add([]byte("\x00\x00\x00\x00" + format32 + "\x02\x00\x00\x01\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		in := bytes.NewReader(b)
		for left := in.Len(); ; left = in.Len() {
			e, err := parse(in)
			if err != nil {
				break
			}
			if text, ok := e.(Text); ok {
				require.EqualValues(t, len(text), binary.BigEndian.Uint32(b[len(b)-left+4:]))
			}
			require.Less(t, in.Len(), left)
		}
	})
}
