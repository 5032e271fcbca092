package battery

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/interop/trial"
)

// longReason is how many characters of a reason the page shows.
const longReason = 60

// longest has the longest reason: 123 bytes.
var longest = wsstream.CloseInfo{Code: 4999, Reason: strings.Repeat("水", 41)}

// everyClose notes how both sides see each kind of end, and wants both to see the same.
func (b *battery) everyClose(t *trial.T) {
	for _, c := range []struct{ sent, seen wsstream.CloseInfo }{
		{wsstream.CloseInfo{}, wsstream.CloseInfo{Code: 1005}},
		{wsstream.CloseInfo{Code: 1000, Reason: "done"}, wsstream.CloseInfo{Code: 1000, Reason: "done"}},
		{wsstream.CloseInfo{Reason: "a reason"}, wsstream.CloseInfo{Code: 1000, Reason: "a reason"}},
		{wsstream.CloseInfo{Code: 3000, Reason: bye}, wsstream.CloseInfo{Code: 3000, Reason: bye}},
		{wsstream.CloseInfo{Code: 4998}, wsstream.CloseInfo{Code: 4998}},
		{longest, longest},
	} {
		b.ourEnd(t, c.sent, c.seen)
		if c.sent.Code != 0 || c.sent.Reason == "" { // no API has a reason without a code
			b.itsEnd(t, c.sent, c.seen)
		}
	}
	for _, code := range []int{1001, 1011, 1012, 1013, 1014} { // no page may send them
		info := wsstream.CloseInfo{Code: code}
		b.ourEnd(t, info, info)
	}
	b.limit(t)
}

func (b *battery) ourEnd(t *trial.T, sent, seen wsstream.CloseInfo) {
	l := b.open(t, Options{})
	require.NoError(t, l.Shutdown(t.Context(), sent))
	info, err := l.Closed().Wait(t.Context())
	end := l.peer.Closed(t, l.since)
	t.Note(Closes, "ours %s: %s", code(sent), sides(ended(end), our(info, err)))
	require.NoError(t, err)
	require.Equal(t, seen.Code, info.Code, "we sent %s", sent)
	require.Equal(t, seen, wsstream.CloseInfo{Code: end.Code, Reason: end.Reason}, "we sent %s", sent)
	require.True(t, end.Clean == nil || *end.Clean, "we sent %s", sent)
}

func (b *battery) itsEnd(t *trial.T, sent, seen wsstream.CloseInfo) {
	l := b.open(t, Options{})
	arguments := ""
	if sent.Code != 0 {
		arguments = fmt.Sprintf(" %d %s", sent.Code, sent.Reason)
	}
	l.order("close%s", arguments)
	info, err := l.Closed().Wait(t.Context())
	end := l.peer.Closed(t, l.since)
	t.Note(Closes, "its %s: %s", code(sent), sides(ended(end), our(info, err)))
	require.NoError(t, err)
	require.Equal(t, seen, info)
	require.Equal(t, seen.Code, end.Code, "it sent %s", sent)
	require.True(t, end.Clean == nil || *end.Clean, "it sent %s", sent)
}

// limit lets the peer exceed a limit of ours.
func (b *battery) limit(t *trial.T) {
	l := b.open(t, Options{MaxMessageSize: piece - 1})
	l.order("flood 1 %d", piece)
	_, err := l.Readable().Pull(t.Context())
	require.ErrorContains(t, err, "MaxMessageSize")
	_, err = l.Closed().Wait(t.Context())
	end := l.peer.Closed(t, l.since)
	t.Note(Closes, "its message above MaxMessageSize: %s",
		sides(ended(end), our(wsstream.CloseInfo{}, err)))
	require.Equal(t, 1009, end.Code)
}

// sides says how the two sides of a connection saw its end.
func sides(it, we string) string {
	if it == we {
		return "both saw " + it
	}
	return fmt.Sprintf("it saw %s, we saw %s", it, we)
}

// code is short for a code and a reason.
func code(c wsstream.CloseInfo) string {
	code := "without a code"
	if c.Code != 0 {
		code = strconv.Itoa(c.Code)
	}
	switch c.Reason {
	case "":
		return code
	case longest.Reason:
		return code + " and the longest reason"
	}
	reason := []rune(c.Reason)
	if len(reason) > longReason {
		reason = append(reason[:longReason], '…')
	}
	return code + " `" + string(reason) + "`"
}
