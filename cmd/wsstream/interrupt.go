package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// interrupts are what a user does to end the command: SIGINT, SIGTERM, and Ctrl-C at the prompt.
type interrupts struct {
	soft  context.Context // ends with the first: close in order
	hard  context.Context // ends with the second: cut
	press func()          // is one more of them
}

func newInterrupts() *interrupts {
	soft, first := context.WithCancelCause(context.Background())
	hard, second := context.WithCancelCause(context.Background())
	presses := make(chan os.Signal, 2)
	signal.Notify(presses, os.Interrupt, syscall.SIGTERM)
	signal.Ignore(syscall.SIGPIPE) // a write to a closed pipe is an error then
	go func() {                    // for as long as the process runs
		<-presses
		first(errCut)
		<-presses
		second(errCut)
	}()
	return &interrupts{soft, hard, func() {
		select {
		case presses <- os.Interrupt:
		default:
		}
	}}
}
