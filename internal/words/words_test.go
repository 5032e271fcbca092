// Package words checks the rules of words that a program can check, over all pages and comments.
package words

import (
	"fmt"
	"go/scanner"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// done are the pages and folders that keep the rules. A folder stands for everything below it, and
// "." for the files of the root alone.
var done = []string{
	"CHANGELOG.md",
	"CONTRIBUTING.md",
	"README.md",
	"SECURITY.md",
	"bench",
	"cmd",
	"docs",
	"e2e",
	"examples",
	"internal/closed",
	"internal/credit",
	"internal/deflate",
	"internal/gate",
	"internal/handshake",
	"internal/lasting",
	"internal/latch",
	"internal/pipes",
	"internal/storm",
	"internal/wire",
	"internal/words",
	"otelws",
	"promws",
	"resume",
	"stream",
	"tools",
	"wstest",
	".",
}

const (
	root        = "../.."
	mostColumns = 100 // runes a line; a tab is one
	mostWords   = 25  // words a sentence
)

// banned hide the actor, or have two meanings.
var banned = regexp.MustCompile(`(?i)\b(who|whom|whoever|somebody|someone|anybody|anyone|nobody|` +
	`everybody|everyone|he|him|his|himself|at once)\b`)

func TestThePagesAndCommentsKeepTheRulesOfWords(t *testing.T) {
	seen := map[string]bool{}
	var breaches []string
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == ".git" || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		name, err := filepath.Rel(root, path)
		part := doneWith(filepath.ToSlash(name))
		rules := map[string]func(string) []breach{".md": page, ".go": source}[filepath.Ext(name)]
		if err != nil || part == "" || rules == nil {
			return err
		}
		seen[part] = true
		text, err := os.ReadFile(path)
		for _, b := range rules(string(text)) {
			breaches = append(breaches, fmt.Sprintf("%s:%d: %s", name, b.line, b.rule))
		}
		return err
	}))
	for _, part := range done {
		require.True(t, seen[part], "%s has neither a page nor a source", part)
	}
	require.Empty(t, breaches, strings.Join(breaches, "\n"))
}

// doneWith returns the part of done that a file belongs to, or nothing.
func doneWith(name string) string {
	for _, part := range done {
		if name == part || strings.HasPrefix(name, part+"/") ||
			part == "." && !strings.Contains(name, "/") {
			return part
		}
	}
	return ""
}

// A breach is a line that breaks a rule.
type breach struct {
	line int
	rule string
}

var (
	block    = regexp.MustCompile("(?s)```.*?```")
	span     = regexp.MustCompile("`[^`]*`")
	target   = regexp.MustCompile(`\]\([^)]*\)`) // of a link
	quoted   = regexp.MustCompile(`"[^"]*"`)
	sentence = regexp.MustCompile(`[.?!][")*]*(\s|$)`)
	bold     = regexp.MustCompile(`\*\*\w`)
	item     = regexp.MustCompile(`^(\s*([-*]|\d+\.) |#|$)`) // begins a paragraph
)

// A paragraph gathers lines, in which sentences may go on.
type paragraph struct {
	first int // its first line
	text  string
}

func (p *paragraph) add(line int, text string) {
	if p.text == "" {
		p.first = line
	}
	p.text += " " + text
}

// end returns the sentences that are too long, and empties the paragraph.
func (p *paragraph) end() (all []breach) {
	for s := range strings.SplitSeq(sentence.ReplaceAllString(p.text, "\n"), "\n") {
		if n := len(strings.Fields(s)); n > mostWords {
			all = append(all, breach{p.first, fmt.Sprintf("a sentence of %d words:%s", n, s)})
		}
	}
	p.text = ""
	return all
}

// page checks a page in Markdown, without its blocks of code. Tables are as wide as they must be.
func page(text string) (all []breach) {
	text = block.ReplaceAllStringFunc(text, func(code string) string {
		return strings.Repeat("\n", strings.Count(code, "\n"))
	})
	var p paragraph
	for i, line := range strings.Split(text, "\n") {
		if !strings.HasPrefix(line, "|") {
			all = append(all, wide(i+1, line)...)
		}
		line = target.ReplaceAllString(span.ReplaceAllString(line, "code"), "]")
		all = append(all, words(i+1, line)...)
		if item.MatchString(line) {
			all = append(all, p.end()...)
		}
		for n, cell := range strings.Split(line, "|") {
			if n > 0 {
				all = append(all, p.end()...)
			}
			p.add(i+1, cell)
		}
	}
	return append(all, p.end()...)
}

// source checks the comments of a file in Go, and the width of its lines.
func source(text string) (all []breach) {
	file := token.NewFileSet().AddFile("", -1, len(text))
	var s scanner.Scanner
	s.Init(file, []byte(text), nil, scanner.ScanComments)
	literals := map[int]bool{} // the lines that have a string as long as half a line
	var p paragraph
	last := 0 // line of a comment that stands alone
	lines := strings.Split(text, "\n")
	for {
		pos, tok, lit := s.Scan()
		if tok == token.EOF {
			break
		}
		line := file.Line(pos)
		for i, part := range strings.Split(lit, "\n") {
			switch tok {
			case token.STRING:
				literals[line+i] = literals[line+i] || i > 0 || len(part) > mostColumns/2
			case token.COMMENT:
				if line+i != last+1 {
					all = append(all, p.end()...)
				}
				if strings.HasPrefix(strings.TrimSpace(lines[line+i-1]), part) {
					last = line + i
				}
				all = append(all, comment(&p, line+i, part)...)
			}
		}
	}
	all = append(all, p.end()...)
	for i, line := range lines {
		if !literals[i+1] {
			all = append(all, wide(i+1, line)...)
		}
	}
	return all
}

// comment checks a line of a comment, and adds it to its paragraph unless it is code.
func comment(p *paragraph, line int, text string) (all []breach) {
	text = quoted.ReplaceAllString(span.ReplaceAllString(text, "code"), "quoted")
	all = words(line, text)
	if bold.MatchString(text) {
		all = append(all, breach{line, "bold"})
	}
	text = strings.TrimPrefix(strings.Trim(text, "/*"), " ")
	if item.MatchString(text) || strings.HasPrefix(text, "\t") {
		all = append(all, p.end()...)
	}
	if !strings.HasPrefix(text, "\t") {
		p.add(line, text)
	}
	return all
}

func words(line int, text string) (all []breach) {
	for _, word := range banned.FindAllString(text, -1) {
		all = append(all, breach{line, fmt.Sprintf("the word %q", word)})
	}
	return all
}

func wide(line int, text string) []breach {
	if n := utf8.RuneCountInString(text); n > mostColumns && !strings.Contains(text, "://") {
		return []breach{{line, fmt.Sprintf("%d columns", n)}}
	}
	return nil
}

func TestABreachIsFound(t *testing.T) {
	long := strings.Repeat("word ", 26)
	for _, b := range []struct {
		rules func(string) []breach
		text  string
		lines []int
	}{
		{page, "A line.\n\nThe one who waits.\n", []int{3}},
		{page, "`who` and\n```\nwho at once\n```\n", nil},
		{page, "- an item\n- " + long + "\n", []int{2, 2}},
		{page, "| " + long + " | a cell |\n", []int{1}},
		{page, "| " + long[:100] + " | " + long[:100] + " |\n", nil},
		{source, "package p\n\n// f asks the peer, and he answers \"at once\".\nfunc f() {}\n", []int{3}},
		{source, "package p\n\n/* Two\nwords, **at once**. */\n", []int{4, 4}},
		{source, "package p\n\nvar v = f(" + strings.Repeat("1, ", 40) + ")\n", []int{3}},
		{source, "package p\n\nvar v = \"who " + long + "\"\n", nil},
		{source, "package p\n\n// " + long[:89] + "\n// " + long[:89] + "\n", []int{3}},
		{source, "package p\n\n// " + long[:89] + ".\n// " + long[:89] + "\n", nil},
		{source, "package p\n\nvar a = 1 // " + long[:74] + "\nvar b = 1 // " + long[:74] + "\n", nil},
	} {
		var lines []int
		for _, found := range b.rules(b.text) {
			lines = append(lines, found.line)
		}
		require.Equal(t, b.lines, lines, b.text)
	}
}
