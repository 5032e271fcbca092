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

// done are the pages and folders that keep the rules: a page by its path, a folder with everything
// below it, or "." for the files of the root alone.
var done = []string{
	"CHANGELOG.md",
	"CONTRIBUTING.md",
	"README.md",
	"SECURITY.md",
	"bench",
	"docs/behaviour.md",
	"docs/design.md",
	"docs/examples.md",
	"docs/features.md",
	"docs/javascript.md",
	"docs/memory.md",
	"docs/migrating.md",
	"docs/migrating",
	"docs/options.md",
	"docs/peers.md",
	"docs/proxies.md",
	"docs/windows.md",
	"e2e",
	"examples",
	"internal/words",
	"otelws",
	"promws",
}

const (
	root        = "../.."
	mostColumns = 100 // runes a line; a tab is one
	mostWords   = 25  // words a sentence of a page
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
	item     = regexp.MustCompile(`^(\s*([-*]|\d+\.) |#|$)`) // begins a paragraph
)

// page checks a page in Markdown, without its blocks of code. Tables are as wide as they must be.
func page(text string) (all []breach) {
	text = block.ReplaceAllStringFunc(text, func(code string) string {
		return strings.Repeat("\n", strings.Count(code, "\n"))
	})
	var paragraph string
	first := 1
	end := func(next int) {
		for s := range strings.SplitSeq(sentence.ReplaceAllString(paragraph, "\n"), "\n") {
			if n := len(strings.Fields(s)); n > mostWords {
				all = append(all, breach{first, fmt.Sprintf("a sentence of %d words: %s", n, s)})
			}
		}
		paragraph, first = "", next
	}
	for i, line := range strings.Split(text, "\n") {
		if !strings.HasPrefix(line, "|") {
			all = append(all, wide(i+1, line)...)
		}
		line = target.ReplaceAllString(span.ReplaceAllString(line, "code"), "]")
		all = append(all, words(i+1, line)...)
		if item.MatchString(line) {
			end(i + 1)
		}
		for n, cell := range strings.Split(line, "|") {
			if n > 0 {
				end(i + 1)
			}
			paragraph += " " + cell
		}
	}
	end(0)
	return all
}

// source checks the comments of a file in Go, and the width of its lines.
func source(text string) (all []breach) {
	file := token.NewFileSet().AddFile("", -1, len(text))
	var s scanner.Scanner
	s.Init(file, []byte(text), nil, scanner.ScanComments)
	literals := map[int]bool{} // the lines that have a string as long as half a line
	for {
		pos, tok, lit := s.Scan()
		if tok == token.EOF {
			break
		}
		line := file.Line(pos)
		switch tok {
		case token.STRING:
			for i, part := range strings.Split(lit, "\n") {
				if len(part) > mostColumns/2 || i > 0 {
					literals[line+i] = true
				}
			}
		case token.COMMENT:
			for i, part := range strings.Split(lit, "\n") {
				all = append(all, words(line+i, quoted.ReplaceAllString(part, ""))...)
				if strings.Contains(part, "**") {
					all = append(all, breach{line + i, "bold in a comment"})
				}
			}
		}
	}
	for i, line := range strings.Split(text, "\n") {
		if !literals[i+1] {
			all = append(all, wide(i+1, line)...)
		}
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
	} {
		var lines []int
		for _, found := range b.rules(b.text) {
			lines = append(lines, found.line)
		}
		require.Equal(t, b.lines, lines, b.text)
	}
}
