package wire

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The names of functions say what becomes of mu: see the package comment.
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

func TestNamesOfFunctionsSayWhatBecomesOfTheLock(t *testing.T) {
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
