package graph

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/wsstream/wsstream/model/internal/steady"
)

func TestMain(m *testing.M) {
	flag.Parse()
	steady.Draws()
	goleak.VerifyTestMain(m)
}

// found is set once a program has broken a law. The order in which goroutines run is no part of a
// program, so from then on each program runs several times, and the failure shrinks.
var found bool

func TestGraphsDoWhatTheirOperatorsPromise(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := Programs().Draw(rt, "program")
		tries := 1
		if found {
			tries = 20
		}
		for range tries {
			if r := Run(t, p); len(r.Faults) > 0 {
				found = true
				rt.Fatalf("%s\n%v\n%s", strings.Join(r.Faults, "\n"), p, r.Log)
			}
		}
	})
}

// The corpus has a program for each fault that was found in package stream.
func TestGraphsOfTheCorpusDoWhatTheirOperatorsPromise(t *testing.T) {
	files, err := filepath.Glob("testdata/corpus/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			var p Program
			require.NoError(t, json.Unmarshal(text, &p))
			for range 10 { // the order of goroutines differs
				r := Run(t, p)
				require.Empty(t, r.Faults, "%s", r.Log)
			}
		})
	}
}
