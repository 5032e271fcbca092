package stream

import (
	"errors"
	"io"
)

// Skip drops a chunk. A function of an operator returns Skip, or an error that wraps it, if it has
// nothing to give for its chunk, as with fs.SkipDir.
var Skip = errors.New("stream: skip this chunk")

// SkipAll drops a chunk and all that would follow. The stream ends well, and its source is
// cancelled, as with fs.SkipAll.
//
// Streams Standard, 6.3.4 (terminate).
var SkipAll = errors.New("stream: skip all that follows")

// asFailure returns the failure that a stream ends with because of err, which a function of the
// caller returned.
func asFailure(err error) failure {
	switch {
	case errors.Is(err, SkipAll):
		return failure{io.EOF}
	case err == io.EOF:
		return failure{io.ErrUnexpectedEOF}
	}
	return failure{err}
}
