package phoenix

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
)

func TestAFrameIsReadFromItsText(t *testing.T) {
	f, err := parse(wsstream.Text(`["1","2","room:a","say",{"k":["水"]}]`))
	require.NoError(t, err)
	require.Equal(t, "1", text(f.JoinRef))
	require.Equal(t, "2", text(f.Ref))
	require.Equal(t, "room:a", f.Topic)
	require.Equal(t, "say", f.Event)
	require.JSONEq(t, `{"k":["水"]}`, string(f.Payload))

	f, err = parse(wsstream.Text(`[null,"3","phoenix","heartbeat",{}]`))
	require.NoError(t, err)
	require.Nil(t, f.JoinRef)
}

func TestABinaryFrameHasItsLengthsFirst(t *testing.T) {
	f, err := parse(wsstream.Binary([]byte("\x00\x01\x02\x06\x0312" + "3" + "room:a" + "say" + "\x00bytes")))
	require.NoError(t, err)
	one, two := "1", "23"
	require.Equal(t, frame{
		JoinRef: &one, Ref: &two, Topic: "room:a", Event: "say", Binary: []byte("\x00bytes"),
	}, f)
}

func TestABadFrameIsAnError(t *testing.T) {
	for _, m := range []wsstream.Message{
		wsstream.Text(""),
		wsstream.Text("{}"),
		wsstream.Text("[]"),
		wsstream.Text("null"),
		wsstream.Text(`["1","2","room","say"]`),
		wsstream.Text(`["1","2","room","say",{},1]`),
		wsstream.Text(`[1,"2","room","say",{}]`),
		wsstream.Binary(nil),
		wsstream.Binary([]byte("\x00\x00\x00\x00")),
		wsstream.Binary([]byte("\x01\x00\x00\x00\x00")),
		wsstream.Binary([]byte("\x00\x01\x00\x00\x00")),
		wsstream.Binary([]byte("\x00\x00\x00\xff\x01ab")),
	} {
		_, err := parse(m)
		require.ErrorIs(t, err, errFrame, "%q", m.Data)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(true, []byte(`["1","2","room:a","say",{"k":["水"]}]`))
	f.Add(false, []byte("\x00\x01\x01\x01\x01abcdpayload"))
	f.Fuzz(func(t *testing.T, isText bool, b []byte) {
		m := wsstream.Binary(b)
		if isText {
			m = wsstream.Text(string(b))
		}
		if _, err := parse(m); err != nil {
			require.ErrorIs(t, err, errFrame)
		}
	})
}
