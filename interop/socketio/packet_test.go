package socketio

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAPacketIsReadAsItWasWritten(t *testing.T) {
	for _, c := range []struct {
		kind      byte
		namespace string
		id        int
		values    []any
		text      string
	}{
		{event, "/", -1, []any{"hello", "水"}, `42["hello","水"]`},
		{event, "/admin", 12, []any{"add", 1.0}, `42/admin,12["add",1]`},
		{ack, "/", 0, []any{}, `430[]`},
		{event, "/", 3, []any{"b", map[string]any{"k": []any{[]byte("x")}}, []byte("y")},
			`452-3["b",{"k":[{"_placeholder":true,"num":0}]},{"_placeholder":true,"num":1}]`},
		{ack, "/a", 7, []any{[]byte{}}, `461-/a,7[{"_placeholder":true,"num":0}]`},
	} {
		p, err := newPacket(c.kind, c.namespace, c.id, c.values)
		require.NoError(t, err)
		require.Equal(t, c.text, p.text())
		got, n, err := parse([]byte(c.text)[1:])
		require.NoError(t, err)
		require.Len(t, p.attachments, n)
		got.attachments = p.attachments
		require.Equal(t, c.namespace, got.namespace)
		require.Equal(t, c.id, got.id)
		require.Equal(t, c.kind, got.kind)
		values, err := got.values()
		require.NoError(t, err)
		require.Equal(t, c.values, values)
	}
}

func TestABadPacketIsAnError(t *testing.T) {
	for _, text := range []string{
		"", "9", "5", `5-["a"]`, `50-["a"]`, `5x-["a"]`, `565-["a"]`, `2{}`, `2`, `2[`,
		`299999999999999999999["a"]`,
		`2["a",{"_placeholder":true,"num":0}]`, `2["a",{"_placeholder":true,"num":-1}]`,
		`2["a",{"_placeholder":true}]`,
	} {
		p, _, err := parse([]byte(text))
		if err == nil {
			_, err = p.values()
		}
		require.ErrorIs(t, err, errPacket, text)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`51-/a,7["b",{"_placeholder":true,"num":0}]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, n, err := parse(text)
		if err == nil {
			p.attachments = make([][]byte, n)
			_, _ = p.values()
		}
	})
}
