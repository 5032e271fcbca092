package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"
)

func TestTheConsumerTakesItsTime(t *testing.T) {
	for name, tc := range map[string]struct {
		limit rate.Limit
		n     int // bytes
		want  time.Duration
	}{
		"a burst costs nothing": {
			limit: chunk,
			n:     chunk,
			want:  0,
		},
		"then each byte costs": {
			limit: chunk,
			n:     11 * chunk,
			want:  10 * time.Second,
		},
		"one call may be longer than a burst": {
			limit: 1 << 20,
			n:     1<<20 + chunk,
			want:  time.Second,
		},
		"no limit": {
			limit: rate.Inf,
			n:     1 << 30,
			want:  0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				require.NoError(t, newConsumer(tc.limit).consume(t.Context(), make([]byte, tc.n)))
				require.InDelta(t, tc.want, time.Since(begin), float64(time.Millisecond))
			})
		})
	}
}

func TestTheConsumersWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Minute, func() { cancel(cause) })
		require.ErrorIs(t, newConsumer(1).consume(ctx, make([]byte, 2*chunk)), cause)

		soon, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		require.Error(t, newConsumer(1).consume(soon, make([]byte, 2*chunk)),
			"there is no need to wait for a deadline")
	})
}
