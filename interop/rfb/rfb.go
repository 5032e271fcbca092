// Package rfb is a server of RFB 3.8, the protocol of VNC, for clients over WebSocket such as noVNC:
// it shows pictures, and gets keys and the mouse. It has no passwords: put it behind a handler
// that knows its users. Copy it.
//
//	http.Handle("/websockify", &rfb.Server{
//		Name: "clock", Width: 640, Height: 480,
//		Picture: func(ctx context.Context, seen *image.RGBA) (*image.RGBA, error) { … },
//	})
//
// A client asks for each picture, so a slow one gets fewer of them, and nothing queues for it.
//
// RFC 6143.
package rfb

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"io"
	"net/http"
	"sync"

	"github.com/wsstream/wsstream"
)

// A Server is an http.Handler.
type Server struct {
	Name          string
	Width, Height uint16

	// Picture returns what the screen shows, of the Server's size. seen is the picture that the
	// client has, or nil. While that one is still good, Picture waits. It must not change a picture
	// that it has returned. ctx ends with the connection.
	Picture func(ctx context.Context, seen *image.RGBA) (*image.RGBA, error)

	// Input is called for each event of the client. Meanwhile nothing more is read. It may be nil.
	Input func(ctx context.Context, e Event)

	Options wsstream.AcceptOptions
}

// An Event is a Key, a Pointer or a Text of the client.
type Event any

// A Key is a key that was pressed or released: a keysym of X.
type Key struct {
	Down   bool
	Symbol uint32
}

// A Pointer is where the mouse is, with a bit for each button that is down.
type Pointer struct {
	Buttons byte
	X, Y    uint16
}

// A Text is what the client has copied, in Latin-1.
type Text []byte

// A format is how a pixel looks. It is as on the wire.
type format struct {
	Bits, Depth, BigEndian, TrueColor byte
	RedMax, GreenMax, BlueMax         uint16
	RedShift, GreenShift, BlueShift   byte
	_                                 [3]byte
}

// rgba is the format of image.RGBA.
var rgba = format{
	Bits: 32, Depth: 24, TrueColor: 1,
	RedMax: 255, GreenMax: 255, BlueMax: 255, GreenShift: 8, BlueShift: 16,
}

// An update is what a client asks for: a picture, or only one that it does not have.
type update struct{ Incremental bool }

const (
	version = "RFB 003.008\n"
	maxText = 1 << 20 // bytes of a Text
)

var (
	errVersion  = errors.New("rfb: the client does not speak version 3.8")
	errSecurity = errors.New("rfb: the client wants a security that was not offered")
	errFormat   = errors.New("rfb: the client wants pixels in another format")
	errText     = errors.New("rfb: a text that is too long")
)

// ServeHTTP serves one client.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o := s.Options
	o.Subprotocols = []string{"binary"} // a client may name none, too
	wsstream.Handler(func(conn *wsstream.Conn, r *http.Request) error {
		return s.serve(r.Context(), conn)
	}, &o).ServeHTTP(w, r)
}

func (s *Server) serve(ctx context.Context, conn *wsstream.Conn) error {
	nc := wsstream.NetConn(conn, wsstream.TypeBinary)
	in := bufio.NewReader(nc)
	if err := s.handshake(nc, in); err != nil {
		return err
	}
	wanted := make(chan update, 1)
	ctx, cancel := context.WithCancel(ctx)
	var drawing sync.WaitGroup
	defer drawing.Wait()
	defer cancel()
	drawing.Go(func() { // ends with ctx, or when the screen ends
		if err := s.draw(ctx, conn, wanted); err != nil && ctx.Err() == nil {
			_ = conn.Writable().Fail(ctx, err)
		}
	})
	for {
		e, err := parse(in)
		if err != nil {
			return err
		}
		switch e := e.(type) {
		case nil:
		case update:
			select {
			case waiting := <-wanted: // one picture answers both
				e.Incremental = e.Incremental && waiting.Incremental
			default:
			}
			wanted <- e // it has room: nothing else sends
		default:
			if s.Input != nil {
				s.Input(ctx, e)
			}
		}
	}
}

// handshake agrees on the version and on no security, and tells the client of the screen.
//
// RFC 6143, section 7.1 to 7.3.
func (s *Server) handshake(out io.Writer, in io.Reader) error {
	hello := make([]byte, len(version))
	if err := exchange(out, version, in, hello); err != nil {
		return err
	}
	if string(hello) != version {
		return errVersion
	}
	choice := make([]byte, 1)
	if err := exchange(out, "\x01\x01", in, choice); err != nil { // one type of security: none
		return err
	}
	if choice[0] != 1 {
		return errSecurity
	}
	shared := make([]byte, 1)
	if err := exchange(out, "\x00\x00\x00\x00", in, shared); err != nil {
		return err
	}
	b := binary.BigEndian.AppendUint16(nil, s.Width)
	b = binary.BigEndian.AppendUint16(b, s.Height)
	b, err := binary.Append(b, binary.BigEndian, rgba)
	if err != nil {
		return err
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(s.Name)))
	_, err = out.Write(append(b, s.Name...))
	return err
}

// exchange sends a step of the handshake, and reads the client's answer.
func exchange(out io.Writer, send string, in io.Reader, answer []byte) error {
	_, err := io.WriteString(out, send)
	if err == nil {
		_, err = io.ReadFull(in, answer)
	}
	return err
}

// draw sends a picture for each update that is wanted.
func (s *Server) draw(ctx context.Context, conn *wsstream.Conn, wanted <-chan update) error {
	var seen *image.RGBA
	for {
		select {
		case u := <-wanted:
			if !u.Incremental {
				seen = nil
			}
		case <-ctx.Done():
			return nil
		}
		picture, err := s.Picture(ctx, seen)
		if err != nil {
			return err
		}
		if size := picture.Rect.Size(); size != image.Pt(int(s.Width), int(s.Height)) {
			return fmt.Errorf("rfb: a picture of %v", size)
		}
		if err := conn.Writable().Write(ctx, wsstream.Binary(raw(picture))); err != nil {
			return err
		}
		seen = picture
	}
}

// raw returns an update that is one rectangle of pixels.
//
// RFC 6143, section 7.6.1 and 7.7.1.
func raw(p *image.RGBA) []byte {
	size := p.Rect.Size()
	b := make([]byte, 0, 16+4*size.X*size.Y)
	b = append(b, 0, 0, 0, 1) // an update of one rectangle
	for _, n := range []int{0, 0, size.X, size.Y} {
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	}
	b = append(b, 0, 0, 0, 0) // raw
	for y := range size.Y {
		b = append(b, p.Pix[y*p.Stride:][:4*size.X]...)
	}
	return b
}

// parse reads a message of the client. It returns nil for a message that asks for nothing.
//
// RFC 6143, section 7.5.
func parse(in io.Reader) (any, error) {
	kind := make([]byte, 1)
	if _, err := io.ReadFull(in, kind); err != nil {
		return nil, err
	}
	switch kind[0] {
	case 0:
		var m struct {
			_ [3]byte
			F format
		}
		if err := read(in, &m); err != nil {
			return nil, err
		}
		if m.F != rgba {
			return nil, errFormat
		}
		return nil, nil
	case 2:
		var m struct {
			_ byte
			N uint16
		}
		if err := read(in, &m); err != nil {
			return nil, err
		}
		return nil, skip(in, 4*int64(m.N)) // encodings: each client has the raw one
	case 3:
		var m struct {
			Incremental         bool
			X, Y, Width, Height uint16
		}
		err := read(in, &m)
		return update{m.Incremental}, err
	case 4:
		var m struct {
			Down   bool
			_      [2]byte
			Symbol uint32
		}
		err := read(in, &m)
		return Key{m.Down, m.Symbol}, err
	case 5:
		var m Pointer
		err := read(in, &m)
		return m, err
	case 6:
		var m struct {
			_ [3]byte
			N uint32
		}
		if err := read(in, &m); err != nil {
			return nil, err
		}
		if m.N > maxText {
			return nil, errText
		}
		text, err := io.ReadAll(io.LimitReader(in, int64(m.N))) // it grows as bytes arrive
		if err == nil && len(text) < int(m.N) {
			err = io.ErrUnexpectedEOF
		}
		return Text(text), err
	default:
		return nil, fmt.Errorf("rfb: a message of type %d", kind[0])
	}
}

// read reads the rest of a message, of which there is a part.
func read(in io.Reader, m any) error { return inside(binary.Read(in, binary.BigEndian, m)) }

func skip(in io.Reader, n int64) error {
	_, err := io.CopyN(io.Discard, in, n)
	return inside(err)
}

// inside makes the end of the input an error.
func inside(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
