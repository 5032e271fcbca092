package stream

// A ring is a first-in, first-out list that grows as chunks come, and reuses its memory.
type ring[T any] struct {
	buf  []sized[T] // its length is zero or a power of two
	head int        // of the oldest, counted from the start of time; the index is its low bits
	n    int
}

// A sized chunk remembers its size, so that Size is called once.
type sized[T any] struct {
	v    T
	size uint64
}

func (r *ring[T]) at(i int) *sized[T] { return &r.buf[i&(len(r.buf)-1)] }

func (r *ring[T]) push(v T, size uint64) {
	if r.n == len(r.buf) {
		r.grow()
	}
	*r.at(r.head + r.n) = sized[T]{v, size}
	r.n++
}

func (r *ring[T]) pop() (T, uint64) {
	e := r.at(r.head)
	v, size := e.v, e.size
	*e = sized[T]{} // keeps nothing that the chunk refers to
	r.head++
	r.n--
	return v, size
}

func (r *ring[T]) grow() {
	buf := make([]sized[T], max(2*len(r.buf), 4))
	for i := range r.n {
		buf[(r.head+i)&(len(buf)-1)] = *r.at(r.head + i)
	}
	r.buf = buf
}

func (r *ring[T]) drop() { r.buf, r.n = nil, 0 }
