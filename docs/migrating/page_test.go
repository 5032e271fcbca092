package migrating

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
)

const pages = ".." // where migrating.md and features.md are

func read(t *testing.T, path ...string) string {
	b, err := os.ReadFile(filepath.Join(path...))
	require.NoError(t, err)
	return string(b)
}

func TestTheCodeOnThePageIsTheCodeThatRuns(t *testing.T) {
	page := read(t, pages, "migrating.md")
	shown := map[string]bool{}
	blocks := regexp.MustCompile("(?s)\\[([a-z/.]+)\\]\\(migrating/([a-z/.]+)\\)\n\n```go\n(.*?)```").FindAllStringSubmatch(page, -1)
	for _, b := range blocks {
		file := b[2]
		require.Equal(t, file, b[1])
		require.True(t, strings.HasSuffix(read(t, file), b[3]), "the code shown is not that of %s", file)
		shown[file] = true
	}
	require.Len(t, blocks, strings.Count(page, "```go"), "a block of code without its file in front")
	files, err := filepath.Glob("*/*.go")
	require.NoError(t, err)
	for _, file := range files {
		require.True(t, shown[filepath.ToSlash(file)], "%s is not shown", file)
	}
}

var link = regexp.MustCompile(`\]\(([^)#:]*)(?:#([^)]*))?\)`)

// anchors returns the fragments that GitHub makes of the headings of a page.
func anchors(page string) (all []string) {
	for _, heading := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(page, -1) {
		all = append(all, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, heading[1]))
	}
	return all
}

func TestThePagesLinkToWhatExists(t *testing.T) {
	links := 0
	for _, glob := range []string{"*.md", "docs/*.md", "*/README.md"} {
		files, err := filepath.Glob(filepath.Join(pages, "..", glob))
		require.NoError(t, err)
		for _, file := range files {
			text := regexp.MustCompile("(?s)```.*?```|`[^`\n]*`").ReplaceAllString(read(t, file), "")
			for _, m := range link.FindAllStringSubmatch(text, -1) {
				links++
				target := filepath.Join(filepath.Dir(file), m[1])
				if m[1] == "" {
					target = file
				}
				require.True(t, exists(target), "%s links to %s, which does not exist", file, m[1])
				if m[2] != "" {
					require.Contains(t, anchors(read(t, target)), m[2], "%s links to it", file)
				}
			}
		}
	}
	require.NotZero(t, links)
}

func TestNoPageAndNoProgramRangesOverAllWithoutItsError(t *testing.T) {
	alone := regexp.MustCompile(`(?m)^[\s/>]*for \w+ := range .*(?:stream\.All|\(\)\.All|\.Messages)\(`)
	both := regexp.MustCompile(`for \w+, \w+ := range .*\.All\(`)
	seen := 0
	root := filepath.Join(pages, "..")
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".md") && !strings.HasSuffix(path, ".go") {
			return err
		}
		text := read(t, path)
		seen += len(both.FindAllString(text, -1))
		require.Empty(t, alone.FindString(text), "%s", path)
		return nil
	}))
	require.Greater(t, seen, 20)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func TestTheTestsThatThePagesNameExist(t *testing.T) {
	tests := map[string]bool{}
	test := regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`)
	root := filepath.Join(pages, "..")
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		for _, m := range test.FindAllStringSubmatch(read(t, path), -1) {
			tests[m[1]] = true
		}
		return nil
	}))
	named := regexp.MustCompile(`\bTest[A-Z]\w+`)
	for _, page := range []string{
		"behaviour.md", "features.md", "migrating.md", "security.md", "windows.md",
	} {
		names := named.FindAllString(read(t, pages, page), -1)
		require.NotEmpty(t, names, "%s", page)
		for _, name := range names {
			require.True(t, tests[name], "%s names %s, which is no test", page, name)
		}
	}
}

func TestEachLineOfThePagesOfPromisesNamesATest(t *testing.T) {
	for page, atLeast := range map[string]int{"behaviour.md": 50, "security.md": 30} {
		lines := 0
		for line := range strings.Lines(read(t, pages, page)) {
			if !strings.HasPrefix(line, "| ") || strings.HasSuffix(line, "| tests |\n") {
				continue
			}
			lines++
			require.Regexp(t, "\\| `Test\\w+`(<br>`Test\\w+`)* \\|\n$", line)
		}
		require.Greater(t, lines, atLeast, "%s", page)
	}
}

func TestTheSecurityPageNamesEachTestOfHostilePeers(t *testing.T) {
	page := read(t, pages, "security.md")
	files, err := filepath.Glob(filepath.Join(pages, "..", "internal", "hostile", "*_test.go"))
	require.NoError(t, err)
	tests := regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`)
	seen := 0
	for _, file := range files {
		for _, m := range tests.FindAllStringSubmatch(read(t, file), -1) {
			seen++
			require.Contains(t, page, "`"+m[1]+"`", "%s", file)
		}
	}
	require.Greater(t, seen, 20)
}
