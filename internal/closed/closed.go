// Package closed is the error of a stream that was closed in order, which two packages name and
// which is one to errors.Is.
package closed

// An Error is an ErrClosed. To errors.Is, each is every other.
type Error struct{ text string }

// New returns an Error whose text is given.
func New(text string) error { return &Error{text} }

// Error returns the text.
func (e *Error) Error() string { return e.text }

// Is reports whether target is an Error, whatever its text.
func (e *Error) Is(target error) bool {
	_, ok := target.(*Error)
	return ok
}
