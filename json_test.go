package wsstream_test

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/stream"
	"github.com/wsstream/wsstream/wstest"
)

type point struct {
	X int `json:"x"`
	Y int `json:"y"`
}

func TestJSONBothWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := wstest.Pair(t, nil)
		go func() { // ends with the connection
			points := stream.Decode(d.Server.Readable(), wsstream.JSON[point]())
			sums := stream.Map(points, func(p point) (int, error) { return p.X + p.Y, nil })
			_ = stream.Pipe(t.Context(), stream.Encode(d.Server.Writable(), wsstream.JSON[int]()), sums, nil)
		}()
		out := stream.Encode(d.Client.Writable(), wsstream.JSON[point]())
		in := stream.Decode(d.Client.Readable(), wsstream.JSON[int]())
		for i := range 10 {
			require.NoError(t, out.Write(t.Context(), point{i, i * i}))
			sum, err := in.Pull(t.Context())
			require.NoError(t, err)
			require.Equal(t, i+i*i, sum)
		}
		require.NoError(t, out.Close(t.Context()))
		_, err := in.Pull(t.Context())
		require.Equal(t, io.EOF, err, "the end is the connection's")
	})
}

func TestJSONIsATextMessage(t *testing.T) {
	m, err := wsstream.JSON[point]().Encode(point{1, 2})
	require.NoError(t, err)
	require.Equal(t, wsstream.Text(`{"x":1,"y":2}`), m)
}

// TestJSONThatCannotBeEncodedSendsNothing: the Write returns the error, and the stream goes on.
func TestJSONThatCannotBeEncodedSendsNothing(t *testing.T) {
	d := wstest.Pair(t, nil)
	out := stream.Encode(d.Client.Writable(), wsstream.JSON[float64]())
	err := out.Write(t.Context(), math.NaN())
	_, ok := errors.AsType[*json.UnsupportedValueError](err)
	require.True(t, ok, err)
	require.ErrorContains(t, err, "wsstream: json: ")
	require.NoError(t, out.Write(t.Context(), 1.5))
	m, err := d.Server.Readable().Pull(t.Context())
	require.NoError(t, err)
	require.Equal(t, "1.5", string(m.Data))
}

func TestJSONErrorNamesTypeLengthAndFirstBytes(t *testing.T) {
	long := strings.Repeat("1", 1004)
	for name, tc := range map[string]struct {
		m    wsstream.Message
		want string
	}{
		"no JSON": {wsstream.Text("hello"), `wsstream: text message of 5 bytes, "hello": invalid character 'h'`},
		"empty":   {wsstream.Text(""), `wsstream: text message of 0 bytes, "": unexpected end of JSON input`},
		"long": {
			wsstream.Text("[" + long),
			`wsstream: text message of 1005 bytes, "[` + long[:31] + `": `,
		},
		"another type":       {wsstream.Text(`[1]`), `wsstream: text message of 3 bytes, "[1]": json: cannot unmarshal array`},
		"half of it good":    {wsstream.Text(`{"x":1,"y":""}`), `wsstream: text message of 14 bytes, "{\"x\":1,\"y\":\"\"}": json: cannot unmarshal string`},
		"more behind it":     {wsstream.Text(`{} {}`), `wsstream: text message of 5 bytes, "{} {}": invalid character '{' after top-level value`},
		"binary, though not": {wsstream.Binary([]byte(`{}`)), `wsstream: binary message of 2 bytes, "{}": JSON comes in text messages`},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := wsstream.JSON[point]().Decode(tc.m)
			require.ErrorContains(t, err, tc.want)
			require.Zero(t, v)
		})
	}
	_, err := wsstream.JSON[point]().Decode(wsstream.Text(`{"x":"1"}`))
	wrong, ok := errors.AsType[*json.UnmarshalTypeError](err)
	require.True(t, ok)
	require.Equal(t, "x", wrong.Field)
}

func TestJSONErrorEndsTheStreamAndTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := wstest.Pair(t, nil)
		send(t, d.Server, `{"x":1}`, `x`, `{"x":2}`)
		in := stream.Decode(d.Client.Readable(), wsstream.JSON[point]())
		p, err := in.Pull(t.Context())
		require.NoError(t, err)
		require.Equal(t, point{X: 1}, p)
		_, err = in.Pull(t.Context())
		bad, ok := errors.AsType[*stream.DecodeError[wsstream.Message]](err)
		require.True(t, ok, err)
		require.Equal(t, "x", string(bad.Message.Data))
		_, again := in.Pull(t.Context())
		require.Equal(t, err, again)
		_, err = d.Server.Closed().Wait(t.Context())
		require.NoError(t, err, "cancelled, and so closed in order")
	})
}

func TestJSONErrorsCanBeSkipped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := wstest.Pair(t, nil)
		send(t, d.Server, `x`, `{"x":1}`, `[]`, `{"x":2}`)
		require.NoError(t, d.Server.Close(wsstream.CloseInfo{Code: 1000}))
		var reported []string
		codec := wsstream.JSON[point]().SkipBad(func(m wsstream.Message, err error) {
			require.Error(t, err)
			reported = append(reported, string(m.Data))
		})
		points, err := stream.Collect(t.Context(), stream.Decode(d.Client.Readable(), codec))
		require.NoError(t, err)
		require.Equal(t, []point{{X: 1}, {X: 2}}, points)
		require.Equal(t, []string{"x", "[]"}, reported)
	})
}
