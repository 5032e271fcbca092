// Package kubernetes is a server for the client of kubectl exec: v5.channel.k8s.io. Each message
// begins with the number of a stream. Copy it.
package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/wsstream/wsstream"
)

// The streams. A message of closing ends the stream whose number follows.
const (
	stdin   = 0
	stdout  = 1
	stderr  = 2
	status  = 3
	closing = 255
)

// Streams are the standard streams of a command. While the command does not read, the client waits,
// and while the client does not read, writes wait.
type Streams struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

// Exec returns a handler that calls run for each request. The client gets the text of its error.
func Exec(run func(ctx context.Context, r *http.Request, s Streams) error) http.Handler {
	o := &wsstream.AcceptOptions{Subprotocols: []string{"v5.channel.k8s.io"}}
	return wsstream.Handler(func(conn *wsstream.Conn, r *http.Request) error {
		in, feed := io.Pipe()
		read := make(chan struct{})
		go func() { // ends with the connection, or when run has returned
			defer close(read)
			feed.CloseWithError(receive(r.Context(), conn, feed))
		}()
		err := run(r.Context(), r, Streams{
			Stdin:  in,
			Stdout: &writer{conn, stdout},
			Stderr: &writer{conn, stderr},
		})
		_ = in.Close() // what comes from now on is dropped
		result, _ := json.Marshal(newStatus(err))
		_, err = (&writer{conn, status}).Write(result)
		err = errors.Join(err, conn.Writable().Close(context.Background()))
		<-read
		return err
	}, o)
}

// receive gives the client's input to the command.
func receive(ctx context.Context, conn *wsstream.Conn, stdinPipe io.Writer) error {
	for m, err := range conn.Readable().All(ctx) {
		switch {
		case err != nil:
			return err
		case len(m.Data) == 0:
			return errors.New("kubernetes: a message without a stream")
		case m.Data[0] == stdin:
			if _, err := stdinPipe.Write(m.Data[1:]); err != nil {
				return conn.Readable().Cancel(nil) // the command reads no more
			}
		case m.Data[0] == closing && len(m.Data) == 2 && m.Data[1] == stdin:
			conn.Readable().Discard()
			return io.EOF
		}
	}
	return io.ErrUnexpectedEOF // the client has gone before it ended the input
}

// A writer sends what is written to it as a stream of the client's.
type writer struct {
	conn   *wsstream.Conn
	stream byte
}

func (w *writer) Write(p []byte) (int, error) {
	const most = 32 << 10
	for n := 0; n < len(p); n += most {
		part := p[n:min(n+most, len(p))]
		m := wsstream.Binary(append([]byte{w.stream}, part...))
		if err := w.conn.Writable().Write(w.conn.Context(), m); err != nil {
			return n, err
		}
	}
	return len(p), nil
}

func newStatus(err error) map[string]any {
	if err == nil {
		return map[string]any{"metadata": struct{}{}, "status": "Success"}
	}
	return map[string]any{
		"metadata": struct{}{}, "status": "Failure", "reason": "InternalError", "message": err.Error(),
	}
}
