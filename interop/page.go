package main

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/wsstream/wsstream/interop/battery"
	"github.com/wsstream/wsstream/interop/trial"
)

const head = `# What wsstream was run against

` + "`go run ./interop`" + ` wrote this page. Each row is a program of other people that was installed
and run, in one role, against wsstream of this tree. Nothing here is a promise: it is what was seen.

- **flood to it**: the bytes that wsstream had written when a peer that read nothing stopped it.
  *Swallowed* means that the peer took 32 MiB without reading: nothing held the writer back.
- **flood from it**: the bytes that the peer's library had taken when nothing pulled for three
  seconds. *Swallowed* means that the library queued 32 MiB for a reader that read nothing.
  wsstream itself never held more than its window.
- Kernel buffers take some megabytes in both cases.
- After each pause all 1,024 messages arrived, in order, unless the row says otherwise.

`

// pageOf returns docs/interop.md.
func pageOf(results []*trial.Result) []byte {
	var b bytes.Buffer
	b.WriteString(head)
	b.WriteString("| peer | role | version | checks | flood to it | flood from it | compression |\n")
	b.WriteString("|---|---|---|---|---|---|---|\n")
	for _, r := range results {
		if r.Missing != nil {
			continue
		}
		fmt.Fprintf(&b, "| [%s](#%s) | %s | %s | %s | %s | %s | %s |\n",
			r.Row.Name, anchor(r), r.Row.Role, r.Version, checks(r),
			first(r, battery.FloodTo), first(r, battery.FloodFrom), first(r, battery.Deflate))
	}
	for _, r := range results {
		section(&b, r)
	}
	return b.Bytes()
}

func checks(r *trial.Result) string {
	s := fmt.Sprintf("%d of %d", len(r.Passed), len(r.Passed)+len(r.Known)+len(r.Failed))
	if len(r.Failed) > 0 {
		s += ", **failed**"
	}
	return s
}

func first(r *trial.Result, what string) string {
	return cmp.Or(strings.Join(r.Note(what)[:min(1, len(r.Note(what)))], ""), "–")
}

func title(r *trial.Result) string { return fmt.Sprintf("%s as %s", r.Row.Name, r.Row.Role) }

// anchor is the fragment that GitHub makes of a heading.
func anchor(r *trial.Result) string {
	var s strings.Builder
	for _, c := range strings.ToLower(title(r)) {
		switch {
		case c == ' ':
			s.WriteByte('-')
		case c == '-' || c == '_' || unicode.IsLetter(c) || unicode.IsDigit(c):
			s.WriteRune(c)
		}
	}
	return s.String()
}

// section writes what one row showed.
func section(b *bytes.Buffer, r *trial.Result) {
	fmt.Fprintf(b, "\n## %s\n\n", title(r))
	if r.Missing != nil {
		item(b, "", "It was not run: %v.", r.Missing)
		return
	}
	if len(r.Passed) > 0 {
		item(b, "- ", "Passed: %s.", names(r.Passed))
	}
	if len(r.Cannot) > 0 {
		item(b, "- ", "It has nothing for: %s.", names(r.Cannot))
	}
	for _, name := range r.Known {
		if why, ok := r.Row.Known[name]; ok {
			item(b, "- ", "`%s`: %s", name, why)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.Row.Sometimes)) {
		item(b, "- ", "`%s`, in some runs: %s", name, r.Row.Sometimes[name])
	}
	for _, f := range r.Failed {
		item(b, "- ", "**Failed**: %s", f)
	}
	for _, n := range r.Notes {
		item(b, "- ", "%s: %s", n.What, n.Value)
	}
	for _, p := range r.Row.Pitfalls {
		item(b, "- ", "%s", p)
	}
}

// names writes the names of checks.
func names(checks []string) string { return "`" + strings.Join(checks, "`, `") + "`" }

// columns is the width of a line of the page.
const columns = 98

// token is a word, or code that stays on one line.
var token = regexp.MustCompile("[^`\\s]*`[^`]*`\\S*|\\S+")

// item writes a paragraph that begins with mark, in lines of the page's width.
func item(b *bytes.Buffer, mark, format string, args ...any) {
	b.WriteString(mark)
	at := len(mark)
	for i, word := range token.FindAllString(fmt.Sprintf(format, args...), -1) {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case at+1+n > columns:
			b.WriteString("\n" + strings.Repeat(" ", len(mark)))
			at = len(mark)
		default:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at += n
	}
	b.WriteByte('\n')
}
