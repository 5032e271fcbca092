package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/examples/internal/console"
)

//go:embed page
var files embed.FS

const (
	tellEvery = 250 * time.Millisecond // the client
	showEvery = 2 * time.Second        // on standard output
	parting   = time.Second            // for which a client may be silent behind the last answer
)

var errExists = refuse(nameExists, "a file of this name exists")

// A site serves the page and takes uploads.
type site struct {
	o      *options
	store  *store
	accept wsstream.Acceptor
	out    io.Writer
}

func newSite(o *options, st *store, out io.Writer) *site {
	s := &site{o: o, store: st, out: &locked{w: out}}
	// A connection that is lost keeps its file's name busy until it is noticed.
	s.accept.Options.PingInterval = 5 * time.Second
	s.accept.Options.PongTimeout = 10 * time.Second
	return s
}

func (s *site) handler() http.Handler {
	page, err := fs.Sub(files, "page")
	if err != nil {
		panic(err) // the folder is embedded
	}
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServerFS(page))
	mux.Handle("GET /upload", s.accept.Handler(s.upload))
	return mux
}

// A locked writer is for several goroutines.
type locked struct {
	mu sync.Mutex
	w  io.Writer // guarded by mu
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// note prints a line.
func (s *site) note(format string, args ...any) { _, _ = fmt.Fprintf(s.out, format+"\n", args...) }

// upload takes one file, or the rest of one. Its error says what the client gets.
func (s *site) upload(conn *wsstream.Conn, r *http.Request) error {
	want, err := parseRequest(r.URL.Query(), s.o.largest)
	var end answer
	if err == nil {
		end, err = s.take(conn, want)
	}
	if err != nil {
		s.note("%.200q: %v", want.name, err)
	}
	if end.Type != "" {
		bye(conn, end)
	}
	return err
}

// bye says the last answer, and waits until the client closes, but not for long. Chromium can drop
// a message for a WebSocketStream if a Close follows immediately.
func bye(conn *wsstream.Conn, end answer) {
	ctx, cancel := context.WithTimeout(conn.Context(), parting)
	defer cancel()
	if conn.Writable().Write(ctx, end.message()) == nil { // or the client is gone: it has sent all
		_, _ = conn.Readable().NextMessage(ctx)
	}
}

// take takes the bytes of a file. It returns the last answer, if there is one.
func (s *site) take(conn *wsstream.Conn, want request) (end answer, err error) {
	if !s.store.lock(want.name) {
		return end, refuse(busy, "a file of this name is being uploaded")
	}
	defer s.store.unlock(want.name)
	if end, err = s.absent(conn.Context(), want); err != nil {
		return end, err
	}
	p, err := s.store.open(conn.Context(), want.name, want.offset)
	if err != nil {
		return end, err
	}
	t := &transfer{
		request: want,
		part:    p,
		conn:    conn,
		bytes:   wsstream.NetConn(conn, wsstream.TypeBinary),
		idle:    s.o.idle,
		began:   time.Now(),
		from:    p.size(),
	}
	show := console.Progress(s.out, showEvery, t.state)
	err = t.run()
	show()
	if err := errors.Join(err, p.close()); err != nil {
		return end, err
	}
	end = p.answer(done)
	s.note("%q: stored, %s, sha256 %s", want.name, humanize.Bytes(uint64(want.length)), end.SHA256)
	return end, nil
}

// absent checks that there is no file of the name. The server may have been lost when the file was
// complete and the client did not know it. So a client that continues learns what the file is.
func (s *site) absent(ctx context.Context, want request) (end answer, err error) {
	info, err := s.store.root.Lstat(want.name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return end, nil
	case err != nil:
		return end, err
	case want.offset != atPart || !info.Mode().IsRegular() || info.Size() != want.length:
		return end, errExists
	}
	if end, err = s.store.existing(ctx, want.name); err != nil {
		return answer{}, err
	}
	return end, errExists
}

// A transfer takes the bytes of one file from one connection.
type transfer struct {
	request
	part  *part
	conn  *wsstream.Conn
	bytes net.Conn // conn, as bytes
	idle  time.Duration
	began time.Time
	from  int64 // what the part had at the beginning
}

// state is the transfer for standard output.
func (t *transfer) state() console.State {
	n := t.part.size()
	return console.State{Done: n, Total: t.length, Text: []string{
		fmt.Sprintf("%q", t.name),
		humanize.Bytes(uint64(n)),
		console.Speed(n-t.from, time.Since(t.began)),
	}}
}

// run takes the file and stores it.
func (t *transfer) run() error {
	if n := t.part.size(); n > t.length {
		return refuse(badOffset, "the server has %d bytes: begin anew", n)
	}
	if err := t.say(t.part.answer(begin)); err != nil {
		return err
	}
	err := t.receive()
	if err == nil {
		err = t.nothingMore()
	}
	if wsstream.CloseCode(err) == badLength { // of a file that is another than the client says
		return errors.Join(err, t.part.discard())
	}
	if err = errors.Join(err, t.part.sync()); err != nil {
		return err
	}
	return t.part.commit()
}

func (t *transfer) say(a answer) error {
	return t.conn.Writable().Write(t.conn.Context(), a.message())
}

// receive takes bytes until the part has the length. The next bytes are taken when the disk has the
// last: that alone slows the client down. What the client is told to be stored is on the disk.
func (t *transfer) receive() error {
	told := time.Now()
	for buffer := make([]byte, chunk); t.part.size() < t.length; {
		n, err := t.read(buffer)
		if err != nil {
			return t.cut(err)
		}
		if t.part.size()+int64(n) > t.length {
			return t.tooMuch()
		}
		if err := t.part.append(t.conn.Context(), buffer[:n]); err != nil {
			return err
		}
		if time.Since(told) < tellEvery {
			continue
		}
		if err := t.part.sync(); err != nil {
			return err
		}
		// A client that does not read the answers misses some.
		_, _ = t.conn.Writable().TryWrite(answer{Type: stored, Bytes: t.part.size()}.message())
		told = time.Now()
	}
	return nil
}

// read waits for bytes no longer than idle.
func (t *transfer) read(b []byte) (int, error) {
	if err := t.bytes.SetReadDeadline(time.Now().Add(t.idle)); err != nil {
		return 0, err
	}
	return t.bytes.Read(b)
}

// cut returns the error of an upload that ended with err before all had come.
func (t *transfer) cut(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return refuse(wentIdle, "%d of %d bytes came, and then none for %v",
			t.part.size(), t.length, t.idle)
	case errors.Is(err, io.EOF):
		err = errors.New("the client closed")
	case errors.Is(err, wsstream.ErrMessageType):
		err = errors.New("the client sent a text message") // NetConn has closed with 1003
	}
	return fmt.Errorf("cut after %d of %d bytes: %w", t.part.size(), t.length, err)
}

func (t *transfer) tooMuch() error {
	return refuse(badLength, "more came than the %d bytes that were announced", t.length)
}

// nothingMore checks that the client has sent no more than the length. The answer to a ping comes
// behind all that the client sent before it got the ping.
func (t *transfer) nothingMore() error {
	ctx, cancel := context.WithTimeout(t.conn.Context(), t.idle)
	defer cancel()
	var pinging sync.WaitGroup
	defer pinging.Wait()
	if err := t.bytes.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	pinging.Go(func() {
		_, _ = t.conn.Ping(ctx) // the end of the connection ends the Read, too
		_ = t.bytes.SetReadDeadline(time.Now())
	})
	n, _ := t.bytes.Read(make([]byte, 1)) // any error: nothing came
	if n > 0 || t.conn.Stats().Received.Held > 0 {
		return t.tooMuch()
	}
	return nil
}
