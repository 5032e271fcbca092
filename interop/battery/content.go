package battery

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// text returns n bytes of UTF-8 whose characters take one to four bytes.
func text(n int) string {
	chars := []string{"a", "é", "水", "😀"}
	var s strings.Builder
	for i := 0; s.Len() < n; i++ {
		s.WriteString(chars[min(i%4, n-s.Len()-1)])
	}
	return s.String()
}

// noise returns n bytes that do not compress. They are the same in each run.
func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{}).Read(b) // it never fails
	return b
}

// jsonText returns the i-th of some JSON texts of different lengths.
func jsonText(i int) string {
	return fmt.Sprintf(`{"id":%d,"name":"水 😀 %s","ok":%t}`, i, strings.Repeat("x", i*7%301), i%2 == 0)
}
