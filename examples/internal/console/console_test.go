package console

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func state(done int64) State {
	return State{Done: done, Total: 100,
		Text: []string{"first", strings.Repeat("second", 5), strings.Repeat("third", 10)}}
}

func TestABarIsNeverWiderThanItsWindow(t *testing.T) {
	for width := 20; width <= 140; width++ {
		for name, total := range map[string]int64{"total known": 100, "total unknown": 0,
			"total wrong": 3} {
			t.Run(fmt.Sprint(width, " columns, ", name), func(t *testing.T) {
				var out strings.Builder
				show := bar(&out, func() int { return width })
				for done := int64(0); done < 100; done += 9 {
					s := state(done)
					s.Total = total
					show(s, done == 99)
				}
				require.Equal(t, 1, strings.Count(out.String(), "\n"), "one line, drawn again and again")
				require.True(t, strings.HasSuffix(out.String(), "\n"), "what follows has a line of its own")
				for line := range strings.SplitSeq(strings.TrimSpace(out.String()), "\r") {
					text, cleared := strings.CutSuffix(line, "\x1b[0K")
					require.True(t, cleared || line == "", "it clears what it does not cover: %q", line)
					require.LessOrEqual(t, utf8.RuneCountInString(text)+len("^C"), max(width, around), "%q", line)
				}
			})
		}
	}
}

func TestTextsThatHaveNoRoomAreLeftOutFromTheLast(t *testing.T) {
	texts := state(0).Text
	require.Equal(t, strings.Join(texts, ", "), fit(texts, 89))
	require.Equal(t, strings.Join(texts[:2], ", "), fit(texts, 88))
	require.Equal(t, "first", fit(texts, 36))
	require.Empty(t, fit(texts, 4))
	require.Empty(t, fit(texts, -10))
}

func TestNothingIsShownWithoutText(t *testing.T) {
	var out strings.Builder
	for _, show := range []func(State, bool){line(&out), bar(&out, func() int { return 80 })} {
		show(State{}, false)
		show(State{}, true)
	}
	require.Empty(t, out.String())
}

func TestWithoutATerminalProgressIsLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		began := time.Now()
		stop := Progress(&out, time.Second, func() State {
			n := int64(time.Since(began).Seconds())
			return State{Done: n, Total: 3, Text: []string{fmt.Sprint(n, " of it"), "more"}}
		})
		time.Sleep(2500 * time.Millisecond) //nolint:forbidigo // on the bubble's clock
		stop()
		require.Equal(t, " 33 %, 1 of it, more\n 66 %, 2 of it, more\n", out.String())
	})
}

func TestWithoutATerminalAnErrorIsOneLine(t *testing.T) {
	var out strings.Builder
	Fail(&out, "program", fmt.Errorf("it\n%s", "failed\r\n"))
	require.Equal(t, "program: it failed\n", out.String())
}

func TestSumsThatDifferAreBothShown(t *testing.T) {
	var out strings.Builder
	require.NoError(t, Sums(&out, "a", "a"))
	require.Equal(t, "sha256 a\n", out.String())
	out.Reset()
	require.NoError(t, Sums(&out, "a", "b"))
	require.Equal(t, "sha256 sent     a\nsha256 received b\n", out.String())
}
