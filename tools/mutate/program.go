package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// switches is a file of the mutated package: what its expressions call.
//
//go:embed switches.txt
var switches string

// A program is a package in which all mutants are built. The environment says which one is on.
type program struct {
	dir     string
	work    string
	mutants []*mutant
	overlay string // the file for go build -overlay
}

// prepare writes the package's files with a switch for each mutant. A mutant whose switch does not
// compile gets a build of its own.
func prepare(dir, work string, mutants []*mutant) (*program, error) {
	p := &program{dir, work, mutants, filepath.Join(work, "overlay.json")}
	for _, m := range mutants {
		m.single = m.single || m.node == nil
	}
	if err := p.markConstants(); err != nil {
		return nil, err
	}
	position := regexp.MustCompile(`(?m)^(?:\./)?\S*?([^/\s]+\.go):(\d+):\d+: `)
	for {
		if err := p.write(); err != nil {
			return nil, err
		}
		text, err := exec.Command("go", "build", "-gcflags=-e", "-overlay", p.overlay, "./"+dir).
			CombinedOutput()
		if err == nil {
			return p, nil
		}
		fewer := false
		for _, at := range position.FindAllSubmatch(text, -1) {
			line, _ := strconv.Atoi(string(at[2]))
			for _, m := range mutants {
				if m.File == string(at[1]) && m.Line == line && !m.single {
					m.single, fewer = true, true
				}
			}
		}
		if !fewer {
			return nil, fmt.Errorf("the package with all its mutants does not compile: %s", text)
		}
	}
}

// markConstants finds the mutants of expressions that must be constant.
func (p *program) markConstants() error {
	for _, m := range p.mutants {
		set := token.NewFileSet()
		src, err := load(set, filepath.Join(p.dir, m.File))
		if err != nil {
			return err
		}
		ast.Inspect(src.syntax, func(n ast.Node) bool {
			switch d := n.(type) {
			case *ast.GenDecl:
				if d.Tok != token.CONST {
					return true
				}
			case *ast.ArrayType:
			default:
				return true
			}
			if set.Position(n.Pos()).Line <= m.Line && m.Line <= set.Position(n.End()).Line {
				m.single = true
			}
			return true
		})
	}
	return nil
}

// write makes the overlay.
func (p *program) write() error {
	replace := map[string]string{}
	files := map[string][]*mutant{}
	for _, m := range p.mutants {
		if !m.single {
			files[m.File] = append(files[m.File], m)
		}
	}
	name := ""
	for file, mutants := range files {
		text, err := p.switched(file, mutants, &name)
		if err != nil {
			return err
		}
		if err := p.put(replace, file, text); err != nil {
			return err
		}
	}
	text := strings.ReplaceAll(switches, "PACKAGE", name)
	text = strings.ReplaceAll(text, "MUTANTS", strconv.Itoa(len(p.mutants)))
	if name != "" {
		if err := p.put(replace, "mutation_switches.go", []byte(text)); err != nil {
			return err
		}
	}
	return overlay(p.overlay, replace)
}

func (p *program) put(replace map[string]string, file string, text []byte) error {
	from, err := filepath.Abs(filepath.Join(p.dir, file))
	if err != nil {
		return err
	}
	to := filepath.Join(p.work, p.dir, file)
	replace[from] = to
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o600)
}

func overlay(path string, replace map[string]string) error {
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}

// An edit replaces n bytes at an offset.
type edit struct {
	before string // ends what is to its left
	n      int
	after  string // begins what is to its right
}

// switched returns the text of a file in which each expression asks which mutant is on.
func (p *program) switched(file string, mutants []*mutant, name *string) ([]byte, error) {
	set := token.NewFileSet()
	src, err := load(set, filepath.Join(p.dir, file))
	if err != nil {
		return nil, err
	}
	*name = src.syntax.Name.Name
	at := map[[2]int][]*mutant{}
	for _, m := range mutants {
		at[[2]int{m.Line, m.Column}] = append(at[[2]int{m.Line, m.Column}], m)
	}
	edits := map[int]*edit{}
	on := func(pos token.Pos) *edit {
		offset := set.Position(pos).Offset
		if edits[offset] == nil {
			edits[offset] = &edit{}
		}
		return edits[offset]
	}
	// Outer expressions come first: what they begin with is to the left, and what they end with
	// to the right.
	around := func(first, last token.Pos, begin, end string) {
		on(first).after += begin
		on(last).before = end + on(last).before
	}
	ast.Inspect(src.syntax, func(n ast.Node) bool {
		op, pos := operator(n)
		where := set.Position(pos)
		here := at[[2]int{where.Line, where.Column}]
		if len(here) == 0 {
			return true
		}
		ids := map[token.Token]int{}
		for _, m := range here {
			ids[m.to] = m.id
		}
		instead := func(text string) {
			e := on(pos)
			e.n = len(op.String())
			e.after += text
		}
		switch n := n.(type) {
		case *ast.BinaryExpr:
			switch op {
			case token.EQL, token.NEQ:
				around(n.Pos(), n.End(), "((", fmt.Sprintf(") != mutantIs(%d))", here[0].id))
				return true
			case token.LSS, token.LEQ, token.GTR, token.GEQ:
				boundary := tokens["CONDITIONALS_BOUNDARY"][op]
				negation := tokens["CONDITIONALS_NEGATION"][op]
				around(n.Pos(), n.End(), fmt.Sprintf("mutant%s(%d, %d, ", names[op], id(ids, boundary),
					id(ids, negation)), ")")
			default:
				around(n.Pos(), n.End(), fmt.Sprintf("mutant%s(%d, ", names[op], here[0].id), ")")
			}
			instead(",")
		case *ast.UnaryExpr:
			instead(fmt.Sprintf("mutantNeg(%d, ", here[0].id))
			on(n.End()).before = ")" + on(n.End()).before
		case *ast.IncDecStmt:
			around(n.Pos(), n.TokPos, fmt.Sprintf("mutant%s(%d, &", names[op], here[0].id), ")")
			instead("")
		}
		return true
	})
	var out bytes.Buffer
	done := 0
	offsets := make([]int, 0, len(edits))
	for offset := range edits {
		offsets = append(offsets, offset)
	}
	slices.Sort(offsets)
	for _, offset := range offsets {
		e := edits[offset]
		out.Write(src.text[done:offset])
		out.WriteString(e.before)
		out.WriteString(e.after)
		done = offset + e.n
	}
	out.Write(src.text[done:])
	return out.Bytes(), nil
}

// names are those of the functions in switches.txt.
var names = map[token.Token]string{
	token.ADD: "Add", token.SUB: "Sub", token.MUL: "Mul", token.QUO: "Quo", token.REM: "Rem",
	token.LSS: "Lss", token.LEQ: "Leq", token.GTR: "Gtr", token.GEQ: "Geq",
	token.INC: "Inc", token.DEC: "Dec",
}

func id(ids map[token.Token]int, to token.Token) int {
	if n, ok := ids[to]; ok {
		return n
	}
	return -2 // never on
}
