package report

import (
	"fmt"
	"io"
	"math"
	"strings"
	"unicode/utf8"
)

// Style says how a table marks what it stresses.
type Style struct{ Terminal bool }

func (s Style) bold(text string) string {
	if s.Terminal {
		return "\x1b[1m**" + text + "**\x1b[0m"
	}
	return "**" + text + "**"
}

// Table writes a result as a table of Markdown: of each metric the median, of the first its spread too, and how many
// times as good it is as the best peer's and as raw's. Where a peer is better than wsstream, its median is bold.
func Table(w io.Writer, r Result, s Style) {
	fmt.Fprintf(w, "\n### %s\n\n", r.Scenario)
	rows := [][]string{{"library"}}
	for i, m := range r.Metrics {
		name := m.Name
		if m.Unit != "" {
			name += ", " + m.Unit
		}
		if rows[0] = append(rows[0], name); i == 0 {
			rows[0] = append(rows[0], "min … max", "× best peer", "× raw")
		}
	}
	rows[0] = append(rows[0], "note")
	for _, l := range r.Lines {
		row := []string{l.Name()}
		for i, m := range r.Metrics {
			stat := l.Stat(m.Name)
			cell := Number(stat.Median)
			if l.isPeer() && better(stat.Median, r.ours(m.Name), m.Lower) {
				cell = s.bold(cell)
			}
			if row = append(row, cell); i == 0 {
				row = append(row, Number(stat.Min)+" … "+Number(stat.Max),
					times(Ratio(stat.Median, r.best(m.Name, m.Lower), m.Lower)),
					times(Ratio(stat.Median, r.raw(m.Name), m.Lower)))
			}
		}
		rows = append(rows, append(row, l.Note()))
	}
	markdown(w, rows)
}

// markdown writes rows, the first of which is the head, as a table whose columns are aligned.
func markdown(w io.Writer, rows [][]string) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], width(cell))
		}
	}
	line := func(row []string, pad string) {
		for i, cell := range row {
			fmt.Fprintf(w, "|%s%s%s%s", pad, cell, strings.Repeat(pad, widths[i]-width(cell)), pad)
		}
		fmt.Fprintln(w, "|")
	}
	line(rows[0], " ")
	line(make([]string, len(widths)), "-")
	for _, row := range rows[1:] {
		line(row, " ")
	}
}

// width is how many columns of a terminal text takes.
func width(text string) int {
	n := utf8.RuneCountInString(text)
	if strings.Contains(text, "\x1b") {
		n -= utf8.RuneCountInString(Style{true}.bold("")) - utf8.RuneCountInString(Style{}.bold(""))
	}
	return n
}

// Number writes three digits of v, and a k or an M behind it where it is large. NaN is a dash.
func Number(v float64) string {
	switch a := math.Abs(v); {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return "–"
	case a >= 999_500:
		return digits(v/1e6) + " M"
	case a >= 9_995:
		return digits(v/1e3) + " k"
	}
	return digits(v)
}

func digits(v float64) string {
	switch a := math.Abs(v); {
	case a == 0:
		return "0"
	case a < 0.9995:
		return fmt.Sprintf("%.3f", v)
	case a < 9.995:
		return fmt.Sprintf("%.2f", v)
	case a < 99.95:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

func times(ratio float64) string {
	if n := Number(ratio); n != "–" {
		return n + "×"
	}
	return "–"
}
