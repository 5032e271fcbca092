// Package proc runs the processes of a measurement: each library in one of its own, and the peer in
// another. Parent and child talk in lines of JSON, over the child's standard input and a pipe. A
// child ends when its input does, so none outlives its parent.
package proc

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

const (
	roleEnv     = "WSSTREAM_BENCH_ROLE"
	callTimeout = 2 * time.Minute
	endTimeout  = 5 * time.Second
)

// Role is what this process was started as; empty for the parent.
func Role() string { return os.Getenv(roleEnv) }

// A Child is a process that was started. Its methods are for one goroutine.
type Child struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	answers chan answer // closed when the child's output ends
}

type call struct {
	Method string
	Args   json.RawMessage
}

type answer struct {
	Err    string
	Result json.RawMessage
}

// Start starts this program again, as role.
func Start(role string) (*Child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	out, childOut, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	c := &Child{cmd: exec.Command(self), answers: make(chan answer)}
	c.cmd.Env = append(os.Environ(), roleEnv+"="+role)
	c.cmd.Stdout, c.cmd.Stderr = os.Stderr, os.Stderr // a library's log does not get into the protocol
	c.cmd.ExtraFiles = []*os.File{childOut}
	if c.in, err = c.cmd.StdinPipe(); err == nil {
		err = c.cmd.Start()
	}
	_ = childOut.Close()
	if err != nil {
		_ = out.Close()
		return nil, err
	}
	go func() { // ends with the child
		defer close(c.answers)
		defer func() { _ = out.Close() }()
		for d := json.NewDecoder(out); ; {
			var a answer
			if d.Decode(&a) != nil {
				return
			}
			c.answers <- a
		}
	}()
	return c, nil
}

// Call has the child do method and waits for its result, which may be nil.
func (c *Child) Call(method string, args, result any) error {
	raw, err := json.Marshal(args)
	if err != nil {
		return err
	}
	line, err := json.Marshal(call{method, raw})
	if err != nil {
		return err
	}
	if _, err := c.in.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("%s: the process has ended: %w", method, err)
	}
	select {
	case a, ok := <-c.answers:
		switch {
		case !ok:
			return fmt.Errorf("%s: the process has ended", method)
		case a.Err != "":
			return fmt.Errorf("%s: %s", method, a.Err)
		case result == nil:
			return nil
		}
		return json.Unmarshal(a.Result, result)
	case <-time.After(callTimeout):
		return fmt.Errorf("%s: no answer within %v", method, callTimeout)
	}
}

// Close ends the child and waits until it has. It is an error if the child had to be killed, or had
// failed.
func (c *Child) Close() error {
	_ = c.in.Close()
	kill := time.AfterFunc(endTimeout, func() { _ = c.cmd.Process.Kill() })
	defer kill.Stop()
	for range c.answers { // until its output ends
	}
	return c.cmd.Wait()
}

// Serve is the child's side: do is called for each of the parent's calls, one at a time, until the
// input ends.
func Serve(do func(method string, args json.RawMessage) (any, error)) error {
	out := os.NewFile(3, "answers")
	in := json.NewDecoder(bufio.NewReader(os.Stdin))
	for e := json.NewEncoder(out); ; {
		var c call
		if err := in.Decode(&c); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		var a answer
		result, err := do(c.Method, c.Args)
		if err == nil {
			a.Result, err = json.Marshal(result)
		}
		if err != nil {
			a.Err = err.Error()
		}
		if err := e.Encode(a); err != nil {
			return err
		}
	}
}
