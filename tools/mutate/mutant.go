package main

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// A mutant is one changed token.
type mutant struct {
	File         string
	Function     string // the function, method or declaration around the token
	Text         string // the changed expression, before and after
	Nth          int    // how many before it in the function have the same Text
	Line, Column int
	Type         string
	Fate         string
	By           string // the tests that killed it

	id     int
	from   token.Token
	to     token.Token
	node   ast.Node
	single bool // it needs a build of its own
}

func (m *mutant) String() string {
	return fmt.Sprintf("%s:%d:%d %s: %s", m.File, m.Line, m.Column, m.Function, m.Text)
}

// item is how docs/mutants.md lists the mutant.
func (m *mutant) item() string { return fmt.Sprintf("`%s`: `%s`", m.Function, m.Text) }

func (m *mutant) dead() bool {
	return m.Fate == killed || m.Fate == timedOut || m.Fate == notViable
}

func (m *mutant) key() string { return fmt.Sprint(m.File, m.Function, m.Text, m.Nth) }

// tokens has what gremlins makes of a token, for the types of mutants that are on by default.
var tokens = map[string]map[token.Token]token.Token{
	"ARITHMETIC_BASE": {
		token.ADD: token.SUB, token.SUB: token.ADD,
		token.MUL: token.QUO, token.QUO: token.MUL, token.REM: token.MUL,
	},
	"CONDITIONALS_BOUNDARY": {
		token.GEQ: token.GTR, token.GTR: token.GEQ, token.LEQ: token.LSS, token.LSS: token.LEQ,
	},
	"CONDITIONALS_NEGATION": {
		token.EQL: token.NEQ, token.NEQ: token.EQL, token.GEQ: token.LSS, token.LSS: token.GEQ,
		token.GTR: token.LEQ, token.LEQ: token.GTR,
	},
	"INCREMENT_DECREMENT": {token.INC: token.DEC, token.DEC: token.INC},
	"INVERT_NEGATIVES":    {token.SUB: token.ADD},
}

// A source is a file of the package.
type source struct {
	path   string
	text   []byte
	syntax *ast.File
}

func load(set *token.FileSet, path string) (*source, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	syntax, err := parser.ParseFile(set, path, text, parser.ParseComments)
	return &source{path, text, syntax}, err
}

// inspect finds the expression of each mutant. It drops those of files that are not built here, and
// the second of two that change the same token in the same way.
func inspect(dir string, mutants []*mutant) ([]*mutant, error) {
	text, err := exec.Command("go", "list", "-json=GoFiles", "./"+dir).Output()
	if err != nil {
		return nil, err
	}
	var built struct{ GoFiles []string }
	if err := json.Unmarshal(text, &built); err != nil {
		return nil, err
	}
	type place struct {
		file         string
		line, column int
	}
	at := map[place][]*mutant{}
	for _, m := range mutants {
		p := place{m.File, m.Line, m.Column}
		at[p] = append(at[p], m)
	}
	var found []*mutant
	for _, name := range built.GoFiles {
		set := token.NewFileSet()
		src, err := load(set, filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		seen := map[string]int{}
		for _, d := range src.syntax.Decls {
			ast.Inspect(d, func(n ast.Node) bool {
				op, pos := operator(n)
				p := set.Position(pos)
				changed := map[token.Token]bool{}
				for _, m := range at[place{name, p.Line, p.Column}] {
					to, ok := tokens[m.Type][op]
					if !ok || changed[to] {
						continue
					}
					changed[to] = true
					m.from, m.to, m.node = op, to, n
					m.Function = nameOf(d)
					m.Text = describe(set, src, n, pos, op, to)
					m.Nth = seen[m.Function+m.Text]
					seen[m.Function+m.Text]++
					m.id = len(found)
					found = append(found, m)
				}
				return true
			})
		}
	}
	return found, nil
}

// operator returns the token that a mutant of the node changes.
func operator(n ast.Node) (token.Token, token.Pos) {
	switch n := n.(type) {
	case *ast.BinaryExpr:
		return n.Op, n.OpPos
	case *ast.UnaryExpr:
		return n.Op, n.OpPos
	case *ast.IncDecStmt:
		return n.Tok, n.TokPos
	}
	return token.ILLEGAL, token.NoPos
}

func nameOf(d ast.Decl) string {
	f, ok := d.(*ast.FuncDecl)
	if !ok {
		for _, s := range d.(*ast.GenDecl).Specs {
			if v, ok := s.(*ast.ValueSpec); ok {
				return v.Names[0].Name
			}
		}
		return "declaration"
	}
	if f.Recv == nil {
		return f.Name.Name
	}
	receiver := f.Recv.List[0].Type
	for {
		switch r := receiver.(type) {
		case *ast.StarExpr:
			receiver = r.X
			continue
		case *ast.IndexExpr:
			receiver = r.X
			continue
		case *ast.IndexListExpr:
			receiver = r.X
			continue
		case *ast.Ident:
			return r.Name + "." + f.Name.Name
		}
		return f.Name.Name
	}
}

// describe shows the expression, and what becomes of its token.
func describe(
	set *token.FileSet, src *source, n ast.Node, pos token.Pos, from, to token.Token,
) string {
	start, end := set.Position(n.Pos()).Offset, set.Position(n.End()).Offset
	op := set.Position(pos).Offset
	whole := string(src.text[start:op]) + from.String() + " → " + to.String() +
		string(src.text[op+len(from.String()):end])
	return strings.Join(strings.Fields(whole), " ")
}

// mutate returns the source with the one token of the mutant changed.
func (m *mutant) mutate(dir string) ([]byte, error) {
	set := token.NewFileSet()
	src, err := load(set, filepath.Join(dir, m.File))
	if err != nil {
		return nil, err
	}
	offset := set.File(src.syntax.Pos()).LineStart(m.Line) + token.Pos(m.Column-1)
	at := set.Position(offset).Offset
	return slices.Concat(src.text[:at], []byte(m.to.String()), src.text[at+len(m.from.String()):]), nil
}
