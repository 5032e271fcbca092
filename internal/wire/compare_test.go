package wire

import (
	"encoding/json"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"
)

// incomparable is a transport, or an error, that == panics for.
type incomparable struct {
	net.Conn
	_ []byte
}

func (incomparable) Error() string { return "incomparable" }

// CloseWrite makes it a transport that can be half-closed.
func (incomparable) CloseWrite() error { return nil }

func TestCompareOfATransportThatCannotBeCompared(t *testing.T) {
	near, far := net.Pipe()
	c := started(t, Config{}, incomparable{Conn: near}, far)
	_, err := far.Write([]byte{0x83, 0x80, 0, 0, 0, 0}) // opcode 3 is reserved
	require.NoError(t, err)
	f := readFrame(t, far)
	require.Equal(t, ws.OpClose, f.Header.OpCode, "we half-close behind it")
	require.NoError(t, far.Close())
	<-c.end.done.Done()
	end := c.End()
	require.Error(t, end)
}

func TestCompareOfAnErrorThatCannotBeCompared(t *testing.T) {
	near, far := net.Pipe()
	c := started(t, Config{}, failing{near}, far)
	_, _, err := c.Pull(t.Context(), nil)
	require.ErrorContains(t, err, "incomparable")
	require.ErrorContains(t, c.Write(t.Context(), ws.OpBinary, []byte("x"), false), "incomparable")
}

// failing fails with an error that cannot be compared.
type failing struct{ net.Conn }

func (failing) Read([]byte) (int, error)  { return 0, incomparable{} }
func (failing) Write([]byte) (int, error) { return 0, incomparable{} }

// sentinels are variables that hold pointers. == of one of them and anything else panics for
// nothing.
var sentinels = []string{
	"io.EOF",
	"ErrRoom",
	"deflate.ErrRoom",
	"errFlood",
	"errLater",
	"errTurn",
	"ErrClosed",
	"stream.ErrClosed",
	"c.owner.Errors().Closed",
}

func TestCompareIsOnlyWithNilOrASentinel(t *testing.T) {
	type pkg struct {
		ImportPath, Dir, Export string
		GoFiles                 []string
		DepOnly                 bool
	}
	list := exec.CommandContext(t.Context(), "go", "list", "-export", "-deps", "-json", "./...")
	list.Dir = "../.."
	out, err := list.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, list.Start())
	exports, pkgs := map[string]string{}, []pkg(nil)
	for d := json.NewDecoder(out); ; {
		var p pkg
		err := d.Decode(&p)
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		if exports[p.ImportPath] = p.Export; !p.DepOnly {
			pkgs = append(pkgs, p)
		}
	}
	require.NoError(t, list.Wait())
	require.NotEmpty(t, pkgs)
	files := token.NewFileSet()
	imports := importer.ForCompiler(files, "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(exports[path])
	})
	for _, p := range pkgs {
		var parsed []*ast.File
		for _, name := range p.GoFiles {
			f, err := parser.ParseFile(files, filepath.Join(p.Dir, name), nil, 0)
			require.NoError(t, err)
			parsed = append(parsed, f)
		}
		info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}}
		_, err := (&types.Config{Importer: imports}).Check(p.ImportPath, files, parsed, info)
		require.NoError(t, err)
		for _, f := range parsed {
			ast.Inspect(f, func(n ast.Node) bool {
				if b, ok := n.(*ast.BinaryExpr); ok && compares(info, b) {
					t.Errorf("%s: %s compares two interfaces", files.Position(n.Pos()), types.ExprString(b))
				}
				return true
			})
		}
	}
}

// compares reports whether b compares two interfaces that may both hold a value that == panics for.
// One is enough that cannot: nil, a sentinel, or a value that is converted and can be compared.
func compares(info *types.Info, b *ast.BinaryExpr) bool {
	if b.Op != token.EQL && b.Op != token.NEQ {
		return false
	}
	for _, x := range []ast.Expr{b.X, b.Y} {
		t := info.Types[x]
		_, generic := t.Type.(*types.TypeParam) // which its caller has said is comparable
		switch {
		case t.IsNil(),
			generic,
			!types.IsInterface(t.Type),
			slices.Contains(sentinels, types.ExprString(x)):
			return false
		}
		if call, ok := x.(*ast.CallExpr); ok && info.Types[call.Fun].IsType() {
			from := info.Types[call.Args[0]].Type
			if !types.IsInterface(from) && types.Comparable(from) {
				return false
			}
		}
	}
	return true
}
