package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/stream"
)

const (
	fromClient = "client"
	fromServer = "server"
)

// An entry is a line of a record, in JSON.
type entry struct {
	At   float64 `json:"at"`   // seconds since the record began
	From string  `json:"from"` // fromClient or fromServer
	Type string  `json:"type"` // "text" or "binary"
	Text string  `json:"text,omitempty"`
	Data []byte  `json:"base64,omitempty"`
}

// A recorder writes messages to a file, as they come and go.
type recorder struct {
	began time.Time

	mu   sync.Mutex
	file *os.File // guarded by mu
}

func newRecorder(path string) (*recorder, error) {
	file, err := os.Create(path)
	return &recorder{began: time.Now(), file: file}, err
}

// add records a message. Its error is an outputError.
func (r *recorder) add(from string, m wsstream.Message) error {
	e := entry{From: from, Type: m.Type.String()}
	if m.Type == wsstream.TypeText {
		e.Text = string(m.Data)
	} else {
		e.Data = m.Data
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	e.At = time.Since(r.began).Seconds()
	lines := json.NewEncoder(r.file)
	lines.SetEscapeHTML(false)
	if err := lines.Encode(e); err != nil {
		return outputError{fmt.Errorf("--record: %w", err)}
	}
	return nil
}

func (r *recorder) close() {
	if r != nil {
		_ = r.file.Close()
	}
}

// replay returns the messages of the client in a record, each at its time, or all as they are
// pulled. The first is due when it is pulled.
func replay(path string, fast bool) (stream.Readable[wsstream.Message], error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return stream.Stage(stream.From(file), stream.Count(0), func(
		ctx context.Context, _ stream.Readable[*os.File], dst stream.Writable[wsstream.Message],
	) error {
		defer func() { _ = file.Close() }() // it was only read
		began := time.Now()
		entries := json.NewDecoder(file)
		for n := 1; ; n++ {
			var e entry
			switch err := entries.Decode(&e); {
			case errors.Is(err, io.EOF):
				return nil
			case err != nil:
				return fmt.Errorf("%s: %w", path, err)
			}
			if err := e.check(); err != nil {
				return fmt.Errorf("%s: message %d: %w", path, n, err)
			}
			if e.From != fromClient {
				continue
			}
			if !fast && !pause(ctx, time.Until(began.Add(seconds(e.At)))) {
				return context.Cause(ctx)
			}
			if err := dst.Write(ctx, e.message()); err != nil {
				return err
			}
		}
	}), nil
}

// check returns an error for an entry that no recorder writes.
func (e *entry) check() error {
	switch {
	case e.From != fromClient && e.From != fromServer:
		return fmt.Errorf("from %q: want %q or %q", e.From, fromClient, fromServer)
	case e.Type != wsstream.TypeText.String() && e.Type != wsstream.TypeBinary.String():
		return fmt.Errorf("type %q: want %q or %q", e.Type, wsstream.TypeText, wsstream.TypeBinary)
	}
	return nil
}

func (e *entry) message() wsstream.Message {
	if e.Type == wsstream.TypeText.String() {
		return wsstream.Text(e.Text)
	}
	return wsstream.Binary(e.Data)
}

func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }

// sameFile reports whether two paths are of one file, which exists.
func sameFile(a, b string) bool {
	one, errOne := os.Stat(a)
	two, errTwo := os.Stat(b)
	return errOne == nil && errTwo == nil && os.SameFile(one, two)
}

// pause reports whether d has passed before ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
