package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

// A conn is a connection as the battery needs it. Its calls come from one goroutine.
type conn interface {
	read() (text bool, data []byte, err error)
	write(text bool, data []byte) error
	close(code int, reason string) error

	// ping sends a ping. pong is called when its pong was read, by a call of read.
	ping(data string, pong func()) error

	// fragments sends a text of several frames.
	fragments(parts ...string) error
}

// errNo is the error of what a library has no call for.
var errNo = errors.New("no")

// A closed is the error of a read after the end.
type closed struct {
	Code   int    `json:"code"`
	Reason string `json:"reason"`
}

func (c *closed) Error() string { return fmt.Sprintf("closed with %d %s", c.Code, c.Reason) }

type event struct {
	URL    string  `json:"url,omitempty"`
	Sent   *int    `json:"sent,omitempty"`
	Closed *closed `json:"closed,omitempty"`
}

var saying sync.Mutex // guards standard output

func say(e event) {
	saying.Lock()
	defer saying.Unlock()
	_ = json.NewEncoder(os.Stdout).Encode(e) // the battery misses what it does not get
}

// obey echoes and does as it is told until the connection ends.
func obey(c conn) {
	for {
		text, data, err := c.read()
		if err == nil {
			if order, ok := strings.CutPrefix(string(data), "!"); text && ok {
				err = do(c, order)
			} else {
				err = c.write(text, data)
			}
		}
		if err == nil {
			continue
		}
		end, ok := errors.AsType[*closed](err)
		if !ok {
			fmt.Fprintln(os.Stderr, err)
			end = &closed{Code: 1006}
		}
		say(event{Closed: end})
		return
	}
}

// do obeys an order, and answers it.
func do(c conn, order string) error {
	verb, rest, _ := strings.Cut(order, " ")
	var a, b int
	_, _ = fmt.Sscan(rest, &a, &b) // an order may have no numbers
	var err error
	answer := func(format string, args ...any) error {
		return c.write(true, fmt.Appendf(nil, "!"+format, args...))
	}
	switch verb {
	case "close":
		_, reason, _ := strings.Cut(rest, " ")
		err = c.close(a, reason)
	case "ping":
		err = c.ping(rest, func() { _ = answer("pong %s", rest) })
	case "fragments":
		err = c.fragments("\xe6\xb0", "", "\xb4\xe6", "\xb0\xb4水")
	case "flood":
		if err = flood(c, a, b); err == nil {
			err = answer("flooded")
		}
	case "sink":
		<-time.After(time.Duration(a) * time.Millisecond)
		var told string
		if told, err = sink(c); err == nil {
			err = answer("%s", told)
		}
	default:
		err = errNo
	}
	if err == errNo {
		err = answer("no")
	}
	return err
}

func flood(c conn, count, size int) error {
	b := make([]byte, size)
	for i := range count {
		binary.BigEndian.PutUint32(b, uint32(i))
		if err := c.write(false, b); err != nil {
			return err
		}
		if n := i + 1; n%8 == 0 {
			say(event{Sent: &n})
		}
	}
	return nil
}

func sink(c conn) (string, error) {
	for n := 0; ; n++ {
		text, data, err := c.read()
		switch {
		case err != nil:
			return "", err
		case text:
			return fmt.Sprintf("sunk %d", n), nil
		case binary.BigEndian.Uint32(data) != uint32(n):
			return fmt.Sprintf("lost %d", n), nil
		}
	}
}
