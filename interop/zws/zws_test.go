package zws

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReadyIsReadAsItWasWritten(t *testing.T) {
	b := append([]byte{command}, property(property([]byte(ready), "Identity", ""), "Socket-Type", "REQ")...)
	socketType, err := parseReady(b)
	require.NoError(t, err)
	require.Equal(t, "REQ", socketType)
}

func TestReadyOfOtherPropertiesHasNoType(t *testing.T) {
	socketType, err := parseReady([]byte("\x02" + ready + "\x01a\x00\x00\x00\x01b"))
	require.NoError(t, err)
	require.Empty(t, socketType)
}

func TestABadReadyIsAnError(t *testing.T) {
	for _, b := range []string{
		"", "\x02", "\x00" + ready, "\x02\x05OTHER",
		"\x02" + ready + "\x01", "\x02" + ready + "\x01a", "\x02" + ready + "\x01a\x00\x00\x00",
		"\x02" + ready + "\x01a\x00\x00\x00\x01", "\x02" + ready + "\x01a\xff\xff\xff\xffb",
		"\x02" + ready + "\xff",
	} {
		_, err := parseReady([]byte(b))
		require.ErrorIs(t, err, errCommand, "%q", b)
	}
}

func FuzzParseReady(f *testing.F) {
	f.Add(append([]byte{command}, property([]byte(ready), "Socket-Type", "REP")...))
	f.Fuzz(func(t *testing.T, b []byte) {
		socketType, err := parseReady(b)
		if err != nil {
			require.ErrorIs(t, err, errCommand)
			require.Empty(t, socketType)
		}
	})
}
