package conn

import "fmt"

// The kinds of content.
const (
	kindNoise = iota // bytes that do not compress; for text, letters
	kindWords        // words that repeat
	kindRunes        // characters of 1 to 4 bytes
	kinds
)

// content returns n bytes that tell their number, as far as there is room for it.
func content(kind, id, n int, text bool) []byte {
	b := make([]byte, 0, n+16)
	b = fmt.Appendf(b, "%d|", id)
	seed := uint64(id)*0x9e3779b97f4a7c15 + 1
	for len(b) < n {
		seed ^= seed << 13
		seed ^= seed >> 7
		seed ^= seed << 17
		switch {
		case kind == kindWords:
			b = append(b, words[seed%uint64(len(words))]...)
		case kind == kindRunes:
			b = append(b, runes[seed%uint64(len(runes))]...)
		case text:
			b = append(b, ' '+byte(seed%90))
		default:
			b = append(b, byte(seed), byte(seed>>8), byte(seed>>16), byte(seed>>24))
		}
	}
	if kind == kindRunes && len(b) > n { // cut between two characters, and fill up
		for cut := n; cut > 0; cut-- {
			if b[cut]&0xc0 != 0x80 {
				b = b[:cut]
				break
			}
		}
		for len(b) < n {
			b = append(b, '.')
		}
	}
	return b[:n]
}

var (
	words = []string{"frame ", "window ", "credit ", "mask ", "a ", "message ", "of ", "the "}
	runes = []string{"a", "é", "漢", "🜁", "ß", "z"}
)
