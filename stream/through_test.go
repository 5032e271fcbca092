package stream_test

import (
	"io"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/stream"
)

func TestThroughFlushesOnceAtTheEnd(t *testing.T) {
	flushed := 0
	r := stream.Through(stream.From(1, 2), stream.Transform[int, int]{
		Each:   func(v int, emit func(int)) error { emit(v); emit(v); return nil },
		Flush:  func(emit func(int)) error { flushed++; emit(9); return nil },
		Cancel: func(error) { require.Fail(t, "Cancel after Flush") },
	})
	require.Equal(t, []int{1, 1, 2, 2, 9}, collect(t, r))
	require.NoError(t, r.Cancel(nil))
	wantEnd(t, r, io.EOF)
	require.Equal(t, 1, flushed)
}

func TestThroughFailsBehindWhatFlushEmitted(t *testing.T) {
	r := stream.Through(stream.From(1), stream.Transform[int, int]{
		Each:  func(int, func(int)) error { return nil },
		Flush: func(emit func(int)) error { emit(9); return errBoom },
	})
	require.Equal(t, 9, pull(t, r))
	wantEnd(t, r, errBoom)
}

func TestThroughFailsBehindWhatEachEmitted(t *testing.T) {
	src := source(nil, 1, 2)
	r := stream.Through(src, stream.Transform[int, int]{
		Each:   func(v int, emit func(int)) error { emit(v); emit(v); return errBoom },
		Flush:  func(func(int)) error { require.Fail(t, "Flush after an error"); return nil },
		Cancel: func(error) { require.Fail(t, "Cancel after an error") },
	})
	require.Equal(t, 1, pull(t, r))
	require.Equal(t, 1, pull(t, r))
	wantEnd(t, r, errBoom)
	require.Equal(t, []error{errBoom}, src.cancels)
	require.NoError(t, r.Cancel(errOther))
}

func TestThroughCallsItsCancelHookInsteadOfFlush(t *testing.T) {
	for name, busy := range map[string]bool{"idle": false, "while Each runs": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				src, release := source(nil, 1), make(chan struct{})
				var causes []error
				inEach := false
				r := stream.Through(src, stream.Transform[int, int]{
					Each: func(v int, emit func(int)) error {
						inEach = true
						if busy {
							<-release
						}
						inEach = false
						emit(v)
						return nil
					},
					Flush: func(func(int)) error {
						require.Fail(t, "Flush after Cancel")
						return nil
					},
					Cancel: func(cause error) {
						require.False(t, inEach, "the hook ran beside Each")
						causes = append(causes, cause)
					},
				})
				p := goPull(t.Context(), r)
				synctest.Wait()
				require.NoError(t, r.Cancel(errBoom))
				require.NoError(t, r.Cancel(errOther))
				if busy {
					require.Empty(t, causes, "Each runs")
					close(release)
					p.returns(t, io.EOF)
				}
				synctest.Wait()
				require.Equal(t, []error{errBoom}, causes)
				require.Equal(t, []error{errBoom}, src.cancels)
			})
		})
	}
}

// Cancel of the source ends the Pull that waits for it, with io.EOF. That is no end to flush at.
func TestThroughDoesNotFlushWhenCancelEndsItsPull(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var calls []string
		r := stream.Through(source(nil), stream.Transform[int, int]{
			Each:   func(int, func(int)) error { return nil },
			Flush:  func(func(int)) error { calls = append(calls, "Flush"); return nil },
			Cancel: func(cause error) { calls = append(calls, "Cancel "+cause.Error()) },
		})
		p := goPull(t.Context(), r)
		p.waits(t, "the source is idle")
		require.NoError(t, r.Cancel(errBoom))
		p.returns(t, io.EOF)
		require.Equal(t, []string{"Cancel boom"}, calls)
	})
}

func TestThroughCallsItsCancelHookWhenItsSourceFails(t *testing.T) {
	var causes []error
	r := stream.Through(source(errBoom), stream.Transform[int, int]{
		Each:   func(int, func(int)) error { return nil },
		Cancel: func(cause error) { causes = append(causes, cause) },
	})
	wantEnd(t, r, errBoom)
	require.NoError(t, r.Cancel(nil))
	require.Equal(t, []error{errBoom}, causes)
}

func TestThroughPullsOnlyWhenItHasNothingLeft(t *testing.T) {
	src := source(io.EOF, 1, 2)
	r := stream.Through(src, stream.Transform[int, int]{
		Each: func(v int, emit func(int)) error { emit(v); emit(v); return nil },
	})
	pull(t, r)
	pull(t, r)
	require.Equal(t, 1, src.taken())
	pull(t, r)
	require.Equal(t, 2, src.taken())
}
