package stream

import (
	"context"
	"errors"
	"reflect"
)

// ofCtx reports whether err is the end of ctx, and not of a stream. It takes every err for the end
// if the cause cannot be compared.
func ofCtx(ctx context.Context, err error) bool {
	if err == nil || ctx.Err() == nil {
		return false
	}
	cause := context.Cause(ctx)
	return !canCompare(cause) || errors.Is(err, cause) || errors.Is(err, ctx.Err())
}

// canCompare reports whether err can be compared. A caller of this package may have made it, and ==
// panics for a struct that has a slice or a map inside.
func canCompare(err error) bool { return reflect.ValueOf(err).Comparable() }

// join joins an error of a shutdown to the error that caused the shutdown, unless they are the
// same.
func join(err, met error) error {
	if met == nil || canCompare(met) && errors.Is(err, met) {
		return err
	}
	return errors.Join(err, met)
}
