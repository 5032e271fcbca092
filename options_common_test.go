package wsstream

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// ofOneSide are the options that both sides have, and that mean something else on each. Their
// comments differ.
var ofOneSide = []string{"Subprotocols", "Header", "MaxHandshakeSize", "HandshakeTimeout"}

// filled returns a value of type t that is not its zero value.
func filled(t reflect.Type) reflect.Value {
	switch t.Kind() {
	case reflect.Int, reflect.Int64:
		return reflect.ValueOf(4711).Convert(t)
	case reflect.Pointer:
		return reflect.New(t.Elem())
	case reflect.Slice:
		return reflect.MakeSlice(t, 1, 1)
	case reflect.Map:
		return reflect.MakeMap(t)
	default:
		return reflect.MakeFunc(t, func([]reflect.Value) []reflect.Value { return nil })
	}
}

func TestOptionsOfBothSidesAreMappedToCommonAndNothingElseIs(t *testing.T) {
	dial, accept := reflect.TypeFor[DialOptions](), reflect.TypeFor[AcceptOptions]()
	shared := reflect.VisibleFields(reflect.TypeFor[common]())
	for f := range dial.Fields() {
		_, both := accept.FieldByName(f.Name)
		_, isCommon := reflect.TypeFor[common]().FieldByName(f.Name)
		require.Equal(t, both, isCommon, f.Name)
	}
	for _, f := range shared {
		for _, side := range []struct {
			options reflect.Value
			common  func(options any) common
		}{
			{
				options: reflect.New(dial),
				common:  func(o any) common { return o.(*DialOptions).common() },
			},
			{
				options: reflect.New(accept),
				common:  func(o any) common { return o.(*AcceptOptions).common() },
			},
		} {
			t.Run(fmt.Sprintf("%s of %s", f.Name, side.options.Type()), func(t *testing.T) {
				v := side.options.Elem().FieldByName(f.Name)
				require.True(t, v.IsValid(), "it has no such field")
				require.Equal(t, f.Type, v.Type())
				v.Set(filled(f.Type))
				got := reflect.ValueOf(side.common(side.options.Interface()))
				for _, g := range shared {
					require.Equal(t, g.Name != f.Name, got.FieldByName(g.Name).IsZero(), g.Name)
				}
				if v.CanInt() {
					require.Equal(t, v.Int(), got.FieldByName(f.Name).Int())
				}
			})
		}
	}
}

// commentsOf returns the doc comment of each field of a struct.
func commentsOf(t *testing.T, file, of string) map[string]string {
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
	require.NoError(t, err)
	comments := map[string]string{}
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok || spec.Name.Name != of {
			return true
		}
		for _, f := range spec.Type.(*ast.StructType).Fields.List {
			for _, name := range f.Names {
				comments[name.Name] = f.Doc.Text()
			}
		}
		return false
	})
	return comments
}

func TestOptionsHaveTheSameCommentOnBothSides(t *testing.T) {
	dial := commentsOf(t, "dial_options.go", "DialOptions")
	accept := commentsOf(t, "accept_options.go", "AcceptOptions")
	for f := range reflect.TypeFor[common]().Fields() {
		require.NotEmpty(t, dial[f.Name], f.Name)
		if slices.Contains(ofOneSide, f.Name) {
			require.NotEqual(t, dial[f.Name], accept[f.Name], f.Name)
		} else {
			require.Equal(t, dial[f.Name], accept[f.Name], f.Name)
		}
	}
}

// A default is written in three ways: in the tables of limits, and in the comment of its option.
func defaultOf(v reflect.Value) (short, long string) {
	n := v.Int()
	switch {
	case n == 0:
		return "none", "zero or negative, "
	case v.Type() == reflect.TypeFor[time.Duration]():
		s := int(time.Duration(n).Seconds())
		return fmt.Sprintf("%d s", s), fmt.Sprintf("zero, %d seconds.", s)
	case n%(1<<20) == 0:
		short = fmt.Sprintf("%d MiB", n>>20)
	default:
		short = fmt.Sprintf("%d KiB", n>>10)
	}
	return short, "zero, " + short + "."
}

func TestOptionsThatLimitStandInTheTablesWithTheirDefault(t *testing.T) {
	o, err := common{}.check(true)
	require.NoError(t, err)
	page, err := os.ReadFile("docs/options.md")
	require.NoError(t, err)
	doc, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	comments := []map[string]string{
		commentsOf(t, "dial_options.go", "DialOptions"),
		commentsOf(t, "accept_options.go", "AcceptOptions"),
	}
	for f, v := range reflect.ValueOf(o.common).Fields() {
		if !v.CanInt() {
			require.Regexp(t, "(?m)^\\| [^|]*`"+f.Name+"`", string(page))
			continue
		}
		short, long := defaultOf(v)
		row := "(?m)^\\| `" + f.Name + "` \\| [^|]* \\| " + short + " \\| (no limit|none)"
		require.Regexp(t, row, string(page))
		require.Regexp(t, `(?m)^//\t`+f.Name+` +`+regexp.QuoteMeta(short)+`  `, string(doc))
		for _, c := range comments {
			require.Contains(t, c[f.Name], "\nIf "+long, f.Name)
			require.Contains(t, c[f.Name], "negative, no ", f.Name)
		}
	}
}
