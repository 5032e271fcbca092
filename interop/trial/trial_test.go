package trial_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/interop/trial"
)

type need struct{ err error }

func (n need) String() string                { return "a need" }
func (n need) Install(context.Context) error { return n.err }

func run(t *testing.T, row *trial.Row) *trial.Result {
	t.Helper()
	if row.Version == nil {
		row.Version = func(context.Context) (string, error) { return "1", nil }
	}
	return trial.Run(t.Context(), row, io.Discard)
}

func TestACheckThatFailsDoesNotStopTheNext(t *testing.T) {
	r := run(t, &trial.Row{Run: func(t *trial.T) {
		t.Check("one", func(t *trial.T) { require.Fail(t, "the reason"); panic("it went on") })
		t.Check("two", func(*trial.T) {})
		t.Check("three", func(*trial.T) { panic("oh") })
		t.Check("four", func(t *trial.T) { t.Cannot() })
	}})
	require.False(t, r.OK())
	require.Equal(t, []string{"two"}, r.Passed)
	require.Equal(t, []string{"four"}, r.Cannot)
	require.Len(t, r.Failed, 2)
	require.Contains(t, r.Failed[0], "one: the reason")
	require.Contains(t, r.Failed[1], "three: panic: oh")
}

func TestAKnownFaultIsNoFailureAndMustBeThere(t *testing.T) {
	row := &trial.Row{Known: map[string]string{"odd": "it is odd", "gone": "it was mended"}}
	row.Run = func(t *trial.T) {
		t.Check("odd", func(t *trial.T) { require.Fail(t, "odd") })
		t.Check("gone", func(*trial.T) {})
	}
	r := run(t, row)
	require.Equal(t, []string{"odd"}, r.Known)
	require.Len(t, r.Failed, 1)
	require.Contains(t, r.Failed[0], "gone: the row expects a fault")
}

func TestAKnownFaultIsNotWaitedForAsLongAsOthers(t *testing.T) {
	var known, other time.Time
	run(t, &trial.Row{Known: map[string]string{"odd": "it never answers"}, Run: func(t *trial.T) {
		t.Check("odd", func(t *trial.T) { known, _ = t.Context().Deadline(); t.FailNow() })
		t.Check("even", func(t *trial.T) { other, _ = t.Context().Deadline() })
	}})
	require.Greater(t, other.Sub(known), 20*time.Second)
}

func TestAFaultThatIsThereSometimesIsNoFailureAndMayBeAbsent(t *testing.T) {
	row := &trial.Row{Sometimes: map[string]string{"odd": "it is odd", "even": "it is even"}}
	row.Run = func(t *trial.T) {
		t.Check("odd", func(t *trial.T) { require.Fail(t, "odd") })
		t.Check("even", func(*trial.T) {})
	}
	r := run(t, row)
	require.True(t, r.OK(), "%v", r.Failed)
	require.Equal(t, []string{"odd"}, r.Known)
	require.Equal(t, []string{"even"}, r.Passed)
}

func TestWhatCannotBeInstalledIsMissing(t *testing.T) {
	r := run(t, &trial.Row{
		Needs: []trial.Need{need{errors.New("no network")}},
		Run:   func(*trial.T) { panic("it ran") },
	})
	require.EqualError(t, r.Missing, "a need: no network")
	require.False(t, r.OK())

	r = run(t, &trial.Row{Needs: []trial.Need{&trial.Absent{Name: "it", Why: "it is secret"}}})
	require.EqualError(t, r.Missing, "it: it cannot be installed: it is secret")
	require.True(t, r.OK(), "nothing has failed")
}

func TestAProcessEndsWithItsCheck(t *testing.T) {
	var p *trial.Process
	r := run(t, &trial.Row{Run: func(t *trial.T) {
		t.Check("start", func(t *trial.T) {
			p = t.Start("", nil, "sh", "-c", `echo '{"url":"ws://x"}'; echo noise; exec sleep 1000`)
			require.Equal(t, "ws://x", p.URL(t))
		})
		select {
		case <-p.Ended():
		default:
			require.Fail(t, "it runs on")
		}
	}})
	require.True(t, r.OK(), "%v", r.Failed)
}

func TestWhatAProcessHasStartedEndsWithIt(t *testing.T) {
	var child int
	r := run(t, &trial.Row{Run: func(t *trial.T) {
		t.Check("start", func(t *trial.T) {
			p := t.Start("", nil, "sh", "-c", `sleep 1000 & echo "{\"say\":\"$!\"}"; wait`)
			e := p.Await(t, 0, "its child", func(trial.Event) bool { return true })
			_, err := fmt.Sscan(e.Say, &child)
			require.NoError(t, err)
		})
	}})
	require.True(t, r.OK(), "%v", r.Failed)
	require.Eventually(t, func() bool { // init has to take its status
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", child))
		return err != nil || strings.Contains(string(stat), ") Z ")
	}, 10*time.Second, 10*time.Millisecond, "it runs on")
}

func TestAPeerThatNeverAnswersFailsItsCheckWithinAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		r := run(t, &trial.Row{Run: func(t *trial.T) {
			t.Check("answer", func(t *trial.T) { trial.Take(t, make(chan int), "nothing came") })
			t.Check("next", func(*trial.T) {})
		}})
		require.Equal(t, []string{"answer: nothing came"}, r.Failed)
		require.Equal(t, []string{"next"}, r.Passed)
		require.Less(t, time.Since(began), time.Minute)
	})
}

func TestAServerThatCannotListenIsSaid(t *testing.T) {
	r := run(t, &trial.Row{Run: func(t *trial.T) {
		t.Check("start", func(t *trial.T) {
			addr := fmt.Sprintf("127.0.0.1:%d", t.FreePort())
			t.Start("", nil, "sh", "-c", "echo the port is taken >&2; exit 1").Listens(t, addr)
		})
	}})
	require.Len(t, r.Failed, 1)
	require.Contains(t, r.Failed[0], "the server has ended")
	require.Contains(t, r.Failed[0], "exit status 1")
}

func TestAProcessThatEndsEarlyIsSaid(t *testing.T) {
	r := run(t, &trial.Row{Run: func(t *trial.T) {
		t.Check("start", func(t *trial.T) { t.Start("", nil, "sh", "-c", "exit 3").URL(t) })
	}})
	require.Len(t, r.Failed, 1)
	require.Contains(t, r.Failed[0], "has ended: exit status 3")
}

func TestTakeFailsTheCheckAtTheEndOfItsTime(t *testing.T) {
	c := make(chan int, 1)
	c <- 7
	require.Equal(t, 7, trial.Take(t, c, "nothing came"))
	r := &trial.Row{
		Version: func(context.Context) (string, error) { return "1", nil },
		Run: func(t *trial.T) {
			t.Check("wait", func(t *trial.T) { trial.Take(t, c, "nothing came") })
		},
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Equal(t, []string{"wait: nothing came"}, trial.Run(ctx, r, io.Discard).Failed)
}
