package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"time"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/stream"
)

// A child is a process whose standard streams are those of a connection.
type child struct {
	cmd    *exec.Cmd
	hard   context.Context // of the command's interrupts
	exited chan struct{}   // closed when it has ended, and all that it wrote was taken
	err    error           // how it ended; set before exited
}

// startProcess starts the command, and moves its streams.
func (s *commandServer) startProcess(conn *wsstream.Conn, r *http.Request) (*child, error) {
	cmd := exec.Command(s.command[0], s.command[1:]...)
	cmd.Env = environment(conn, r)
	cmd.Stderr = s.stderr
	cmd.SysProcAttr = ownGroup()
	stdin, inErr := cmd.StdinPipe()
	stdout, outErr := cmd.StdoutPipe()
	if err := errors.Join(inErr, outErr); err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &child{cmd: cmd, hard: s.stop.hard, exited: make(chan struct{})}
	go s.input(conn, stdin) // ends with the connection, or with the process
	go func() {             // ends with the process
		defer close(c.exited)
		s.output(conn, stdout)
		c.err = cmd.Wait() // closes both pipes
	}()
	return c, nil
}

// input writes what comes to the process. A process that closes its standard input still sends. If
// the connection is lost, the standard input does not end: it would look complete.
func (s *commandServer) input(conn *wsstream.Conn, stdin io.WriteCloser) {
	src := stream.Map(conn.Readable(), func(m wsstream.Message) ([]byte, error) {
		if s.binary {
			return m.Data, nil
		}
		return append(m.Data, '\n'), nil
	})
	err := stream.Pipe(context.Background(), stream.ToWriter(stdin), src,
		&stream.PipeOptions{PreventAbort: true, PreventCancel: true})
	if err != nil {
		conn.Readable().Discard()
	}
}

// output sends what the process writes. If the connection has ended, it is drained: the process is
// told to end, and must not block until then.
func (s *commandServer) output(conn *wsstream.Conn, stdout io.Reader) {
	src := stream.FromReader(struct{ io.Reader }{stdout}, 0)
	messages := stream.Map(src, func(b []byte) (wsstream.Message, error) {
		return wsstream.Binary(b), nil
	})
	if !s.binary {
		messages = textLines(src, s.flags.stream.maxMessage)
	}
	err := stream.Pipe(context.Background(), conn.Writable(), messages,
		&stream.PipeOptions{PreventClose: true})
	if err == nil {
		return
	}
	if !errors.Is(err, wsstream.ErrClosed) && !is[*wsstream.Error](err) {
		report(s.stderr, fmt.Errorf("standard output of %s: %w", s.command[0], err))
	}
	_, _ = io.Copy(io.Discard, stdout) // its error is that the process has ended
}

// end ends the process, whose connection has ended.
func (c *child) end(conn *wsstream.Conn, termAfter, killAfter time.Duration) {
	clean := errors.Is(context.Cause(conn.Context()), wsstream.ErrClosed)
	if clean && c.within(termAfter) {
		return
	}
	terminate(c.cmd)
	if !c.within(killAfter) {
		kill(c.cmd)
	}
	<-c.exited
}

// within reports whether the process ends within a time, and before the second interrupt.
func (c *child) within(d time.Duration) bool {
	select {
	case <-c.exited:
		return true
	case <-time.After(d):
		return false
	case <-c.hard.Done():
		return false
	}
}

// closing returns the error whose code and reason the client gets.
func (c *child) closing() error {
	failed, ok := errors.AsType[*exec.ExitError](c.err)
	switch {
	case c.err == nil:
		return nil
	case ok && failed.ExitCode() > 0:
		return &wsstream.Error{CloseInfo: wsstream.CloseInfo{
			Code: 4000 + min(failed.ExitCode(), 999), Reason: failed.String()}}
	case ok: // a signal
		return &wsstream.Error{CloseInfo: wsstream.CloseInfo{Code: 1011, Reason: failed.String()}}
	default:
		return c.err
	}
}
