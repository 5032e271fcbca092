// Package console is what the example programs show while they run: on a terminal, in a pipe and in
// a file.
package console

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/dustin/go-humanize"
	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// A State is how far a program has come.
type State struct {
	Done, Total int64    // in the program's own units; a Total of 0 is unknown
	Text        []string // what else is shown, in the order of its worth; nothing is shown without it
}

// Progress shows on w what look returns, until stop is called. On a terminal it is a bar that is
// drawn again ten times a second. The bar leaves out the last texts if the window is too narrow.
// Elsewhere it is a line as often as every says. Progress calls look on a goroutine of its own, and
// stop returns after the last call.
func Progress(w io.Writer, every time.Duration, look func() State) (stop func()) {
	show := line(w)
	if f, ok := terminal(w); ok {
		show, every = bar(w, func() int { return width(f) }), 100*time.Millisecond
	}
	quit := make(chan struct{}) // closed by stop
	var wg sync.WaitGroup
	wg.Go(func() { // ends with stop
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				show(look(), false)
			case <-quit:
				show(look(), true)
				return
			}
		}
	})
	return func() {
		close(quit)
		wg.Wait()
	}
}

// Fail prints the program's error on one line of w. On a terminal that line replaces the ^C of an
// interrupt.
func Fail(w io.Writer, program string, err error) {
	text := program + ": " + Printable(w, strings.Join(strings.Fields(err.Error()), " "))
	if _, ok := terminal(w); ok {
		text = "\r" + text
	}
	_, _ = fmt.Fprintln(w, text)
}

// Printable returns a text of others as w may show it. On a terminal the text has escapes in place
// of control characters, so that it cannot command the terminal. Elsewhere it is unchanged.
func Printable(w io.Writer, text string) string {
	if _, ok := terminal(w); !ok {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if r == '\t' || unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
	}
	return b.String()
}

// line shows states on lines of their own. The last state is the report's to show.
func line(w io.Writer) (show func(s State, last bool)) {
	return func(s State, last bool) {
		if len(s.Text) == 0 || last {
			return
		}
		percent := ""
		if s.Total > 0 {
			percent = fmt.Sprintf("%3d %%, ", 100*min(s.Done, s.Total)/s.Total)
		}
		_, _ = fmt.Fprintln(w, percent+strings.Join(s.Text, ", "))
	}
}

const (
	barWidth = 10
	// around is what stands on the line beside the texts: the percentage, the bar and its ends,
	// spaces, and the ^C that an interrupt adds. A line that an interrupt breaks could not be drawn
	// again.
	around = len("100% ||   ") + barWidth + len(" ^C")
)

// bar shows states as a bar that fits into width columns.
func bar(w io.Writer, width func() int) (show func(s State, last bool)) {
	var b *progressbar.ProgressBar
	return func(s State, last bool) {
		if len(s.Text) == 0 {
			return
		}
		if b == nil {
			b = newBar(w, s.Total)
		}
		done := s.Done
		switch {
		case s.Total > 0 && last:
			done = min(done, s.Total)
		case s.Total > 0:
			done = min(done, s.Total-1) // a full bar shows nothing more, and the total may be a guess
		}
		b.Describe(fit(s.Text, width()-around))
		_ = b.Set64(done)
		if last {
			_ = b.Exit()
			_, _ = fmt.Fprintln(w)
		}
	}
}

func newBar(w io.Writer, total int64) *progressbar.ProgressBar {
	if total == 0 {
		total = -1 // a spinner
	}
	return progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(w),
		progressbar.OptionUseANSICodes(true),
		progressbar.OptionShowDescriptionAtLineEnd(),
		progressbar.OptionSetSpinnerChangeInterval(0),
		progressbar.OptionSetPredictTime(false),
		progressbar.OptionSetElapsedTime(false),
		progressbar.OptionSetWidth(barWidth),
	)
}

// fit joins as many of texts, from the first, as have room in width columns.
func fit(texts []string, width int) string {
	for n := len(texts); n > 0; n-- {
		if joined := strings.Join(texts[:n], ", "); len(joined) <= width {
			return joined
		}
	}
	return ""
}

// terminal returns w's file if it is a terminal.
func terminal(w io.Writer) (*os.File, bool) {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil, false
	}
	return f, true
}

// width is how many columns a terminal has: it changes with its window.
func width(f *os.File) int {
	columns, _, err := term.GetSize(int(f.Fd()))
	if err != nil || columns == 0 { // a terminal on a serial line does not know
		return 80
	}
	return columns
}

// Speed is n bytes in a time, for people.
func Speed(n int64, took time.Duration) string {
	return humanize.Bytes(uint64(float64(n)/max(took, time.Microsecond).Seconds())) + "/s"
}

// Table prints rows of cells in aligned columns.
func Table(w io.Writer, rows ...[]string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		_, _ = fmt.Fprintln(t, strings.Join(row, "\t")) // Flush tells
	}
	return t.Flush()
}

// Sums prints the hashes of what was sent and received: one if they are the same. A hash has no
// room in a table.
func Sums(w io.Writer, sent, received string) error {
	if sent == received {
		_, err := fmt.Fprintln(w, "sha256", sent)
		return err
	}
	_, err := fmt.Fprintf(w, "sha256 sent     %s\nsha256 received %s\n", sent, received)
	return err
}
