package guacamole

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
)

func TestAnInstructionIsReadAsItWasWritten(t *testing.T) {
	for _, c := range []struct {
		instruction Instruction
		text        string
	}{
		{Instruction{"sync", "12"}, "4.sync,2.12;"},
		{Instruction{"", "ping", ""}, "0.,4.ping,0.;"},
		{Instruction{"nop"}, "3.nop;"},
		{Instruction{"name", "水😀;,.é"}, "4.name,6.水😀;,.é;"},
	} {
		require.Equal(t, c.text, string(c.instruction.text()))
		got, rest, err := parse([]byte(c.text + "rest"))
		require.NoError(t, err)
		require.Equal(t, c.instruction, got)
		require.Equal(t, "rest", string(rest))
	}
}

func TestABadInstructionIsAnError(t *testing.T) {
	for _, text := range []string{
		"", ";", "4", "4.", "4.sync", "4.syn;", "3.sync;", "-1.;", "+1.a;", "x.a;", ".a;", "1.水;x"[:4],
		"99999999999999999999.a;", "2147483648.a;", "2147483647.a;", "4.sync:1.a;", "4.sync,",
		strings.Repeat("1.a,", maxElements) + "1.a;",
	} {
		_, _, err := parse([]byte(text))
		require.ErrorIs(t, err, errInstruction, text)
	}
}

func TestAMessageHasAllItsInstructionsInOrder(t *testing.T) {
	var got []Instruction
	for i, err := range split(wsstream.Text("4.sync,1.1;3.nop;4.sync,1.2;oh")) {
		if err != nil {
			require.ErrorIs(t, err, errInstruction)
			break
		}
		got = append(got, i)
	}
	require.Equal(t, []Instruction{{"sync", "1"}, {"nop"}, {"sync", "2"}}, got)
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("4.name,6.水😀;,.é;3.nop;"))
	f.Add([]byte("0.,4.ping,2147483647.;"))
	f.Fuzz(func(t *testing.T, text []byte) {
		i, rest, err := parse(text)
		if err != nil {
			return
		}
		again, nothing, err := parse(i.text())
		require.NoError(t, err)
		require.Equal(t, i, again)
		require.Empty(t, nothing)
		require.Less(t, len(rest), len(text))
	})
}
