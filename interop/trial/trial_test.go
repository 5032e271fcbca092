package trial_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
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

// What the installer had started kept its output open, and the row waited for it.
func TestAnInstallerThatIsLateEndsWithWhatItHasStarted(t *testing.T) {
	dir := t.TempDir()
	started := filepath.Join(dir, "started")
	require.NoError(t, syscall.Mkfifo(started, 0o600))
	script := fmt.Sprintf("#!/bin/sh\necho half done\nsleep 1000 &\necho $! >%s\nwait\n", started)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "gcc"), []byte(script), 0o700))
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	t.Cleanup(trial.RemoveBuilt)
	ctx, cancel := context.WithCancelCause(t.Context())
	var child int
	go func() { // ends when the installer has started its child
		said, _ := os.ReadFile(started)
		_, _ = fmt.Sscan(string(said), &child)
		cancel(errors.New("it is late"))
	}()
	err := (&trial.CProgram{Source: "peer.c"}).Install(ctx)
	require.ErrorContains(t, err, "it is late: half done")
	requireEnds(t, child)
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
	requireEnds(t, child)
}

// requireEnds waits until a process that has lost its parent ends.
func requireEnds(t *testing.T, pid int) {
	t.Helper()
	require.Positive(t, pid)
	require.Eventually(t, func() bool { // init has to take its status
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
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

// The row waited for the version for ever.
func TestAPeerThatNeverSaysItsVersionFailsItsRowWithinAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		r := run(t, &trial.Row{Version: func(ctx context.Context) (string, error) {
			<-ctx.Done()
			return "", ctx.Err()
		}})
		require.EqualError(t, r.Missing, "its version is not known: context deadline exceeded")
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

// listenAt makes this program a server for the tests.
const listenAt = "TRIAL_LISTEN_AT"

func TestMain(m *testing.M) {
	if addr := os.Getenv(listenAt); addr != "" {
		if _, err := net.Listen("tcp", addr); err != nil {
			panic(err)
		}
		select {}
	}
	code := m.Run()
	trial.RemoveBuilt()
	os.Exit(code)
}

func TestAServerIsFoundAtItsPort(t *testing.T) {
	for _, all := range []bool{false, true} {
		r := run(t, &trial.Row{Run: func(t *trial.T) {
			t.Check("start", func(t *trial.T) {
				addr := fmt.Sprintf("127.0.0.1:%d", t.FreePort())
				at := addr
				if all {
					_, at, _ = strings.Cut(addr, "127.0.0.1")
				}
				// The shell is the process that was started, and the server is its child.
				p := t.Start("", []string{listenAt + "=" + at}, "sh", "-c", os.Args[0]+"; exit")
				p.Listens(t, addr)
				nc, err := net.Dial("tcp", addr)
				require.NoError(t, err)
				require.NoError(t, nc.Close())
			})
		}})
		require.Equal(t, []string{"start"}, r.Passed, "%v", r.Failed)
	}
}

// The program at the port was taken for the peer.
func TestAnotherProgramAtThePortOfAPeerFailsTheCheck(t *testing.T) {
	for _, at := range []string{"127.0.0.1:0", "0.0.0.0:0", ":0"} {
		other, err := net.Listen("tcp", at)
		require.NoError(t, err)
		addr := fmt.Sprintf("127.0.0.1:%d", other.Addr().(*net.TCPAddr).Port)
		r := run(t, &trial.Row{Run: func(t *trial.T) {
			t.Check("start", func(t *trial.T) { t.Start("", nil, "sleep", "1000").Listens(t, addr) })
		}})
		require.Len(t, r.Failed, 1, at)
		require.Contains(t, r.Failed[0], "the port is taken")
		require.Contains(t, r.Failed[0], fmt.Sprintf("at %s listens process %d (", addr, os.Getpid()))
		require.NoError(t, other.Close())
	}
}

// Another row's client got the port before the peer listened there.
func TestTheKernelGivesAFreePortToNoOtherProgram(t *testing.T) {
	site, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, site.Close()) })
	run(t, &trial.Row{Run: func(tt *trial.T) {
		from := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: tt.FreePort()}
		_, err := (&net.Dialer{LocalAddr: from}).Dial("tcp", site.Addr().String())
		require.ErrorIs(t, err, syscall.EADDRINUSE)
	}})
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
