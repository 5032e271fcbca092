package closed

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEachErrClosedIsEveryOtherToErrorsIs(t *testing.T) {
	ours, theirs := New("one: closed"), New("two: closed")
	require.EqualError(t, ours, "one: closed")
	require.ErrorIs(t, ours, theirs)
	require.ErrorIs(t, theirs, ours)
	require.ErrorIs(t, fmt.Errorf("while writing: %w", ours), theirs)
	require.NotErrorIs(t, ours, errors.New("one: closed"))
	require.NotErrorIs(t, errors.New("one: closed"), ours)
}
