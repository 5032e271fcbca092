package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const code = `package p

const limit = 2 * 3

func Less(a, b int) bool { return a < b }

func Name(a string) string { return a + "!" }

func Same(a, b any) bool { return a == b }

func Next(n int) int {
	n++
	return n + 0
}

func Never(a int) int { return -a }

func Limit() int { return limit }
`

const tests = `package p

import "testing"

func TestLess(t *testing.T) {
	if !Less(1, 2) {
		t.Fail()
	}
}

func TestName(t *testing.T) { Name("a") }

func TestSame(t *testing.T) {
	if !Same(1, 1) {
		t.Fail()
	}
}

func TestNext(t *testing.T) {
	if Next(3) != 4 {
		t.Fail()
	}
}

func TestLimit(t *testing.T) {
	if Limit() != 6 {
		t.Fail()
	}
}
`

func TestMutantsHaveTheFateThatTheirTestsGiveThem(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv("GOWORK", "off")
	for name, text := range map[string]string{
		"go.mod": "module example.org/p\n\ngo 1.26\n", "p.go": code, "p_test.go": tests,
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	var all []*mutant
	for line, text := range strings.Split(code, "\n") {
		for column := range text {
			for kind := range tokens {
				all = append(all, &mutant{File: "p.go", Line: line + 1, Column: column + 1, Type: kind})
			}
		}
	}
	mutants, err := inspect(".", all)
	require.NoError(t, err)
	p, err := prepare(".", t.TempDir(), mutants)
	require.NoError(t, err)
	require.NoError(t, options{workers: 1, match: everyTest, fast: time.Hour}.test(p, ".", mutants))

	fates := map[string]string{}
	for _, m := range mutants {
		fates[m.item()] = m.Fate
	}
	require.Equal(t, map[string]string{
		"`limit`: `2 * → / 3`":    killed,
		"`Less`: `a < → <= b`":    lived,
		"`Less`: `a < → >= b`":    killed,
		"`Name`: `a + → - \"!\"`": notViable,
		"`Same`: `a == → != b`":   killed,
		"`Next`: `n++ → --`":      killed,
		"`Next`: `n + → - 0`":     lived,
		"`Never`: `- → +a`":       notCovered,
	}, fates)
}
