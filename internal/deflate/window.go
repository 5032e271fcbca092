package deflate

// A window remembers the last bytes of a stream, at most size of them. It has no more memory than
// they need.
type window struct {
	size int
	buf  []byte // a ring once it has size bytes
	end  int    // where the ring continues
}

// add remembers p.
func (w *window) add(p []byte) {
	if len(p) >= w.size {
		p = p[len(p)-w.size:]
		w.buf, w.end = w.buf[:0], 0
	}
	n := min(len(p), w.size-len(w.buf))
	w.grow(len(w.buf) + n)
	w.buf = append(w.buf, p[:n]...)
	p = p[n:]
	for len(p) > 0 {
		n := copy(w.buf[w.end:], p)
		p = p[n:]
		if w.end += n; w.end == w.size {
			w.end = 0
		}
	}
}

// grow makes room for n bytes, n ≤ size. The room at least doubles, up to size.
func (w *window) grow(n int) {
	if n <= cap(w.buf) {
		return
	}
	buf := make([]byte, len(w.buf), min(w.size, max(n, 2*cap(w.buf), 256)))
	copy(buf, w.buf)
	w.buf = buf
}

// copy copies to p the bytes that begin distance before the end, distance ≤ len(w.buf). It copies
// no further than the end.
func (w *window) copy(p []byte, distance int) int {
	n := min(len(p), distance)
	at := w.end - distance
	if len(w.buf) < w.size {
		at = len(w.buf) - distance
	}
	if at < 0 {
		at += w.size
	}
	m := copy(p[:n], w.buf[at:])
	copy(p[m:n], w.buf)
	return n
}
