package report

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/wsstream/wsstream/bench/internal/scenario"
)

// Style says where a table is shown.
type Style struct {
	Terminal bool // it can be bold
	Columns  int  // of the terminal's window: what has no room is left out; 0: there is room for all
}

func (s Style) bold(text string) string {
	if s.Terminal {
		return "\x1b[1m**" + text + "**\x1b[0m"
	}
	return "**" + text + "**"
}

// Table returns a result as a table of Markdown. Each metric has its median. The first metric also
// has its spread, and how many times as good it is as the best peer's and as raw's. Where a peer
// beats wsstream, its median is bold. A column that is empty is left out.
func Table(r Result, s Style) string {
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
	rows, left := s.fit(withoutEmpty(rows))
	table := markdown(r.Scenario, rows)
	if len(left) > 0 {
		table += "left out, for a wider window: " + strings.Join(left, "; ") + "\n"
	}
	return table
}

// fit leaves out as many columns as it takes for rows to fit the window, from the last; the first
// two and notes stay.
func (s Style) fit(rows [][]string) (fitting [][]string, left []string) {
	for s.Columns > 0 && utf8.RuneCountInString(line(rows[0], widths(rows), "-")) > s.Columns {
		last := len(rows[0]) - 1
		if rows[0][last] == "note" {
			last--
		}
		if last < 2 {
			break
		}
		left = append(left, rows[0][last])
		for i, row := range rows {
			rows[i] = slices.Delete(row, last, last+1)
		}
	}
	return rows, left
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
	for i := range slices.Backward(rows[0]) {
		if slices.ContainsFunc(rows[1:], func(row []string) bool { return row[i] != "" }) {
			continue
		}
		for j, row := range rows {
			rows[j] = slices.Delete(row, i, i+1)
		}
	}
	return rows
}

// markdown returns rows, the first of which is the head, as a table whose columns are aligned.
func markdown(title string, rows [][]string) string {
	widths := widths(rows)
	var b strings.Builder
	b.WriteString("\n### " + title + "\n\n")
	b.WriteString(line(rows[0], widths, " ") + "\n")
	b.WriteString(line(make([]string, len(widths)), widths, "-") + "\n")
	for _, row := range rows[1:] {
		b.WriteString(line(row, widths, " ") + "\n")
	}
	return b.String()
}

// widths are those of the columns.
func widths(rows [][]string) []int {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], width(cell))
		}
	}
	return widths
}

// line is a line of a table.
func line(row []string, widths []int, pad string) string {
	var b strings.Builder
	for i, cell := range row {
		b.WriteString("|" + pad + cell + strings.Repeat(pad, widths[i]-width(cell)) + pad)
	}
	return b.String() + "|"
}

// width is how many columns of a terminal text takes.
func width(text string) int {
	n := utf8.RuneCountInString(text)
	if strings.Contains(text, "\x1b") {
		bold, plain := Style{Terminal: true}.bold(""), Style{}.bold("")
		n -= utf8.RuneCountInString(bold) - utf8.RuneCountInString(plain)
	}
	return n
}

// Number writes three digits of v, and a k or an M behind it where it is large. What is no number
// is a dash.
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
