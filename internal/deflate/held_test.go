package deflate

// held returns how many bytes of memory the Deflater keeps, beside itself.
func (d *Deflater) held() int {
	if d.history == nil {
		return 0
	}
	return cap(d.history.buf)
}

// held returns how many bytes of memory the Inflater keeps, beside itself.
func (f *Inflater) held() int {
	n := cap(f.window.buf)
	if f.state != nil {
		n += inflateSize
	}
	return n
}
