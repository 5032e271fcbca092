package report

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/bench/internal/scenario"
)

// result is one of a scenario with a single metric, with the values of each library's runs.
func result(name string, m scenario.Metric, values map[string][]float64) Result {
	r := Result{Scenario: name, Metrics: []scenario.Metric{m}}
	for _, lib := range append(scenario.Libraries(), scenario.EmptyProcess) {
		if values[lib] == nil {
			continue
		}
		l := Line{Library: lib}
		for _, v := range values[lib] {
			l.Runs = append(l.Runs, scenario.Run{Values: map[string]float64{m.Name: v}})
		}
		r.Lines = append(r.Lines, l)
	}
	return r
}

func table(r Result) string {
	return Table(r, Style{})
}

var speed = scenario.Metric{Name: "speed"}

func TestAPeerThatBeatsWsstreamIsBold(t *testing.T) {
	r := result("race", speed, map[string][]float64{
		"wsstream": {100, 90, 120},
		"gorilla":  {50},
		"gws":      {200},
		"raw":      {400},
	})
	require.Equal(t, `
### race

| library  | speed   | min … max | × best peer | × raw  |
|----------|---------|-----------|-------------|--------|
| wsstream | 100     | 90.0 … 120 | 0.500×      | 0.250× |
| gorilla  | 50.0    | 50.0 … 50.0 | 0.250×      | 0.125× |
| gws      | **200** | 200 … 200 | 1.00×       | 0.500× |
| raw      | 400     | 400 … 400 | 2.00×       | 1.00×  |
`, unpad(table(r)))
}

// unpad takes the padding off the column of spreads, so that the test does not count blanks.
func unpad(s string) string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		cells := strings.Split(line, "|")
		if len(cells) > 3 {
			if strings.HasPrefix(cells[3], "-") {
				cells[3] = "-----------"
			} else {
				cells[3] = " " + strings.TrimSpace(cells[3]) + " "
			}
			lines[i] = strings.Join(cells, "|")
		}
	}
	return strings.Join(lines, "\n")
}

func TestWhatIsNeitherGoodNorBadIsNeverBold(t *testing.T) {
	values := map[string][]float64{"wsstream": {1}, "gws": {2}}
	require.Contains(t, table(result("race", speed, values)), "**2.00**")
	require.NotContains(t, table(result("race", scenario.Metric{Name: "speed", Plain: true}, values)),
		"**")
}

func TestALineThatFailedSaysSo(t *testing.T) {
	r := result("race", speed, map[string][]float64{"wsstream": {1}})
	r.Lines = append(r.Lines, Line{Library: "gws", Errors: []string{"lost its way"}})
	require.Contains(t, table(r), "failed: lost its way")
}

func TestOnATerminalBoldTakesNoRoom(t *testing.T) {
	require.Equal(t, width(Style{}.bold("x")), width(Style{Terminal: true}.bold("x")))
}

func TestATableFitsItsWindow(t *testing.T) {
	r := result("race", speed, map[string][]float64{"wsstream": {1}, "gws": {2}, "raw": {3}})
	r.Metrics = append(r.Metrics, scenario.Metric{Name: "a long name of another metric", Unit: "µs"})
	for i := range r.Lines {
		r.Lines[i].Runs[0].Values["a long name of another metric"] = 7
	}
	r.Lines[0].Errors = []string{"lost its way"}
	whole := table(r)
	require.NotContains(t, whole, "left out")
	for columns := 40; columns < 120; columns++ {
		text := Table(r, Style{Columns: columns})
		require.Contains(t, text, "| speed ")
		require.Contains(t, text, "failed: lost its way", "notes stay")
		short, left, cut := strings.Cut(text,
			"left out, for a wider window: a long name of another metric, µs")
		if !cut {
			require.Equal(t, whole, text)
		}
		for l := range strings.Lines(short) {
			least := 60 // of the first two columns and the note
			require.LessOrEqual(t, utf8.RuneCountInString(strings.TrimSpace(l)), max(columns, least), "%s",
				left)
		}
	}
}
