package wire

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// wayOf returns the way that a source file belongs to: recv, send or close; "" for none.
func wayOf(path string) string {
	way, _, _ := strings.Cut(strings.TrimSuffix(path, ".go"), "_")
	if path == "close_state.go" || !slices.Contains([]string{"recv", "send", "close"}, way) {
		return ""
	}
	return way
}

func TestDocListsTheCallsBetweenTheWays(t *testing.T) {
	paths, err := filepath.Glob("*.go")
	require.NoError(t, err)
	files := map[string]*ast.File{}
	declaredIn := map[string][]string{} // ways, by names of functions
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		files[path], err = parser.ParseFile(token.NewFileSet(), path, nil, 0)
		require.NoError(t, err)
		for _, decl := range files[path].Decls {
			if f, ok := decl.(*ast.FuncDecl); ok {
				declaredIn[f.Name.Name] = append(declaredIn[f.Name.Name], wayOf(path))
			}
		}
	}
	calls := map[string][]string{}
	for path, file := range files {
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			name := ""
			switch f := call.Fun.(type) {
			case *ast.Ident:
				name = f.Name
			case *ast.SelectorExpr:
				name = f.Sel.Name
			}
			// A name that is declared twice, or exported, may be that of another type.
			from, to := wayOf(path), declaredIn[name]
			if ast.IsExported(name) || from == "" || len(to) != 1 {
				return true
			}
			if to[0] != "" && to[0] != from {
				way := from + " → " + to[0]
				calls[way] = append(calls[way], name)
			}
			return true
		})
	}

	doc, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	row := regexp.MustCompile(`//\t(\w+ → \w+) +((?:.|\n//\t +)+)`)
	rows := row.FindAllStringSubmatch(string(doc), -1)
	require.Len(t, rows, 6)
	for _, row := range rows {
		listed := regexp.MustCompile(`\w+`).FindAllString(row[2], -1)
		if row[2] == "none" {
			listed = nil
		}
		slices.Sort(listed)
		found := calls[row[1]]
		slices.Sort(found)
		require.Equal(t, listed, slices.Compact(found), row[1])
	}
}
