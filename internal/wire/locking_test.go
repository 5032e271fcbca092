package wire

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/internal/deflate"
)

// A lockUse is what a function does with mu. Its name must say that: see the package comment.
type lockUse struct {
	locks, unlocks bool // calls mu.Lock, or mu.Unlock
	locked         []string
	relocks        []string
}

// lockUses returns what each function of the package does with mu. A function literal that another
// goroutine runs counts as a function of its own.
func lockUses(t *testing.T) map[string]*lockUse {
	paths, err := filepath.Glob("*.go")
	require.NoError(t, err)
	positions := token.NewFileSet()
	uses := map[string]*lockUse{}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(positions, path, nil, 0)
		require.NoError(t, err)
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Body != nil {
				noteLockUse(uses, path+": "+f.Name.Name, f.Body)
			}
		}
	}
	return uses
}

func noteLockUse(uses map[string]*lockUse, name string, body *ast.BlockStmt) {
	use := new(lockUse)
	uses[name] = use
	ast.Inspect(body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			if f, ok := n.Call.Fun.(*ast.FuncLit); ok {
				noteLockUse(uses, name+"'s goroutine", f.Body)
				return false
			}
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "AfterFunc" {
				if f, ok := n.Args[1].(*ast.FuncLit); ok {
					noteLockUse(uses, name+"'s timer", f.Body)
					return false
				}
			}
		case *ast.SelectorExpr:
			mu, _ := n.X.(*ast.SelectorExpr)
			switch name := n.Sel.Name; {
			case mu != nil && mu.Sel.Name == "mu":
				use.locks = use.locks || name == "Lock"
				use.unlocks = use.unlocks || name == "Unlock"
			case strings.HasSuffix(name, "Locked"):
				use.locked = append(use.locked, name)
			case strings.HasSuffix(name, "Relocks"):
				use.relocks = append(use.relocks, name)
			}
		}
		return true
	})
}

func TestLockingIsInTheNamesOfFunctions(t *testing.T) {
	uses := lockUses(t)
	require.Greater(t, len(uses), 200)
	for name, use := range uses {
		switch {
		case strings.HasSuffix(name, ": New"): // no other goroutine has the Conn
		case strings.HasSuffix(name, "Relocks"):
		case strings.HasSuffix(name, "Locked"):
			require.False(t, use.locks || use.unlocks, "%s: mu is locked, and stays so", name)
			require.Empty(t, use.relocks, "%s: mu stays locked, says the name", name)
		default:
			require.True(t, use.locks || len(use.locked) == 0, "%s calls %v without mu", name, use.locked)
			require.True(t, use.locks || len(use.relocks) == 0, "%s calls %v without mu", name, use.relocks)
			require.True(t, use.locks || !use.unlocks, "%s unlocks what its caller has locked", name)
		}
	}
}

// All tests of the package share these states, which must never be written to.
func TestMain(m *testing.M) {
	code := m.Run()
	w := noStall.wait
	watched := w.watched || w.watch.done != nil || w.watch.stop != nil
	waited := watched || w.recalled || w.kind != notWaiting
	if noEnd != (endState{}) || waited || noStall.claimed || noStall.handed != nil {
		fmt.Fprintln(os.Stderr, "noEnd or noStall was written to: all Conns share them")
		code = 1
	}
	os.Exit(code)
}

// cutInABlock returns a frame with a compressed message that ends inside a block. The block has 'a'
// and 258 copies of it. The inflater has all of the input before it has returned all output.
func cutInABlock() []byte {
	var bits uint64
	for i, bit := range "0" + "10" + "10010001" + "11000101" + "00000" {
		bits |= uint64(bit-'0') << i
	}
	return []byte{0xc2, 3, byte(bits), byte(bits >> 8), byte(bits >> 16)}
}

// A call that looks at the input may find a broken rule, and then it locks mu. So no call looks at
// the input while it holds mu.
func TestLockingKeepsMuFromTheInput(t *testing.T) {
	withMu := map[string]func(c *Conn){
		"Close":    func(c *Conn) { c.Close(CloseInfo{Code: 1000}) },
		"Abort":    func(c *Conn) { c.Abort(CloseInfo{}, errClosed) },
		"Cancel":   func(c *Conn) { c.Cancel(CloseInfo{}) },
		"Discard":  func(c *Conn) { c.Discard() },
		"CloseNow": func(c *Conn) { c.CloseNow() },
		"Ping": func(c *Conn) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
			defer cancel()
			_, _ = c.Ping(ctx)
		},
		"the error of a write": func(c *Conn) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.outputFailedLocked(errClosed)
		},
		"the end of CloseTimeout": func(c *Conn) { c.tooLate() },
		"requestReader": func(c *Conn) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.requestReader()
		},
		"Reader.Close":   func(c *Conn) { _ = (&Reader{c: c, nth: c.reads.current.Load()}).Close() },
		"Stats":          func(c *Conn) { c.Stats() },
		"the idle timer": func(c *Conn) { c.isIdle() },
	}
	for name, call := range withMu {
		t.Run(name, func(t *testing.T) {
			near, far := net.Pipe()
			defer far.Close()
			go func() { _, _ = io.Copy(io.Discard, far) }() // ends with far
			c := newConn(near, Config{
				Client:       true,
				ReadWindow:   1 << 16,
				WriteWindow:  1 << 16,
				MaxMessage:   1 << 20,
				CloseTimeout: time.Second,
				Deflate:      &Deflate{Ours: deflate.Sender{Bits: 15}, Peer: deflate.Sender{Bits: 15}},
			})
			c.Start(cutInABlock())
			r := begun(t, c)
			// Reader.Close goes no further: the rest of the message is skipped, and fails.
			r.closed.Store(true)
			c.reads.skipped.Store(r.nth)
			done := make(chan struct{})
			go func() { // ends with the calls
				defer close(done)
				call(c)
				cut(c)
			}()
			select {
			case <-done:
			case <-time.After(10 * time.Second):
				t.Fatal("a goroutine waits for mu while it holds mu")
			}
		})
	}
}

func TestLockingKeepsMuFromTheTransport(t *testing.T) {
	calls := map[string]func(c *Conn, r *Reader){
		"Stats":        func(c *Conn, _ *Reader) { c.Stats() },
		"Credit":       func(c *Conn, _ *Reader) { c.Credit() },
		"TryWrite":     func(c *Conn, _ *Reader) { _, _ = c.TryWrite(ws.OpBinary, nil, false) },
		"Close":        func(c *Conn, _ *Reader) { c.Close(CloseInfo{Code: 1000}) },
		"Cancel":       func(c *Conn, _ *Reader) { c.Cancel(CloseInfo{}) },
		"Abort":        func(c *Conn, _ *Reader) { c.Abort(CloseInfo{}, errClosed) },
		"Discard":      func(c *Conn, _ *Reader) { c.Discard() },
		"CloseNow":     func(c *Conn, _ *Reader) { c.CloseNow() },
		"Reader.Close": func(_ *Conn, r *Reader) { _ = r.Close() },
	}
	states := map[string]func(c *Conn){
		"Read and Write": func(c *Conn) {
			_, _ = c.TryWrite(ws.OpBinary, []byte("x"), false) // the flusher waits
		},
		"Close": func(c *Conn) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.end.note().cut = true
			c.settleLocked()
		},
		"CloseWrite": func(c *Conn) {
			c.fail(CodeProtocol, errText)
			c.mu.Lock()
			defer c.mu.Unlock()
			c.closeLeftLocked()
		},
	}
	for state, enter := range states {
		for name, call := range calls {
			t.Run(state+"/"+name, func(t *testing.T) {
				release := make(chan struct{})
				defer close(release)
				c, r := readingDeaf(t, release)
				done := make(chan struct{})
				go func() { // ends with the calls
					defer close(done)
					enter(c)
					call(c, r)
				}()
				select {
				case <-done:
				case <-time.After(10 * time.Second):
					t.Fatal("a call waits for the transport")
				}
			})
		}
	}
}

// readingDeaf returns a Conn with an open Reader, on a transport whose calls return when release is
// closed. On a loaded machine the background reader may come first. It cannot be recalled there.
func readingDeaf(t *testing.T, release chan struct{}) (*Conn, *Reader) {
	for {
		c, r := onDeaf(t, newDeaf(release), "\x02\x01a"), new(Reader)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		err := c.Next(ctx, r)
		cancel()
		if err == nil {
			return c, r
		}
		require.Equal(t, context.DeadlineExceeded, err)
	}
}
