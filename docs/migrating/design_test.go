package migrating

import (
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The page on the design names files, and functions of the code.
func TestTheDesignPageNamesWhatExists(t *testing.T) {
	files := map[string]bool{}
	var code strings.Builder
	root := filepath.Join(pages, "..")
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		files[d.Name()] = true
		code.WriteString(read(t, path))
		return nil
	}))
	page := read(t, pages, "design.md")
	for pattern, exists := range map[string]func(name string) bool{
		"`(\\w+\\.go)`": func(name string) bool { return files[name] },
		`\b((?:recv|send|close|transport)_\w+)\b`: func(name string) bool {
			return files[strings.TrimSuffix(name, ".go")+".go"]
		},
		"`([a-z]+[A-Z]\\w*)`": func(name string) bool {
			return regexp.MustCompile(`(?m)^func .*\b` + name + `\(`).MatchString(code.String())
		},
	} {
		names := regexp.MustCompile(pattern).FindAllStringSubmatch(page, -1)
		require.NotEmpty(t, names, pattern)
		for _, name := range names {
			require.True(t, exists(name[1]), "it names %s", name[1])
		}
	}
}
