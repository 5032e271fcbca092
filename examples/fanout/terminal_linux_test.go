package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/examples/internal/console/consoletest"
)

func TestAMessageCannotCommandTheTerminalOfListen(t *testing.T) {
	f := newFixture(t)
	_, url, _ := f.gateway("-topic", "orders")
	var out, errs bytes.Buffer
	lines := strings.NewReader("\x1b]0;title\a\n")
	require.Zero(t, run(t.Context(), []string{"publish", url, "orders"}, lines, &out, &errs))
	tty, user := consoletest.Terminal(t, 80)
	args := []string{"listen", "-after", "0", "-n", "1", url, "orders"}
	require.Zero(t, run(t.Context(), args, nil, tty, &errs), errs.String())
	require.Equal(t, `1 line \x1b]0;title\a`+"\r\n", consoletest.Sees(t, user))
}
