package main

import (
	"context"
	"errors"
	"io"
	"sync"
)

var (
	background = context.Background()
	errServed  = errors.New("the library has served the connection itself")
)

// A queue gives the messages of a library that calls back to a goroutine that reads. A callback
// waits while one is not read.
type queue struct {
	messages chan message
	ended    chan struct{}
	err      error

	mu     sync.Mutex
	ponged func()
}

type message struct {
	text bool
	data []byte
}

func newQueue() *queue {
	return &queue{messages: make(chan message), ended: make(chan struct{})}
}

func (q *queue) push(text bool, data []byte) { q.messages <- message{text, data} }

func (q *queue) end(err error) {
	if err == nil {
		err = io.EOF
	}
	q.err = err
	close(q.ended)
}

func (q *queue) read() (bool, []byte, error) {
	select {
	case m := <-q.messages:
		return m.text, m.data, nil
	case <-q.ended:
		return false, nil, q.err
	}
}

func (q *queue) onPong(f func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ponged = f
}

func (q *queue) pong() {
	q.mu.Lock()
	f := q.ponged
	q.mu.Unlock()
	if f != nil {
		f()
	}
}
