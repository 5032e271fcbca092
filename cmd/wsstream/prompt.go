package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"

	"golang.org/x/term"

	"github.com/wsstream/wsstream"
)

const promptHelp = `/ping  /close [CODE [REASON]]  /help; a message that begins with / is written //
arrow keys: history; Ctrl-D or Ctrl-C: close, and Ctrl-C again: cut`

// A prompt is a user at a terminal. What comes is shown above the line that is being typed.
type prompt struct {
	term  *term.Terminal
	in    *os.File
	out   *os.File
	press func()                        // of interrupts
	conn  atomic.Pointer[wsstream.Conn] // the last that was connected

	mu  sync.Mutex
	raw *term.State // of in, before the prompt; nil before lines and after close; guarded by mu
}

// terminal returns the file of a terminal.
func terminal(rw any) (*os.File, bool) {
	f, ok := rw.(*os.File)
	return f, ok && term.IsTerminal(int(f.Fd()))
}

// terminals returns both ends of a console that is a terminal.
func terminals(stdin io.Reader, stdout io.Writer) (in, out *os.File, ok bool) {
	in, isIn := terminal(stdin)
	out, isOut := terminal(stdout)
	return in, out, isIn && isOut
}

func newPrompt(in, out *os.File, press func()) *prompt {
	t := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{in, out}, "> ")
	if os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		t.Escape = &term.EscapeCodes{}
	}
	return &prompt{term: t, in: in, out: out, press: press}
}

// lines yields the messages that the user types. Its end is that of the input.
func (p *prompt) lines(yield func(wsstream.Message, error) bool) {
	p.resize()
	defer onResize(p.resize)()
	raw, err := term.MakeRaw(int(p.in.Fd()))
	if err != nil {
		yield(wsstream.Message{}, err)
		return
	}
	p.mu.Lock()
	p.raw = raw
	p.mu.Unlock()
	for {
		line, err := p.term.ReadLine()
		if err != nil { // Ctrl-D or Ctrl-C
			p.close() // the next Ctrl-C is a signal
			p.press()
			return
		}
		command, isCommand := strings.CutPrefix(line, "/")
		if isCommand && !strings.HasPrefix(command, "/") {
			p.command(strings.Fields(command))
			continue
		}
		if isCommand {
			line = command
		}
		if !yield(wsstream.Text(line), nil) {
			return
		}
	}
}

// command does what a line with a slash says.
func (p *prompt) command(words []string) {
	conn := p.conn.Load()
	name := ""
	if len(words) > 0 {
		name = words[0]
	}
	switch name {
	case "ping":
		go p.ping(conn) // ends with its timeout
	case "close":
		p.closeWith(conn, words[1:])
	default:
		p.note(promptHelp)
	}
}

func (p *prompt) ping(conn *wsstream.Conn) {
	ctx, cancel := context.WithTimeout(conn.Context(), 10*time.Second)
	defer cancel()
	took, err := conn.Ping(ctx)
	if err != nil {
		p.note("no pong: " + oneLine(err))
		return
	}
	p.note(fmt.Sprint("pong after ", took.Round(10*time.Microsecond)))
}

func (p *prompt) closeWith(conn *wsstream.Conn, words []string) {
	info := wsstream.CloseInfo{Code: 1000}
	var err error
	if len(words) > 0 {
		info.Code, err = strconv.Atoi(words[0])
		info.Reason = strings.Join(words[1:], " ")
	}
	if err == nil {
		err = conn.Close(info)
	}
	if err != nil {
		p.note(oneLine(err))
	}
}

func (p *prompt) connected(conn *wsstream.Conn) {
	p.conn.Store(conn)
	text := "connected to " + conn.URL()
	if o, err, _ := conn.Opened().Peek(); err == nil && o.Protocol != "" {
		text += ", protocol " + o.Protocol
	}
	p.note(text + "; /help lists commands")
}

// message shows a message that came.
func (p *prompt) message(m wsstream.Message) {
	text := printable(string(m.Data))
	if m.Type == wsstream.TypeBinary {
		shown := m.Data[:min(len(m.Data), 32)]
		text = fmt.Sprintf("%d bytes: % x", len(m.Data), shown)
		if len(shown) < len(m.Data) {
			text += " …"
		}
	}
	p.show(p.term.Escape.Cyan, "< "+text)
}

// note shows what is not a message.
func (p *prompt) note(text string) { p.show(p.term.Escape.Yellow, "* "+printable(text)) }

func (p *prompt) show(colour []byte, text string) {
	_, _ = fmt.Fprintf(p.term, "%s%s%s\n", colour, text, p.term.Escape.Reset)
}

// printable makes a text that cannot command the terminal. Its lines stay lines.
func printable(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\n':
			b.WriteString("\n  ")
		case r == '\t' || unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
	}
	return b.String()
}

func (p *prompt) resize() {
	if width, height, err := term.GetSize(int(p.out.Fd())); err == nil && width > 0 {
		_ = p.term.SetSize(width, height)
	}
}

// close gives the terminal back as it was.
func (p *prompt) close() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.raw != nil {
		_ = term.Restore(int(p.in.Fd()), p.raw)
		p.raw = nil
	}
}
