package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/stream"
)

// An outputError is a failure of standard output, or of the record.
type outputError struct{ error }

func (e outputError) Unwrap() error { return e.error }

// textLines returns the lines of src as text messages.
func textLines(src stream.Readable[[]byte], longest size) stream.Readable[wsstream.Message] {
	n := 0
	lines := stream.Lines(src, int(longest))
	return stream.Map(lines, func(line string) (wsstream.Message, error) {
		if n++; !utf8.ValidString(line) {
			return wsstream.Message{}, fmt.Errorf("line %d is not UTF-8: --binary takes any bytes", n)
		}
		return wsstream.Text(line), nil
	})
}

// session sends and receives on one connection, until both have ended or the second interrupt
// comes.
func (d *dialer) session(conn *wsstream.Conn) error {
	defer conn.CloseNow()
	defer context.AfterFunc(d.stop.soft, func() { d.close(conn) })()
	if d.prompt != nil {
		d.prompt.connected(conn)
	}
	finish := d.watch(conn)
	defer finish()
	sent, received := make(chan error, 1), make(chan error, 1)
	go func() { sent <- d.send(conn) }()        // ends with the connection
	go func() { received <- d.receive(conn) }() // ends with the connection, or with the process
	var err error
	select {
	case err = <-received:
	case <-d.stop.hard.Done():
		return errCut
	}
	_, _ = conn.Closed().Wait(d.stop.hard) // our own Close has left
	if sendErr := <-sent; !is[outputError](err) && sendErr != nil {
		return sendErr
	}
	return err
}

// send sends what there is to send. Its error is a failure of the input, and not of the connection,
// which receive returns.
func (d *dialer) send(conn *wsstream.Conn) error {
	src := d.in
	if d.recorder != nil {
		src = stream.Map(src, func(m wsstream.Message) (wsstream.Message, error) {
			return m, d.recorder.add(fromClient, m)
		})
	}
	// The input goes on with the next connection. Its failure is not hidden behind the connection's.
	err := stream.Pipe(context.Background(), conn.Writable(), src,
		&stream.PipeOptions{PreventClose: true, PreventAbort: true, PreventCancel: true})
	switch {
	case err == nil:
		d.inputEnded(conn)
		return nil
	case errors.Is(err, wsstream.ErrClosed), is[*wsstream.Error](err):
		return nil
	default: // a line that is too long or not UTF-8, a file that cannot be read
		d.closing.Store(true)
		_ = conn.Writable().Fail(context.Background(), err)
		if is[outputError](err) {
			return err
		}
		return fmt.Errorf("the input: %w", err)
	}
}

// inputEnded closes when the server has answered. A WebSocket has no end of one direction alone: a
// server that reads a Close sends nothing more.
func (d *dialer) inputEnded(conn *wsstream.Conn) {
	if d.noClose || d.count > 0 {
		return
	}
	if d.linger > 0 {
		d.idle(conn)
	}
	d.close(conn)
}

// idle waits until all was sent, all that came was written, and nothing more has come for a time.
// It returns at the end of the connection, too.
func (d *dialer) idle(conn *wsstream.Conn) {
	_ = conn.Writable().Flush(conn.Context()) // an error is the end of the connection
	d.last.Store(time.Now().UnixNano())
	for {
		left := d.linger - time.Since(time.Unix(0, d.last.Load()))
		if left <= 0 && conn.Stats().Received.Held == 0 {
			return
		}
		if !pause(conn.Context(), max(left, d.linger/10)) {
			return
		}
	}
}

// close closes in order. What was sent before leaves, and what comes is still received.
func (d *dialer) close(conn *wsstream.Conn) {
	d.closing.Store(true)
	_ = conn.Close(wsstream.CloseInfo{Code: d.closeCode}) // sendable has checked the code
}

// receive writes what comes to standard output. Its error is an outputError, or the end of the
// connection unless that is a clean one.
func (d *dialer) receive(conn *wsstream.Conn) error {
	err := d.output(conn)
	if !is[outputError](err) {
		return err
	}
	d.closing.Store(true)
	if errors.Is(err, syscall.EPIPE) { // the reader of the output has all that it wants
		return conn.Shutdown(d.stop.hard, wsstream.CloseInfo{Code: d.closeCode})
	}
	_ = conn.Readable().Cancel(err)
	return err
}

func (d *dialer) output(conn *wsstream.Conn) error {
	if d.recorder == nil && d.prompt == nil {
		return d.copy(conn)
	}
	for m, err := range conn.Readable().All(context.Background()) {
		if err != nil {
			return err
		}
		if d.recorder != nil {
			if err := d.recorder.add(fromServer, m); err != nil {
				return err
			}
		}
		if err := d.write(m); err != nil {
			return outputError{err}
		}
		if d.counted(conn) {
			break
		}
	}
	return nil
}

// copy writes messages of any length as they come.
func (d *dialer) copy(conn *wsstream.Conn) error {
	buffer := make([]byte, 32<<10)
	for m, err := range conn.Readable().Messages(context.Background()) {
		if err != nil {
			return err
		}
		if err := d.copyMessage(m, buffer); err != nil {
			return outputError{err}
		}
		if d.counted(conn) {
			break
		}
	}
	return nil
}

// counted counts a message that was written, and closes after the last. What follows it is dropped.
func (d *dialer) counted(conn *wsstream.Conn) bool {
	d.received++
	d.last.Store(time.Now().UnixNano())
	if d.count == 0 || d.received < d.count {
		return false
	}
	d.close(conn)
	conn.Readable().Discard()
	return true
}

// write writes or shows a whole message.
func (d *dialer) write(m wsstream.Message) error {
	switch {
	case d.prompt != nil:
		d.prompt.message(m)
		return nil
	case !d.binary:
		m.Data = append(m.Data, '\n')
	}
	_, err := d.stdout.Write(m.Data)
	return err
}

// copyMessage writes one message. A line that fits the buffer is one Write. The error is that of
// the output: if the message is cut short, the connection has ended, and the next call says so.
func (d *dialer) copyMessage(m *wsstream.MessageReader, buffer []byte) error {
	last := len(buffer) - 1 // where there is room for the end of a line
	n := 0
	for {
		k, err := m.Read(buffer[n:last])
		n += k
		whole := errors.Is(err, io.EOF)
		if whole && !d.binary {
			buffer[n] = '\n'
			n++
		}
		if n > 0 && (err != nil || d.binary || n == last) {
			if _, err := d.stdout.Write(buffer[:n]); err != nil {
				return err
			}
			n = 0
		}
		if err != nil {
			return nil
		}
	}
}
