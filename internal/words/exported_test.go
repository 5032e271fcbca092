package words

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// commented are the packages that programs import, of those whose fields all have comments.
var commented = []string{
	".", "stream", "wstest", "wstest/memnet", "otelws", "promws", "resume",
}

func TestEveryExportedFieldAndInterfaceMethodHasAComment(t *testing.T) {
	var without []string
	seen := 0
	for _, dir := range commented {
		files, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
		require.NoError(t, err)
		for _, path := range files {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			positions := token.NewFileSet()
			file, err := parser.ParseFile(positions, path, nil, parser.ParseComments)
			require.NoError(t, err)
			group := 0 // the last line of the fields that share a comment
			for _, f := range exportedFields(file) {
				seen++
				at := positions.Position(f.Pos())
				if f.Doc == nil && f.Comment == nil && at.Line != group+1 {
					without = append(without, at.String())
					continue
				}
				group = positions.Position(f.End()).Line
			}
		}
	}
	require.Greater(t, seen, 100)
	require.Empty(t, without, strings.Join(without, "\n"))
}

// exportedFields returns the exported fields and methods of the exported types of a file. An
// embedded type has a comment of its own. Fields on consecutive lines may share the first one's.
func exportedFields(file *ast.File) (fields []*ast.Field) {
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok || !spec.Name.IsExported() {
			return !ok
		}
		ast.Inspect(spec.Type, func(n ast.Node) bool {
			list, ok := n.(*ast.FieldList)
			if _, f := n.(*ast.FuncType); f || !ok {
				return !f
			}
			for _, f := range list.List {
				if len(f.Names) > 0 && f.Names[0].IsExported() {
					fields = append(fields, f)
				}
			}
			return true
		})
		return false
	})
	return fields
}
