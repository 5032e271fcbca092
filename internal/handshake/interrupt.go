package handshake

import (
	"context"
	"net"
	"time"
)

// uninterrupted runs f, which waits for nc and for nothing else. If ctx ends meanwhile, it moves
// the deadline of nc into the past, and reports false.
func uninterrupted(ctx context.Context, nc net.Conn, f func()) bool {
	if ctx.Done() == nil { // it never ends
		f()
		return true
	}
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		_ = nc.SetDeadline(time.Unix(1, 0))
	})
	f()
	if stop() {
		return true
	}
	<-interrupted // or it would replace a deadline that is set later
	return false
}

// until runs f, which waits for nc and for nothing else, until ctx ends.
func until(ctx context.Context, nc net.Conn, f func() error) (err error) {
	if !uninterrupted(ctx, nc, func() { err = f() }) && err == nil {
		err = context.Cause(ctx) // nc cannot be used: its deadline has passed
	}
	return err
}
