package wire

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"
)

func TestCloseFrameBodyIsParsed(t *testing.T) {
	for _, test := range []struct {
		name string
		body string
		info CloseInfo
		code int // to answer a bad body with
		rule string
	}{
		{
			name: "no body",
			info: CloseInfo{Code: CodeNone},
		},
		{
			name: "a code",
			body: "\x03\xe8",
			info: CloseInfo{Code: 1000},
		},
		{
			name: "a code and a reason",
			body: "\x0f\xa0bye",
			info: CloseInfo{Code: 4000, Reason: "bye"},
		},
		{
			name: "one byte",
			body: "\x03",
			code: CodeProtocol,
			rule: "one byte",
		},
		{
			name: "a code that is never on the wire",
			body: "\x03\xee",
			code: CodeProtocol,
			rule: "code 1006",
		},
		{
			name: "a reason that is not UTF-8",
			body: "\x03\xe8\xff",
			code: CodeBadData,
			rule: "not UTF-8",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			info, code, err := parseClose([]byte(test.body))
			require.Equal(t, test.info, info)
			require.Equal(t, test.code, code)
			if test.rule == "" {
				require.NoError(t, err)
				require.Equal(t, test.body, string(appendClose(nil, info)))
			} else {
				require.ErrorContains(t, err, test.rule)
			}
		})
	}
}

func TestCloseCodesThatMayBeSent(t *testing.T) {
	ranges := [][2]int{{1000, 1003}, {1007, 1014}, {3000, 4999}}
	for code := range 1 << 16 {
		want := false
		for _, r := range ranges {
			want = want || r[0] <= code && code <= r[1]
		}
		require.Equal(t, want, Sendable(code), code)
	}
}

func TestCloseReasonIsCutBetweenCharacters(t *testing.T) {
	for before := range 4 {
		reason := strings.Repeat("x", before) + strings.Repeat("€", maxControl)
		info, _, err := parseClose(appendClose(nil, CloseInfo{Code: 1000, Reason: reason}))
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(reason, info.Reason))
		require.True(t, utf8.ValidString(info.Reason))
		require.Greater(t, len(info.Reason), maxReason-len("€"))
		require.LessOrEqual(t, len(info.Reason), maxReason)
	}
}

// FuzzCloseBody compares parseClose with ws.ParseCloseFrameData, and a naive reader. The answer to
// each body is valid.
func FuzzCloseBody(f *testing.F) {
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > maxControl {
			return
		}
		info, code, err := parseClose(body)
		want := new(naive).close(body)
		if err != nil {
			require.Equal(t, want.sent, code)
			require.Equal(t, want.kind, closeKind(err))
			info, code, err = parseClose(appendClose(nil, CloseInfo{code, err.Error()}))
			require.NoError(t, err)
			require.Zero(t, code)
			require.Equal(t, want.sent, info.Code)
			return
		}
		require.Zero(t, code)
		again := appendClose(nil, info)
		require.True(t, bytes.Equal(body, again))
		if len(body) > 0 {
			require.Equal(t, want.sent, info.Code)
			c, reason := ws.ParseCloseFrameData(body)
			require.Equal(t, CloseInfo{int(c), reason}, info)
		}
	})
}

// FuzzCloseReason sends any reason: it is cut between characters, and never for less than it must.
func FuzzCloseReason(f *testing.F) {
	f.Fuzz(func(t *testing.T, code uint16, reason string) {
		if !Sendable(int(code)) || !utf8.ValidString(reason) {
			return
		}
		info, _, err := parseClose(appendClose(nil, CloseInfo{int(code), reason}))
		require.NoError(t, err)
		require.Equal(t, int(code), info.Code)
		require.True(t, strings.HasPrefix(reason, info.Reason))
		if rest := reason[len(info.Reason):]; rest != "" {
			_, size := utf8.DecodeRuneInString(rest)
			require.Greater(t, len(info.Reason)+size, maxReason)
		}
	})
}
