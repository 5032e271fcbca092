package stomp

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAFrameIsReadAsItWasWritten(t *testing.T) {
	f := Frame{
		Command: "MESSAGE",
		Header: map[string]string{
			"destination": "/topic/a", "a:b": "line\r\nend\\c", "empty": "", "content-length": "11",
		},
		Body: []byte("水\x00\n and :"),
	}
	got, err := Parse(f.Message().Data)
	require.NoError(t, err)
	require.Equal(t, f, got)
}

func TestAFrameWithoutALengthEndsAtAZero(t *testing.T) {
	f, err := Parse([]byte("\n\nSEND\ndestination:/a\ndestination:/b\nnote:a:b\n\nhello\x00\n"))
	require.NoError(t, err)
	require.Equal(t, Frame{
		Command: "SEND",
		Header:  map[string]string{"destination": "/a", "note": "a:b"},
		Body:    []byte("hello"),
	}, f)
}

func TestALineMayEndWithACarriageReturn(t *testing.T) {
	f, err := Parse([]byte("SEND\r\ndestination:/a\r\n\r\n\r\n\x00"))
	require.NoError(t, err)
	require.Equal(t, Frame{
		Command: "SEND", Header: map[string]string{"destination": "/a"}, Body: []byte("\r\n"),
	}, f)
}

func TestTheFirstOfRepeatedHeadersCountsIfItIsEmpty(t *testing.T) {
	f, err := Parse([]byte("SEND\nnote:\nnote:b\n\n\x00"))
	require.NoError(t, err)
	require.Equal(t, map[string]string{"note": ""}, f.Header)
}

func TestLineEndsAloneAreAHeartbeat(t *testing.T) {
	for _, text := range []string{"", "\n", "\r\n\r\n"} {
		f, err := Parse([]byte(text))
		require.NoError(t, err)
		require.Empty(t, f.Command)
	}
}

func TestABadFrameIsAnError(t *testing.T) {
	for _, text := range []string{
		"SEND", "SEND\n\nno end", "SEND\nno colon\n\n\x00",
		"SEND\ncontent-length:x\n\n\x00", "SEND\ncontent-length:-1\n\n\x00",
		"SEND\ncontent-length:1\n\n\x00", "SEND\ncontent-length:0\n\na\x00",
		"SEND\ncontent-length:99999999999999999999\n\n\x00",
	} {
		_, err := Parse([]byte(text))
		require.ErrorIs(t, err, errFrame, "%q", text)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("SEND\ndestination:/a\ncontent-length:5\n\nhello\x00"))
	f.Add([]byte("\r\nSUBSCRIBE\nid:\\c\\\\c\n\n\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		frame, err := Parse(b)
		if err != nil {
			require.ErrorIs(t, err, errFrame)
			return
		}
		require.LessOrEqual(t, len(frame.Body), len(bytes.TrimLeft(b, "\r\n")))
	})
}
