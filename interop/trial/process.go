package trial

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/stretchr/testify/require"
)

// A Process is a program that a trial or a test has started. It ends with the check, the trial or
// the test.
type Process struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	ended chan struct{} // closed when it has been waited for

	mu     sync.Mutex
	events []Event
	more   chan struct{} // closed at the next event
}

// An Event is a line that a peer writes to its standard output, as JSON. Lines that do not begin
// with a brace are the peer's own output, and go to the log.
type Event struct {
	URL    string `json:"url"`    // where a server listens
	Sent   *int   `json:"sent"`   // messages of a flood that its library has taken
	Closed *End   `json:"closed"` // how a connection ended
	Say    string `json:"say"`    // anything else
}

// An End is how a connection ended for a peer, as far as its API says. 1006 stands for an end
// without a Close.
type End struct {
	Code   int    `json:"code"`
	Reason string `json:"reason"`
	Clean  *bool  `json:"clean"` // nil if its API does not say
}

// A TB is what a process needs of the test that started it: a *T, or a *testing.T.
type TB interface {
	require.TestingT
	Context() context.Context
	Cleanup(f func())
	Output() io.Writer
}

// Start is the function Start for a trial.
func (t *T) Start(dir string, env []string, name string, args ...string) *Process {
	return Start(t, dir, env, name, args...)
}

// Start starts a program in a process group of its own. env is added to the environment. The program
// is killed at t's cleanup.
func Start(t TB, dir string, env []string, name string, args ...string) *Process {
	path, err := lookPath(name)
	require.NoError(t, err)
	cmd := exec.Command(path, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = t.Output()
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	// A thread that ends takes a child with Pdeathsig with it, and goroutines leave their threads.
	// The one that starts the child is kept until the child has ended.
	started := make(chan error, 1)
	p := &Process{cmd: cmd, in: in, ended: make(chan struct{}), more: make(chan struct{})}
	go p.run(out, t.Output(), started)
	require.NoError(t, <-started)
	t.Cleanup(func() {
		p.Kill()
		<-p.ended
	})
	return p
}

// Kill ends the process and what it has started.
func (p *Process) Kill() { _ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) }

// Signal sends a signal to the process alone.
func (p *Process) Signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }

// Ended returns a channel that is closed when the process has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Tell writes a line to the process.
func (p *Process) Tell(t TB, format string, args ...any) {
	_, err := fmt.Fprintf(p.in, format+"\n", args...)
	require.NoError(t, err)
}

// Hear notes an event that came in another way than over the standard output.
func (p *Process) Hear(e Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.events = append(p.events, e)
	close(p.more)
	p.more = make(chan struct{})
}

// Events returns the number of events until now. Await begins to look there.
func (p *Process) Events() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.events)
}

// Await waits for the first event from index since on that is wanted.
func (p *Process) Await(t TB, since int, what string, wanted func(Event) bool) Event {
	for i := since; ; i++ {
		e, err := p.event(t.Context(), i)
		require.NoError(t, err, "no word of %s", what)
		if wanted(e) {
			return e
		}
	}
}

func (p *Process) event(ctx context.Context, i int) (Event, error) {
	for {
		p.mu.Lock()
		if i < len(p.events) {
			defer p.mu.Unlock()
			return p.events[i], nil
		}
		more := p.more
		p.mu.Unlock()
		select {
		case <-more:
		case <-p.ended:
			return Event{}, fmt.Errorf("%s has ended: %v", p.cmd.Path, p.cmd.ProcessState)
		case <-ctx.Done():
			return Event{}, context.Cause(ctx)
		}
	}
}

// URL waits until a server says where it listens.
func (p *Process) URL(t TB) string {
	return p.Await(t, 0, "the URL at which it listens", func(e Event) bool { return e.URL != "" }).URL
}

// Closed waits for the end of the connection that began when there were that many events.
func (p *Process) Closed(t TB, since int) End {
	e := p.Await(t, since, "how the connection ended", func(e Event) bool { return e.Closed != nil })
	return *e.Closed
}

// AwaitEnd is Closed for a caller that needs no answer. It gives up after a time.
func (p *Process) AwaitEnd(since int, patience time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for i := since; ; i++ {
		if e, err := p.event(ctx, i); err != nil || e.Closed != nil {
			return
		}
	}
}

// Sent returns how many messages of a flood the peer's library has taken until now.
func (p *Process) Sent(since int) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.events[since:] {
		if e.Sent != nil {
			n = *e.Sent
		}
	}
	return n
}

// asEvent reads a line of a peer.
func asEvent(line string) (e Event, ok bool) {
	ok = strings.HasPrefix(line, "{") && json.Unmarshal([]byte(line), &e) == nil
	return e, ok
}

func (p *Process) read(out io.Reader, log io.Writer) {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if e, ok := asEvent(lines.Text()); ok {
			p.Hear(e)
		} else {
			_, _ = fmt.Fprintln(log, lines.Text())
		}
	}
	_, _ = io.Copy(io.Discard, out) // a line was too long: the program must not block
}

// run starts the program, and waits for it on the same thread.
func (p *Process) run(out io.Reader, log io.Writer, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(p.ended)
	err := p.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	p.read(out, log)
	_ = p.cmd.Wait() // it was killed, or its status is in ProcessState
}
