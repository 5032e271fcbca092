package wire

import (
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestTextIsCheckedAlikeHoweverItIsCut(t *testing.T) {
	for _, s := range []string{
		"", "a", "κόσμε", "日本語", "\U0001F600", "a\U0010FFFFz",
		"\xff", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
		"\xe2\x82", "a\xe2\x82z", "\xf0\x9f\x98", "ok\xf0\x28\x8c\xbc", "\x80", "é\x80",
	} {
		for i := range len(s) + 1 {
			for j := i; j <= len(s); j++ {
				var c textCheck
				ok := c.push([]byte(s[:i])) && c.push([]byte(s[i:j])) && c.push([]byte(s[j:])) && c.whole()
				require.Equal(t, utf8.ValidString(s), ok, "%q cut at %d and %d", s, i, j)
			}
		}
	}
}

func TestTextFailsAtTheFirstInvalidByte(t *testing.T) {
	for _, test := range []struct {
		name string
		text string
		at   int // the first invalid byte
	}{
		{"a lone continuation", "ab\x80", 2},
		{"an overlong form", "\xe0\x80", 1},
		{"a surrogate", "\xed\xa0", 1},
		{"above the last code point", "\xf4\x90", 1},
		{"a byte never used", "\xff", 0},
		{"a character cut short by another", "\xe2\x82a", 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			var c textCheck
			for i := range test.at {
				require.True(t, c.push([]byte{test.text[i]}), "byte %d", i)
			}
			require.False(t, c.push([]byte{test.text[test.at]}))
		})
	}
}

// FuzzTextCheck compares a textCheck with utf8.Valid. The text comes as cuts say, then in two
// pieces of any size. It fails with the first byte that no valid text has there.
func FuzzTextCheck(f *testing.F) {
	f.Fuzz(func(t *testing.T, text, cuts []byte) {
		bad := 0 // how many bytes are the start of a text
		for bad < len(text) && begunText(text[:bad+1]) {
			bad++
		}
		check := func(pieces ...[]byte) {
			var c textCheck
			at := 0
			for _, p := range pieces {
				at += len(p)
				if ok := c.push(p); !ok || at > bad {
					require.False(t, ok)
					require.Greater(t, at, bad)
					return
				}
			}
			require.Equal(t, utf8.Valid(text), c.whole())
		}
		check(split(text, cuts)...)
		for i := range text {
			check(text[:i], text[i:])
		}
	})
}
