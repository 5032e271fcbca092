package report

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/wsstream/wsstream/bench/internal/scenario"
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
// times as good it is as the best peer's and as raw's. Where a peer beats wsstream, its median is bold. A column that
// is empty is left out.
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
			if row = append(row, r.median(l, m, s)); i == 0 {
				row = append(row, r.spread(l, m)...)
			}
		}
		rows = append(rows, append(row, l.Note()))
	}
	markdown(w, withoutEmpty(rows))
}

// median is the cell of a line's median.
func (r Result) median(l Line, m scenario.Metric, s Style) string {
	median := l.Stat(m.Name).Median
	cell := Number(median)
	if l.isPeer() && !m.Plain && beats(median, r.ours(m.Name), m.Lower) {
		return s.bold(cell)
	}
	return cell
}

// spread is the cells behind it, of the spread and the ratios.
func (r Result) spread(l Line, m scenario.Metric) []string {
	stat := l.Stat(m.Name)
	cells := []string{"", "", ""}
	if !math.IsNaN(stat.Median) {
		cells[0] = Number(stat.Min) + " … " + Number(stat.Max)
	}
	for i, other := range []float64{r.best(m.Name, m.Lower), r.raw(m.Name)} {
		if ratio := Ratio(stat.Median, other, m.Lower); !math.IsNaN(ratio) {
			cells[i+1] = Number(ratio) + "×"
		}
	}
	return cells
}

// withoutEmpty leaves out the columns that have nothing but a head.
func withoutEmpty(rows [][]string) [][]string {
	for i := len(rows[0]) - 1; i >= 0; i-- {
		if slices.ContainsFunc(rows[1:], func(row []string) bool { return row[i] != "" }) {
			continue
		}
		for j, row := range rows {
			rows[j] = slices.Delete(row, i, i+1)
		}
	}
	return rows
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

// Number writes three digits of v, and a k or an M behind it where it is large. What is no number is a dash.
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
