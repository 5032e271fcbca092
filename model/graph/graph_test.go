package graph

import (
	"strings"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestGraphsDoWhatTheirOperatorsPromise(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := Programs().Draw(rt, "program")
		if r := Run(t, p); len(r.Faults) > 0 {
			rt.Fatalf("%s\n%v\n%s", strings.Join(r.Faults, "\n"), p, r.Log)
		}
	})
}
