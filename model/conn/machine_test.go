package conn

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/wsstream/wsstream/internal/pipes"
	"github.com/wsstream/wsstream/model/internal/steady"
)

// last is the file with the program that runs. It stays if the process dies.
var last = filepath.Join(os.TempDir(), fmt.Sprintf("wsstream-model-%d.json", os.Getpid()))

func TestMain(m *testing.M) {
	flag.Parse()
	steady.Draws()
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.Remove(last)
		os.Exit(code)
	}))
}

var (
	programs = flag.String("model.programs", "testdata/programs/*.json", "the programs that are run again")
	times    = flag.Int("model.times", 10, "how often each of them runs")
)

var (
	sockets = flag.Int("model.sockets", 20, "how many programs run over each kind of socket")
	seed    = flag.Int("model.seed", 0, "the seed of the first of them; 0: drawn")
)

var virtual struct {
	programs int
	time     time.Duration
}

// try runs a program in a bubble, and returns what the model objects to.
func try(t *testing.T, p *Program) (faults []fault) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(p.Procs))
	require.NoError(t, os.WriteFile(last, []byte(p.String()), 0o600))
	ended := make(chan struct{})
	defer close(ended)
	go guard(p, ended) // ends with the program
	var r *run
	defer func() {
		if e := recover(); e != nil {
			faults = append(faults, fault{"panic", fmt.Sprint(e)})
			if r != nil {
				faults = append(r.faults, faults...)
			}
		}
	}()
	synctest.Test(t, func(t *testing.T) {
		r = inBubble(p)
		virtual.time += r.clock.now()
	})
	virtual.programs++
	r.judge()
	return r.faults
}

// guard ends the process if a program does not end within two minutes. It counts, because a
// process may be stopped for a while.
func guard(p *Program, ended <-chan struct{}) {
	for range 240 {
		select {
		case <-ended:
			return
		case <-time.After(time.Second / 2):
		}
	}
	b := make([]byte, 1<<22)
	b = b[:runtime.Stack(b, true)]
	fmt.Fprintf(os.Stderr, "the program does not end: %v\n%s", p, b)
	os.Exit(3)
}

// TestConnDoesWhatTheModelSays draws programs, and runs them in memory. A longer run:
//
//	go test ./model/conn -run Model -rapid.checks=100000 -timeout 2h
func TestConnDoesWhatTheModelSays(t *testing.T) {
	began := time.Now()
	var once sync.Once
	rapid.Check(t, func(rt *rapid.T) {
		p := draws.Draw(rt, "program")
		if faults := try(t, &p); len(faults) > 0 {
			once.Do(func() { t.Logf("the first program that fails: %v\n%v", &p, told(faults)) })
			rt.Logf("%v\n%v", &p, told(faults))
			rt.Fatalf("%s", faults[0].kind)
		}
	})
	took := time.Since(began)
	t.Logf("%d programs in %v: %.0f a second, %.0f virtual seconds a second", virtual.programs, took,
		float64(virtual.programs)/took.Seconds(), virtual.time.Seconds()/took.Seconds())
}

// TestConnDoesWhatTheModelSaysOverSockets runs programs over TCP and TLS, with small buffers of the kernel.
func TestConnDoesWhatTheModelSaysOverSockets(t *testing.T) {
	first := *seed
	if first == 0 {
		first = rand.IntN(1 << 30)
	}
	for name, pair := range map[string]func(limit int) (near, far net.Conn){
		"tcp":  func(limit int) (near, far net.Conn) { return pipes.TCP(t, limit) },
		"tls":  func(limit int) (near, far net.Conn) { return pipes.TLS(t, limit) },
		"unix": func(int) (near, far net.Conn) { return pipes.Unix(t) },
	} {
		t.Run(name, func(t *testing.T) {
			before := goleak.IgnoreCurrent()
			var runs sync.WaitGroup
			slots := make(chan struct{}, 32)
			for i := range *sockets {
				p := draws.Example(first + i).hasten()
				near, far := pair(p.Limit)
				slots <- struct{}{}
				runs.Go(func() { // ends with its program
					defer func() { <-slots }()
					r := overSocket(p, near, far)
					r.judge()
					if len(r.faults) > 0 {
						t.Errorf("-model.seed=%d: %v\n%v", first+i, p, told(r.faults))
					}
				})
			}
			runs.Wait()
			require.NoError(t, goleak.Find(before))
		})
	}
}

func told(faults []fault) string {
	var b strings.Builder
	for _, f := range faults {
		fmt.Fprintf(&b, "- %s: %s\n", f.kind, f.text)
	}
	return b.String()
}

// TestProgramsThatFailedOnce runs the programs of testdata/programs. Each is named after what went
// wrong.
func TestProgramsThatFailedOnce(t *testing.T) {
	files, err := filepath.Glob(*programs)
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			b, err := os.ReadFile(file)
			require.NoError(t, err)
			var p Program
			require.NoError(t, json.Unmarshal(b, &p))
			for range *times {
				require.Empty(t, told(try(t, &p)))
			}
		})
	}
}
