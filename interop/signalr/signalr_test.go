package signalr

import (
	"encoding/json"
	"io"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
)

func TestAMessageHasOneRecordOrMore(t *testing.T) {
	var got []string
	for record, err := range split(wsstream.Text("{}\x1e{\"type\":6}\x1e")) {
		require.NoError(t, err)
		got = append(got, string(record))
	}
	require.Equal(t, []string{"{}", `{"type":6}`}, got)
	for _, m := range []wsstream.Message{
		wsstream.Text(""), wsstream.Text("{}"), wsstream.Text("{}\x1e{}"), wsstream.Binary([]byte("{}\x1e")),
	} {
		for _, err := range split(m) {
			require.ErrorIs(t, err, errProtocol, "%q", m.Data)
		}
	}
}

func TestAnInvocationNamesItsStreams(t *testing.T) {
	m, err := parse([]byte(`{"type":1,"invocationId":"2","target":"Sum","arguments":[7],"streamIds":["0","1"]}`))
	require.NoError(t, err)
	require.Equal(t, message{
		Type: invocation, ID: "2", Target: "Sum",
		args: []json.RawMessage{json.RawMessage("7")}, streams: []string{"0", "1"},
	}, m)
	m, err = parse([]byte(`{"type":2,"invocationId":"0","item":null}`))
	require.NoError(t, err)
	require.Equal(t, message{Type: streamItem, ID: "0", item: json.RawMessage("null")}, m)
}

func TestScanWantsAsManyValuesAsThereAre(t *testing.T) {
	args := Args{Values: []json.RawMessage{json.RawMessage("1"), json.RawMessage(`"a"`)}}
	var n int
	var s string
	require.NoError(t, args.Scan(&n, &s))
	require.Equal(t, 1, n)
	require.Equal(t, "a", s)
	require.EqualError(t, args.Scan(&n), "2 arguments, and not 1")
	require.ErrorContains(t, args.Scan(&s, &n), "argument 0")
}

// newClient returns a client that has no connection.
func newClient() *Client { return &Client{uploads: map[string]*upload{}} }

func TestAStreamOfTheClientIsPulledToItsEnd(t *testing.T) {
	c := newClient()
	args, end, err := c.upload(message{streams: []string{"0", "1"}})
	require.NoError(t, err)
	item := message{Type: streamItem, ID: "1", item: json.RawMessage("5")}
	require.NoError(t, c.take(t.Context(), item))
	require.NoError(t, c.take(t.Context(), message{Type: completion, ID: "1", Error: "it broke"}))
	require.NoError(t, c.take(t.Context(), message{Type: completion, ID: "0"}))
	got, err := args.Items[1].Pull(t.Context())
	require.NoError(t, err)
	require.Equal(t, "5", string(got))
	_, err = args.Items[1].Pull(t.Context())
	require.EqualError(t, err, "it broke")
	_, err = args.Items[0].Pull(t.Context())
	require.Equal(t, io.EOF, err)
	end()
	require.Empty(t, c.uploads)
}

func TestAnItemForAnInvocationThatHasReturnedIsDropped(t *testing.T) {
	c := newClient()
	_, end, err := c.upload(message{streams: []string{"0"}})
	require.NoError(t, err)
	end()
	for range heldItems + 1 {
		require.NoError(t, c.take(t.Context(), message{Type: streamItem, ID: "0"}))
	}
	require.NoError(t, c.take(t.Context(), message{Type: completion, ID: "0"}))
}

func TestAnInvocationThatReturnsFreesTheItemThatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient()
		_, end, err := c.upload(message{streams: []string{"0"}})
		require.NoError(t, err)
		for range heldItems {
			require.NoError(t, c.take(t.Context(), message{Type: streamItem, ID: "0"}))
		}
		taken := make(chan error, 1)
		go func() { taken <- c.take(t.Context(), message{Type: streamItem, ID: "0"}) }()
		synctest.Wait()
		require.Empty(t, taken, "the reader waits")
		end()
		require.NoError(t, <-taken)
	})
}

func TestAClientWithTooManyStreamsBreaksTheProtocol(t *testing.T) {
	c := newClient()
	_, _, err := c.upload(message{streams: []string{"0", "0"}})
	require.ErrorIs(t, err, errProtocol)
	_, _, err = c.upload(message{streams: make([]string, maxStreams+1)})
	require.ErrorIs(t, err, errProtocol)
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("{\"type\":1,\"invocationId\":\"2\",\"arguments\":[7],\"streamIds\":[\"0\"]}\x1e"))
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		for record, err := range split(wsstream.Message{Type: wsstream.TypeText, Data: b}) {
			if err != nil {
				require.ErrorIs(t, err, errProtocol)
				return
			}
			n += len(record) + 1
			_, _ = parse(record)
		}
		require.Equal(t, len(b), n)
	})
}
