// Package closed has the error of a stream that was closed in order. The root and package stream
// export one each. For errors.Is the two are equal.
package closed

// An Error is an ErrClosed. For errors.Is, all Errors are the same.
type Error struct{ text string }

// New returns an Error with this text.
func New(text string) error { return &Error{text} }

// Error returns the text.
func (e *Error) Error() string { return e.text }

// Is reports whether target is an Error, whatever its text.
func (e *Error) Is(target error) bool {
	_, ok := target.(*Error)
	return ok
}
