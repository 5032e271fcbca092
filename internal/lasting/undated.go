package lasting

import (
	"context"
	"time"
)

// Undated returns a context that ends with ctx, and has no deadline. It is for code that would act
// on the deadline before ctx has ended.
func Undated(ctx context.Context) context.Context { return undated{ctx} }

type undated struct{ context.Context }

// Deadline returns no deadline.
func (undated) Deadline() (deadline time.Time, ok bool) { return deadline, false }
