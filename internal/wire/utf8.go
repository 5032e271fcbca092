package wire

import "unicode/utf8"

// A textCheck checks text that comes in pieces. It fails with the first byte that cannot belong to
// UTF-8, whatever follows.
//
// RFC 6455, section 8.1.
type textCheck struct {
	tail [utf8.UTFMax]byte // the start of a character that the next piece continues
	n    uint8             // bytes of tail
}

// push checks the next piece and reports whether the text can still be UTF-8.
func (t *textCheck) push(p []byte) bool {
	for t.n > 0 && len(p) > 0 {
		t.tail[t.n] = p[0]
		t.n++
		p = p[1:]
		if utf8.FullRune(t.tail[:t.n]) {
			if r, size := utf8.DecodeRune(t.tail[:t.n]); r == utf8.RuneError && size == 1 {
				return false
			}
			t.n = 0
		}
	}
	whole := len(p) - unfinished(p)
	t.n += uint8(copy(t.tail[t.n:], p[whole:]))
	return utf8.Valid(p[:whole])
}

// whole reports whether the text ends between two characters.
func (t *textCheck) whole() bool { return t.n == 0 }

// unfinished returns the length of the character that p begins but does not end: 0 to 3.
func unfinished(p []byte) int {
	for n := 1; n <= min(3, len(p)); n++ {
		if tail := p[len(p)-n:]; utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return 0
			}
			return n
		}
	}
	return 0
}
