//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// onResize calls f each time that the terminal's window changes its size, until stop is called.
func onResize(f func()) (stop func()) {
	changed := make(chan os.Signal, 1)
	signal.Notify(changed, syscall.SIGWINCH)
	quit := make(chan struct{}) // closed by stop
	go func() {
		for {
			select {
			case <-changed:
				f()
			case <-quit:
				return
			}
		}
	}()
	return func() {
		signal.Stop(changed)
		close(quit)
	}
}
