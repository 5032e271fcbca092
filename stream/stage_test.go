package stream_test

import (
	"context"
	"io"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/stream"
)

func TestStageEndsAsItsFunctionDoes(t *testing.T) {
	for name, c := range map[string]struct {
		drain bool
		err   error
		want  error
	}{
		"nil":                   {false, nil, io.EOF},
		"an error":              {false, errBoom, errBoom},
		"io.EOF behind the end": {true, io.EOF, io.EOF},
		"io.EOF before the end": {false, io.EOF, io.ErrUnexpectedEOF},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				src := source(io.EOF, 1)
				r := stream.Stage(src, stream.Count(1), func(
					ctx context.Context, src stream.Readable[int], dst stream.Writable[int],
				) error {
					if c.drain {
						if _, err := stream.Collect(ctx, src); err != nil {
							return err
						}
					}
					if err := dst.Write(ctx, 7); err != nil {
						return err
					}
					return c.err
				})
				require.Equal(t, 7, pull(t, r))
				wantEnd(t, r, c.want)
				synctest.Wait()
				require.Equal(t, !c.drain, len(src.causes()) == 1,
					"a source that has not ended is cancelled")
			})
		})
	}
}
