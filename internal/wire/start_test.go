package wire

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/wstest/memnet"
)

// starts has each function of the library that starts a goroutine, a timer or a callback. It says
// why what it starts finds all that it uses, although that may run immediately.
//
// Three more places make callbacks. Conn.open stores the engine before it starts it, and the engine
// calls back only after Start. Acceptor.take puts a Conn into its set before its handshake is
// answered. otelws and promws register callbacks that use what was made before.
var starts = map[string]string{
	"acceptConn":     "all is made before",
	"Dial":           "all is stored before",
	"tryFail":        "uses what Handle has stored",
	"handleOnceOpen": "uses what was made before",
	"Ended":          "all is stored before",
	"set":            "under the lock of the alarm; what is called is bound before",

	"internal/handshake/exchange":      "all is made before",
	"internal/handshake/readNoMore":    "sets a deadline on a net.Conn that it was given",
	"internal/handshake/uninterrupted": "sets a deadline on a net.Conn that it was given",

	"internal/lasting/For":   "all is made before",
	"internal/pipes/OverTLS": "all is made before",

	"internal/wire/awaitDropLocked":    "tooLate locks mu before it reads",
	"internal/wire/beginWait":          "watchRead locks mu before it reads",
	"internal/poller/newPoller":        "under the lock of the poller, which tick locks",
	"internal/poller/startLocked":      "under the lock of the poller, which work locks",
	"internal/poller/Later":            "under a lock that callLater locks",
	"internal/wire/checkLostWithin":    "checkLost locks readGate before it reads",
	"internal/wire/startIfIdle":        "the caller holds readGate, and hands it over",
	"internal/wire/wakeHandler":        "handle locks readGate before it reads",
	"internal/wire/checkBackLocked":    "checkBack locks mu before it reads",
	"internal/wire/closeLeftLocked":    "uses the transport alone",
	"internal/wire/finishLocked":       "uses the transport, and then locks mu",
	"internal/wire/hurryLocked":        "tooLate locks mu before it reads",
	"internal/wire/armIdle":            "isIdle uses no timer that is stored later",
	"internal/wire/armLocked":          "checkAlive locks mu before it uses the timer",
	"internal/wire/queueUpLocked":      "sendAll locks the mu of the crowd before it reads",
	"internal/wire/readInBackground":   "the caller holds readGate, and hands it over",
	"internal/wire/requestReader":      "the caller holds readGate, and hands it over",
	"internal/wire/startFlusherLocked": "flush locks mu before it reads",
	"internal/wire/watchRead":          "stop is stored under mu, unless the watch has fired",
	"internal/wire/watchWriteLocked":   "writeExpired locks mu before it reads",

	"resume/Dial":        "all is stored before",
	"resume/armLocked":   "tick locks mu before it reads",
	"resume/connected":   "all is made before",
	"resume/remember":    "forget locks mu before it reads",
	"resume/forget":      "locks mu before it reads",
	"resume/beginEnd":    "finish locks mu before it reads",
	"resume/newSession":  "expire locks mu before it reads",
	"resume/run":         "all is stored before",
	"resume/offerLocked": "send locks mu before it reads",
	"resume/tellLocked":  "locks mu before it reads",
	"resume/tick":        "background locks mu before it reads",

	"stream/Feed":        "run locks the mu of the feeder before it reads what is stored later",
	"stream/startLocked": "run locks the mu of the feeder before it reads what is stored later",
	"stream/begin":       "ctxEnded locks mu before it reads",
	"stream/Join":        "all is made before",
	"stream/Merge":       "all is made before",
	"stream/Stage":       "all is made before",
	"stream/Tee":         "all is made before",
	"stream/watch":       "all is made before",
	"stream/within":      "all is made before",
	"stream/work":        "all is stored before",

	"wstest/memnet/arm": "under the lock that its function takes",
	"wstest/memnet/set": "under the lock that its function takes",
	"wstest/NewServer":  "the handler is stored before",
}

// programs are the folders that do not belong to the library.
var programs = []string{
	".git", "bench", "cmd", "docs", "e2e", "examples", "interop", "model", "tools",
}

func TestStartsAreListed(t *testing.T) {
	const root = "../.."
	found := map[string]bool{}
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel(root, path)
		name = filepath.ToSlash(name)
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains(programs, name):
			return filepath.SkipDir
		case filepath.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		require.NoError(t, err)
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Body != nil && startsOne(f.Body) {
				found[strings.TrimSuffix(name, filepath.Base(name))+f.Name.Name] = true
			}
		}
		return nil
	}))
	for name := range found {
		require.NotEmpty(t, starts[name], "%s starts something, and is not listed", name)
	}
	for name := range starts {
		require.True(t, found[name], "%s starts nothing", name)
	}
}

// startsOne reports whether body has a go statement, or uses a function named AfterFunc or Go.
func startsOne(body *ast.BlockStmt) (found bool) {
	ast.Inspect(body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			found = true
		case *ast.SelectorExpr:
			found = found || n.Sel.Name == "AfterFunc" || n.Sel.Name == "Go"
		}
		return !found
	})
	return found
}

func TestStartIsWhenAConnBeginsToRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := memnet.Pipe(0)
		cfg := Config{
			PingInterval: time.Millisecond, PongTimeout: time.Millisecond,
			IdleTimeout: time.Millisecond, StallTimeout: time.Millisecond,
		}
		c := newConn(near, cfg)
		<-time.After(time.Hour)
		require.NoError(t, far.SetReadDeadline(time.Now().Add(time.Second)))
		_, err := far.Read(make([]byte, 1))
		require.ErrorContains(t, err, "timeout", "the Conn has sent something")
		require.False(t, c.end.done.Closed())
		c.Start(nil)
		_, err = far.Read(make([]byte, 1))
		require.Error(t, err, "the deadline has passed")
		require.NoError(t, far.SetReadDeadline(time.Time{}))
		_, err = far.Read(make([]byte, 1))
		require.NoError(t, err, "the Conn has not begun to ping")
		cut(c)
	})
}
